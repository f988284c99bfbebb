import { hash, sign } from "node:crypto";
import { derBytes, derChildren, derContent, parseDer } from "../../../src/crypto/der.ts";
import { derBoolean, derOid } from "../../../src/crypto/der-values.ts";
import { integer, sequence, tlv } from "../../crypto/der.ts";
import { algorithms, context, type Issued, nothing, octets, oid, time } from "../x509.ts";
import type { Authority } from "./authority.ts";

const hashOids = {
  sha256: "2.16.840.1.101.3.4.2.1",
  sha384: "2.16.840.1.101.3.4.2.2",
  sha512: "2.16.840.1.101.3.4.2.3",
};
export type ImprintHash = keyof typeof hashOids;
const contentTypes = {
  signedData: "1.2.840.113549.1.7.2",
  tstInfo: "1.2.840.113549.1.9.16.1.4",
};
const attributes = {
  contentType: "1.2.840.113549.1.9.3",
  messageDigest: "1.2.840.113549.1.9.4",
  signingTime: "1.2.840.113549.1.9.5",
  signingCertificate: "1.2.840.113549.1.9.16.2.47",
};

/** What a client asks (RFC 3161 §2.4.1). */
export interface TimestampQuestion {
  readonly hash: ImprintHash;
  readonly imprint: Uint8Array;
  /** The DER of the INTEGER. */
  readonly nonce?: Uint8Array;
  readonly certificates?: boolean;
}

export interface TimestampSpec extends TimestampQuestion {
  readonly authority: Authority;
  readonly signer: Issued;
  readonly at: number;
  /** Of the attributes and of what is signed; SHA-256 as Sigstore's authority has it. */
  readonly digest?: ImprintHash;
  /** GeneralizedTime with parts of a second, as some authorities write it. */
  readonly fraction?: boolean;
  /** Changes TSTInfo before it is signed. */
  readonly info?: (fields: readonly Buffer[]) => readonly Buffer[];
}

const set = (...items: readonly Uint8Array[]) => tlv(0x31, Buffer.concat([...items].sort(Buffer.compare)));
const digestAlgorithm = (name: ImprintHash) => sequence(oid(hashOids[name]));
let serials = 1n;

/** A TimeStampResp that grants (RFC 3161 §2.4.2). */
export function timestampResponse(spec: TimestampSpec): Buffer {
  return sequence(sequence(integer(0n)), timestampToken(spec));
}

/** The bare token: CMS SignedData over TSTInfo. */
export function timestampToken(spec: TimestampSpec): Buffer {
  const { authority, signer, certificates = false, digest = "sha256" } = spec;
  const content = sequence(...tstInfo(spec));
  const withChain = certificates
    ? [context(0, Buffer.concat([signer, ...authority.chain.slice(0, -1)].map(({ der }) => der)))]
    : [];
  const signedData = sequence(
    integer(3n),
    set(digestAlgorithm(digest)),
    sequence(oid(contentTypes.tstInfo), context(0, octets(content))),
    ...withChain,
    set(signerInfo(spec, content)),
  );
  return sequence(oid(contentTypes.signedData), context(0, signedData));
}

function tstInfo(spec: TimestampSpec): readonly Buffer[] {
  const { hash: name, imprint, nonce, at, fraction = false, info = (fields) => fields } = spec;
  const seconds = new Date(at).toISOString().replace(/[-:T]/g, "");
  const written = fraction ? seconds.replace(/0+Z$/, "Z").replace(".Z", "Z") : seconds.replace(/\.\d+/, "");
  return info([
    integer(1n),
    oid("1.3.6.1.4.1.57264.2"),
    sequence(sequence(oid(hashOids[name]), nothing), octets(imprint)),
    integer(serials++),
    tlv(0x18, Buffer.from(written)),
    sequence(integer(1n)),
    ...(nonce === undefined ? [] : [Buffer.from(nonce)]),
  ]);
}

function signerInfo(spec: TimestampSpec, content: Uint8Array): Buffer {
  const { authority, signer, at, digest = "sha256" } = spec;
  const attribute = (type: string, value: Uint8Array) => sequence(oid(type), set(value));
  const signed = set(
    attribute(attributes.contentType, oid(contentTypes.tstInfo)),
    attribute(attributes.signingTime, time(at)),
    attribute(attributes.messageDigest, octets(hash(digest, content, "buffer"))),
    attribute(
      attributes.signingCertificate,
      sequence(sequence(sequence(octets(hash("sha256", signer.der, "buffer"))))),
    ),
  );
  const { publicKey, privateKey } = signer.key;
  const algorithm = publicKey.asymmetricKeyType === "rsa" ? algorithms[`rsa-${digest}`] : algorithms[`ecdsa-${digest}`];
  return sequence(
    integer(1n),
    sequence(authority.issuer.subject, serialOf(signer)),
    digestAlgorithm(digest),
    Buffer.concat([Buffer.of(0xa0), signed.subarray(1)]),
    algorithm.der,
    octets(sign(digest, signed, privateKey)),
  );
}

function serialOf({ der }: Issued): Buffer {
  const certificate = parseDer(der, { what: "the certificate", code: "CERTIFICATE_INVALID", maxBytes: 65_536 });
  const [, serial] = derChildren(derChildren(certificate)[0] ?? certificate);
  return serial === undefined ? Buffer.alloc(0) : derBytes(serial);
}

/** Reads a TimeStampReq. */
export function parseTimestampQuestion(bytes: Uint8Array): TimestampQuestion {
  const request = parseDer(bytes, { what: "the query", code: "SIGNATURE_MALFORMED", maxBytes: 65_536 });
  const [, imprint, ...options] = derChildren(request);
  const [algorithm, digest] = imprint === undefined ? [] : derChildren(imprint);
  const [identifier] = algorithm === undefined ? [] : derChildren(algorithm);
  const name = identifier && Object.entries(hashOids).find(([, value]) => value === derOid(identifier))?.[0];
  if (name === undefined || digest === undefined) throw new Error("unknown hash");
  const nonce = options.find(({ tag }) => tag === 0x02);
  const certificates = options.find(({ tag }) => tag === 0x01);
  return {
    hash: name as ImprintHash,
    imprint: derContent(digest),
    ...(nonce && { nonce: derBytes(nonce) }),
    certificates: certificates !== undefined && derBoolean(certificates),
  };
}
