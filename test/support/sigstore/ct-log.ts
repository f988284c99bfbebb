import { hash } from "node:crypto";
import { type Issued, type Issuer, octets, spkiOf } from "../x509.ts";
import { type LogKey, signUsual } from "./log-key.ts";

export const sctExtension = "1.3.6.1.4.1.11129.2.4.2";

export interface SctSpec {
  readonly log: LogKey;
  readonly at: number;
  readonly issuer: Pick<Issuer, "key">;
  /** The signed part of the certificate without the SCT extension. */
  readonly tbs: Uint8Array;
}

const uint = (value: number, bytes: number): Buffer => {
  const buffer = Buffer.alloc(bytes);
  buffer.writeUIntBE(value, 0, bytes);
  return buffer;
};
const opaque = (bytes: Uint8Array, lengthBytes: number) => Buffer.concat([uint(bytes.length, lengthBytes), bytes]);

/** What a certificate log signs over a precertificate (RFC 6962 §3.2). */
export function signedEntry({ at, issuer, tbs }: Omit<SctSpec, "log">): Buffer {
  const issuerKeyHash = hash("sha256", spkiOf(issuer.key), "buffer");
  const entry = Buffer.concat([uint(1, 2), issuerKeyHash, opaque(tbs, 3)]);
  return Buffer.concat([Buffer.of(0, 0), uint(0, 2), uint(at, 6), entry, uint(0, 2)]);
}

/** One SignedCertificateTimestamp. */
export function sct(spec: SctSpec): Buffer {
  const { log, at } = spec;
  const signature = signUsual(log, signedEntry(spec));
  const rsa = log.publicKey.asymmetricKeyType === "rsa";
  const header = Buffer.concat([Buffer.of(0), log.logId, uint(0, 2), uint(at, 6), uint(0, 2)]);
  return Buffer.concat([header, Buffer.of(4, rsa ? 1 : 3), opaque(signature, 2)]);
}

/** The value of the extension: an OCTET STRING with the list of SCTs. */
export function sctList(scts: readonly Uint8Array[]): Buffer {
  return octets(opaque(Buffer.concat(scts.map((one) => opaque(one, 2))), 2));
}

/** The signed part of a certificate: the first value in it. */
export function tbsOf({ der }: Pick<Issued, "der">): Buffer {
  const inside = headerOf(der, 0);
  const { start, length } = headerOf(der, inside.start);
  return der.subarray(inside.start, start + length);
}

function headerOf(der: Buffer, at: number): { readonly start: number; readonly length: number } {
  const first = der[at + 1] ?? 0;
  if (first < 0x80) return { start: at + 2, length: first };
  const size = first & 0x7f;
  return { start: at + 2 + size, length: der.readUIntBE(at + 2, size) };
}
