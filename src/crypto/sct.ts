import { hash } from "node:crypto";
import { TrustError } from "../errors.ts";
import { contextTag, derBytes, derChildren, derContent, derTags, parseDer } from "./der.ts";
import type { PublicKey } from "./public-key.ts";
import type { Certificate } from "./x509.ts";
import { isSignedWith, type SignatureAlgorithm } from "./x509-signature.ts";

/** A promise of a certificate log to record a certificate (RFC 6962 §3.2): a claim, until its signature is verified. */
export interface SignedCertificateTimestamp {
  /** 32 bytes: SHA-256 of the log's SubjectPublicKeyInfo. */
  readonly logId: Buffer;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly extensions: Buffer;
  readonly algorithm: SignatureAlgorithm;
  readonly signature: Buffer;
}

export const sctListOid = "1.3.6.1.4.1.11129.2.4.2";
const maxScts = 32;
const maxBytes = 64 * 1024;

/** TLS 1.2 numbers of hash and signature (RFC 5246 §7.4.1.4.1); RFC 6962 §2.1.4 allows no others. */
const algorithms: Readonly<Record<number, SignatureAlgorithm>> = {
  1027: { kind: "ecdsa", hash: "sha256" },
  1025: { kind: "rsa-pkcs1", hash: "sha256" },
};

/**
 * The SCTs inside a certificate, none where it has no such extension. Throws `SCT_INVALID` for a malformed list, an empty
 * one, more than 32, or versions and algorithms that RFC 6962 does not have.
 */
export function readScts(certificate: Certificate): readonly SignedCertificateTimestamp[] {
  const extension = certificate.extensions.get(sctListOid);
  if (extension === undefined) return [];
  const text = parseDer(extension.value, { what: "the list of SCTs", code: "SCT_INVALID", maxBytes });
  if (text.tag !== derTags.octetString) throw malformed("it is not an OCTET STRING");
  const outer = reader(derContent(text));
  const list = reader(outer.vector(2));
  outer.end();
  const scts: SignedCertificateTimestamp[] = [];
  while (!list.isAtEnd()) {
    if (scts.length >= maxScts) throw malformed(`it has more than ${maxScts} entries`);
    scts.push(readSct(list.vector(2)));
  }
  if (scts.length === 0) throw malformed("it is empty");
  return scts;
}

function readSct(bytes: Buffer): SignedCertificateTimestamp {
  const fields = reader(bytes);
  if (fields.number(1) !== 0) throw malformed("an SCT is of another version than v1");
  const logId = fields.take(32);
  const at = fields.take(8).readBigUInt64BE();
  const extensions = fields.vector(2);
  const algorithm = algorithms[fields.number(2)];
  const signature = fields.vector(2);
  fields.end();
  if (algorithm === undefined) throw malformed("an SCT is signed with another algorithm than RFC 6962 has");
  if (at > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed("an SCT has no possible time");
  return { logId, at: Number(at), extensions, algorithm, signature };
}

/** Reads the presentation language of TLS (RFC 5246 §4): numbers, and vectors after their length. */
function reader(bytes: Buffer) {
  let at = 0;
  const take = (length: number): Buffer => {
    if (at + length > bytes.length) throw malformed("it is cut off");
    at += length;
    return bytes.subarray(at - length, at);
  };
  const number = (length: number) => take(length).readUIntBE(0, length);
  return {
    take,
    number,
    vector: (length: number) => take(number(length)),
    isAtEnd: () => at === bytes.length,
    end: () => {
      if (at !== bytes.length) throw malformed("bytes follow its end");
    },
  };
}

/**
 * What a log signed of a certificate with SCTs inside: which key issued it, and its signed part without the SCTs
 * (RFC 6962 §3.2, precert_entry). The issuer is the one that the proved path names.
 */
export function precertificateEntry(certificate: Certificate, issuer: Certificate): Buffer {
  const tbs = withoutScts(certificate);
  const length = Buffer.alloc(3);
  length.writeUIntBE(tbs.length, 0, 3);
  return Buffer.concat([hash("sha256", issuer.spki, "buffer"), length, tbs]);
}

/** The signed part with its lengths written anew, and every other byte as it stands. */
function withoutScts({ tbs, extensions }: Certificate): Buffer {
  const root = parseDer(tbs, { what: "the certificate", code: "SCT_INVALID", maxBytes });
  const extensionsTag = contextTag(3, "constructed");
  const parts = derChildren(root).flatMap((child) => {
    if (child.tag !== extensionsTag) return [derBytes(child)];
    const rest = [...extensions.values()].flatMap(({ oid, raw }) => (oid === sctListOid ? [] : [raw]));
    // A certificate without extensions has no list of them.
    return rest.length === 0 ? [] : [encode(extensionsTag, [encode(derTags.sequence, rest)])];
  });
  return encode(derTags.sequence, parts);
}

function encode(tag: number, parts: readonly Buffer[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const octets = length < 0x80 ? 0 : length < 0x100 ? 1 : length < 0x10000 ? 2 : 3;
  const head = Buffer.alloc(2 + octets, tag);
  head[1] = octets === 0 ? length : 0x80 | octets;
  if (octets > 0) head.writeUIntBE(length, 2, octets);
  return Buffer.concat([head, ...parts]);
}

/** Whether the key signed the SCT for that entry ({@link precertificateEntry}). Never throws. */
export function isSctSignedBy(sct: SignedCertificateTimestamp, key: PublicKey, entry: Buffer): Promise<boolean> {
  const head = Buffer.alloc(12);
  // Version v1 and type certificate_timestamp are both 0; then the time, and the type of the entry: precert_entry.
  head.writeBigUInt64BE(BigInt(sct.at), 2);
  head.writeUInt16BE(1, 10);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(sct.extensions.length);
  return isSignedWith(
    sct.algorithm,
    key.keyObject,
    Buffer.concat([head, entry, length, sct.extensions]),
    sct.signature,
  );
}

function malformed(problem: string): TrustError {
  return new TrustError("SCT_INVALID", `the list of SCTs in the certificate is malformed: ${problem}`, {
    expected: "SignedCertificateTimestampList (RFC 6962 §3.3)",
  });
}
