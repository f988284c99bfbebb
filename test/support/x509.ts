import { constants, createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { type Certificate, parseCertificate } from "../../src/crypto/x509.ts";
import { integer, sequence, tlv } from "../crypto/der.ts";

// Certificates written by hand, so that tests can also write them wrong.

export interface KeyPair {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

export const ecKey = (namedCurve = "P-256"): KeyPair => generateKeyPairSync("ec", { namedCurve });
export const rsaKey = (modulusLength = 2048): KeyPair => generateKeyPairSync("rsa", { modulusLength });
export const ed25519Key = (): KeyPair => generateKeyPairSync("ed25519");

export const context = (number: number, content: Uint8Array) => tlv(0xa0 | number, content);
export const implicit = (number: number, content: Uint8Array) => tlv(0x80 | number, content);
export const octets = (content: Uint8Array) => tlv(0x04, content);
export const bits = (content: Uint8Array, unused = 0) => tlv(0x03, Buffer.concat([Buffer.from([unused]), content]));
export const boolean = (value: boolean) => tlv(0x01, Buffer.from([value ? 0xff : 0]));
export const nothing = tlv(0x05, Buffer.alloc(0));
export const utf8 = (text: string) => tlv(0x0c, Buffer.from(text));
export const printableString = (text: string) => tlv(0x13, Buffer.from(text));
export const ia5 = (text: string) => tlv(0x16, Buffer.from(text, "latin1"));

export function oid(dotted: string): Buffer {
  const [first = 0n, second = 0n, ...rest] = dotted.split(".").map(BigInt);
  return tlv(0x06, Buffer.concat([first * 40n + second, ...rest].map(base128)));
}

function base128(value: bigint): Buffer {
  const groups = [Number(value & 0x7fn)];
  for (let left = value >> 7n; left > 0n; left >>= 7n) groups.unshift(Number(left & 0x7fn) | 0x80);
  return Buffer.from(groups);
}

/** A time as RFC 5280 wants it: UTCTime to 2049, GeneralizedTime from then. */
export function time(at: number): Buffer {
  const digits = new Date(at).toISOString().replace(/\.\d+|[-:T]/g, "");
  return Number(digits.slice(0, 4)) < 2050 ? tlv(0x17, Buffer.from(digits.slice(2))) : tlv(0x18, Buffer.from(digits));
}

const attributeOids = {
  CN: "2.5.4.3",
  C: "2.5.4.6",
  O: "2.5.4.10",
  OU: "2.5.4.11",
  emailAddress: "1.2.840.113549.1.9.1",
};
export type NameSpec = Partial<Record<keyof typeof attributeOids, string>>;

export function name(spec: NameSpec | string): Buffer {
  const attributes = Object.entries(typeof spec === "string" ? { CN: spec } : spec);
  return sequence(...attributes.map(([type, value]) => tlv(0x31, attribute(type, value))));
}

export function attribute(type: string, value: string): Buffer {
  const string = type === "C" ? printableString : type === "emailAddress" ? ia5 : utf8;
  return sequence(oid(attributeOids[type as keyof NameSpec] ?? type), string(value));
}

/** One extension; `value` is what its OCTET STRING holds. */
export function extension(identifier: string, value: Uint8Array, critical = false): Buffer {
  return sequence(oid(identifier), ...(critical ? [boolean(true)] : []), octets(value));
}

export const extensionOids = {
  basicConstraints: "2.5.29.19",
  keyUsage: "2.5.29.15",
  eku: "2.5.29.37",
  san: "2.5.29.17",
};
export const codeSigning = "1.3.6.1.5.5.7.3.3";

export function basicConstraints(ca: boolean, pathLength?: number, critical = true): Buffer {
  const fields = [...(ca ? [boolean(true)] : []), ...(pathLength === undefined ? [] : [integer(BigInt(pathLength))])];
  return extension(extensionOids.basicConstraints, sequence(...fields), critical);
}

/** Bits by number: 0 digitalSignature, 5 keyCertSign, 6 cRLSign. */
export function keyUsage(...usages: readonly number[]): Buffer {
  const last = Math.max(...usages);
  const bytes = Buffer.alloc((last >> 3) + 1);
  for (const bit of usages) bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) | (0x80 >> (bit & 7));
  return extension(extensionOids.keyUsage, bits(bytes, 7 - (last & 7)), true);
}

export const eku = (...purposes: readonly string[]) => extension(extensionOids.eku, sequence(...purposes.map(oid)));
export const email = (address: string) => implicit(1, Buffer.from(address, "latin1"));
export const dns = (host: string) => implicit(2, Buffer.from(host, "latin1"));
export const uri = (text: string) => implicit(6, Buffer.from(text, "latin1"));
export const ip = (...bytes: readonly number[]) => implicit(7, Buffer.from(bytes));
export const directory = (content: Uint8Array) => context(4, content);
export const otherName = (type: string, value: Uint8Array) => context(0, Buffer.concat([oid(type), context(0, value)]));

export const san = (names: readonly Uint8Array[], critical = false) =>
  extension(extensionOids.san, sequence(...names), critical);

export function nameConstraints(permitted: readonly Uint8Array[], excluded: readonly Uint8Array[] = []): Buffer {
  const trees = (number: number, bases: readonly Uint8Array[]) =>
    bases.length === 0 ? [] : [context(number, Buffer.concat(bases.map((base) => sequence(base))))];
  return extension("2.5.29.30", sequence(...trees(0, permitted), ...trees(1, excluded)), true);
}

export function keyIdOf(key: KeyPair): Buffer {
  return createHash("sha1").update(spkiOf(key)).digest();
}
export const subjectKeyId = (key: KeyPair) => extension("2.5.29.14", octets(keyIdOf(key)));
export const authorityKeyId = (key: KeyPair) => extension("2.5.29.35", sequence(implicit(0, keyIdOf(key))));

export function spkiOf(key: KeyPair): Buffer {
  return key.publicKey.export({ type: "spki", format: "der" });
}

/** Signature algorithms by name: the AlgorithmIdentifier, and how node signs. */
export const algorithms = {
  "ecdsa-sha256": { der: sequence(oid("1.2.840.10045.4.3.2")), hash: "sha256" },
  "ecdsa-sha384": { der: sequence(oid("1.2.840.10045.4.3.3")), hash: "sha384" },
  "ecdsa-sha512": { der: sequence(oid("1.2.840.10045.4.3.4")), hash: "sha512" },
  "ecdsa-sha1": { der: sequence(oid("1.2.840.10045.4.1")), hash: "sha1" },
  "rsa-sha256": { der: sequence(oid("1.2.840.113549.1.1.11"), nothing), hash: "sha256" },
  "rsa-sha384": { der: sequence(oid("1.2.840.113549.1.1.12"), nothing), hash: "sha384" },
  "rsa-sha512": { der: sequence(oid("1.2.840.113549.1.1.13"), nothing), hash: "sha512" },
  "rsa-pss-sha256": { der: pssAlgorithm(1, 1, 32), hash: "sha256", saltLength: 32 },
  "rsa-pss-sha384": { der: pssAlgorithm(2, 2, 48), hash: "sha384", saltLength: 48 },
  "rsa-pss-sha512": { der: pssAlgorithm(3, 3, 64), hash: "sha512", saltLength: 64 },
  ed25519: { der: sequence(oid("1.3.101.112")), hash: undefined },
} as const satisfies Record<string, SigningAlgorithm>;

export interface SigningAlgorithm {
  readonly der: Buffer;
  readonly hash: string | undefined;
  readonly saltLength?: number;
}

/** RSASSA-PSS with SHA-2 hashes by the last number of their identifiers: 1 SHA-256, 2 SHA-384, 3 SHA-512. */
export function pssAlgorithm(hash: number, mask: number, saltLength: number): Buffer {
  const sha2 = (last: number) => sequence(oid(`2.16.840.1.101.3.4.2.${last}`), nothing);
  const parameters = sequence(
    context(0, sha2(hash)),
    context(1, sequence(oid("1.2.840.113549.1.1.8"), sha2(mask))),
    context(2, integer(BigInt(saltLength))),
  );
  return sequence(oid("1.2.840.113549.1.1.10"), parameters);
}

function defaultAlgorithm(key: KeyPair): SigningAlgorithm {
  const byType = { ec: algorithms["ecdsa-sha256"], rsa: algorithms["rsa-sha256"], ed25519: algorithms.ed25519 };
  return byType[key.publicKey.asymmetricKeyType as keyof typeof byType];
}

export interface Issuer {
  readonly subject: Buffer;
  readonly key: KeyPair;
}

export interface CertificateSpec {
  readonly subject?: NameSpec | string;
  readonly key?: KeyPair;
  /** Self-signed without one. */
  readonly issuer?: Issuer | undefined;
  readonly algorithm?: SigningAlgorithm;
  readonly notBefore?: number;
  readonly notAfter?: number;
  readonly extensions?: readonly Uint8Array[];
  /** Parts of the signed part as bytes, instead of what would stand there; empty leaves one out. */
  readonly parts?: Partial<Record<PartName, Uint8Array>>;
  /** The algorithm outside the signed part. */
  readonly outerAlgorithm?: Uint8Array;
  /** Changes the signature. */
  readonly signature?: (signature: Buffer) => Buffer;
  /** Bytes behind the signature, inside the certificate. */
  readonly trailer?: Uint8Array;
}

const partNames = ["version", "serial", "algorithm", "issuer", "validity", "subject", "spki", "extensions"] as const;
type PartName = (typeof partNames)[number];

export const start = Date.UTC(2026, 0, 1);
export const middle = Date.UTC(2026, 6, 1);
export const end = Date.UTC(2027, 0, 1);

export interface Issued extends Issuer {
  readonly der: Buffer;
}

const sharedKey = ecKey();

/** Writes and signs a certificate. Without extensions of its own it is a plain one of version 3 with an e-mail address. */
export function issue(spec: CertificateSpec = {}): Issued {
  const { key = sharedKey, extensions = [san([email("ci@example.com")])] } = spec;
  const subject = name(spec.subject ?? "leaf");
  const issuer = spec.issuer ?? { subject, key };
  const algorithm = spec.algorithm ?? defaultAlgorithm(issuer.key);
  const parts: Record<PartName, Uint8Array> = {
    version: context(0, integer(2n)),
    serial: integer(4711n),
    algorithm: algorithm.der,
    issuer: issuer.subject,
    validity: sequence(time(spec.notBefore ?? start), time(spec.notAfter ?? end)),
    subject,
    spki: spkiOf(key),
    extensions: extensions.length === 0 ? Buffer.alloc(0) : context(3, sequence(...extensions)),
    ...spec.parts,
  };
  const tbs = sequence(...partNames.map((part) => parts[part]));
  const signature = bits((spec.signature ?? ((bytes) => bytes))(signWith(algorithm, issuer.key, tbs)));
  const der = sequence(tbs, spec.outerAlgorithm ?? algorithm.der, signature, spec.trailer ?? Buffer.alloc(0));
  return { der, subject: Buffer.from(parts.subject), key };
}

function signWith({ hash, saltLength }: SigningAlgorithm, { privateKey }: KeyPair, data: Buffer): Buffer {
  const pss = { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: saltLength ?? 0 };
  return sign(hash ?? null, data, saltLength === undefined ? privateKey : pss);
}

/** An authority as it should be. */
export function issueAuthority(subject: string, spec: CertificateSpec & { pathLength?: number } = {}): Issued {
  const key = spec.key ?? ecKey();
  const own = [basicConstraints(true, spec.pathLength), keyUsage(5, 6), subjectKeyId(key)];
  const link = spec.issuer === undefined ? [] : [authorityKeyId(spec.issuer.key)];
  return issue({ subject, ...spec, key, extensions: [...own, ...link, ...(spec.extensions ?? [])] });
}

/** A code signer as it should be. */
export function issueLeaf(issuer: Issuer, spec: CertificateSpec = {}): Issued {
  const key = spec.key ?? sharedKey;
  const own = [basicConstraints(false), keyUsage(0), eku(codeSigning), subjectKeyId(key), authorityKeyId(issuer.key)];
  const names = spec.extensions ?? [san([email("ci@example.com")])];
  return issue({ subject: "leaf", ...spec, key, issuer, extensions: [...own, ...names] });
}

export const parse = ({ der }: Issued): Certificate => parseCertificate(der);

export function pemOf(...issued: readonly { readonly der: Buffer }[]): string {
  const block = (der: Buffer) => (der.toString("base64").match(/.{1,64}/g) ?? []).join("\n");
  return issued.map(({ der }) => `-----BEGIN CERTIFICATE-----\n${block(der)}\n-----END CERTIFICATE-----\n`).join("");
}
