import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { isIP } from "node:net";
import forge from "node-forge";

const { asn1, pki } = forge;
// The type declarations leave out what has been there since 0.6.
const { getTBSCertificate } = pki as unknown as {
  getTBSCertificate(certificate: forge.pki.Certificate): { value: forge.asn1.Asn1[] } & forge.asn1.Asn1;
};

/** A certificate and its key, both PEM. */
export interface Issued {
  readonly certificate: string;
  readonly key: string;
}

export interface Issuer {
  /** PEM of the CA certificate. */
  readonly certificate: string;
  readonly key: KeyObject;
}

export interface Validity {
  /** Milliseconds since 1970. */
  readonly from: number;
  readonly until: number;
}

const caSubject = [{ shortName: "CN", value: "trust webhook CA" }];
const ecdsaWithSha256 = "1.2.840.10045.4.3.2";

/** A new EC P-256 private key. */
export function newKey(): KeyObject {
  return generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
}

/**
 * A self-signed CA certificate for that key. Made again with the same key it stays the same CA: whoever trusts the older
 * certificate also trusts what the newer one issues, and the other way round.
 */
export function issueCa(key: KeyObject, validity: Validity): string {
  const publicKey = createPublicKey(key);
  return build(publicKey, key, caSubject, validity, [
    { name: "basicConstraints", cA: true, pathLenConstraint: 0, critical: true },
    { name: "keyUsage", keyCertSign: true, cRLSign: true, critical: true },
    ...keyIdentifiers(publicKey, publicKey),
  ]);
}

/** A serving certificate for those DNS names and IP addresses, with a new key. */
export function issueServing(issuer: Issuer, hosts: readonly string[], validity: Validity): Issued {
  const key = newKey();
  const publicKey = createPublicKey(key);
  const [first = "trust-webhook"] = hosts;
  const certificate = build(publicKey, issuer.key, [{ shortName: "CN", value: first.slice(0, 64) }], validity, [
    { name: "basicConstraints", cA: false, critical: true },
    { name: "keyUsage", digitalSignature: true, critical: true },
    { name: "extKeyUsage", serverAuth: true },
    {
      name: "subjectAltName",
      altNames: hosts.map((host) => (isIP(host) ? { type: 7, ip: host } : { type: 2, value: host })),
    },
    ...keyIdentifiers(publicKey, createPublicKey(issuer.key)),
  ]);
  return { certificate, key: key.export({ type: "pkcs8", format: "pem" }).toString() };
}

/**
 * Builds the certificate with node-forge, which knows no EC keys: it gets a placeholder, then the real key and algorithm
 * are put in their places, and node:crypto signs.
 */
function build(
  publicKey: KeyObject,
  issuerKey: KeyObject,
  subject: forge.pki.CertificateField[],
  validity: Validity,
  extensions: object[],
): string {
  const certificate = pki.createCertificate();
  certificate.publicKey = pki.setRsaPublicKey(new forge.jsbn.BigInteger("3233"), new forge.jsbn.BigInteger("17"));
  certificate.serialNumber = positiveSerial();
  certificate.validity.notBefore = new Date(validity.from);
  certificate.validity.notAfter = new Date(validity.until);
  certificate.setSubject(subject);
  certificate.setIssuer(caSubject);
  certificate.setExtensions(extensions);
  certificate.siginfo.algorithmOid = ecdsaWithSha256;
  const tbs = getTBSCertificate(certificate);
  const spki = publicKey.export({ type: "spki", format: "der" });
  tbs.value[2] = algorithm();
  tbs.value[6] = asn1.fromDer(forge.util.createBuffer(spki.toString("binary")));
  const toBeSigned = Buffer.from(asn1.toDer(tbs).getBytes(), "binary");
  const signature = sign("sha256", toBeSigned, issuerKey);
  const whole = sequence([tbs, algorithm(), bitString(signature)]);
  return toPem(Buffer.from(asn1.toDer(whole).getBytes(), "binary"));
}

function toPem(der: Buffer): string {
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}

function keyIdentifiers(subject: KeyObject, issuer: KeyObject): object[] {
  const own = asn1.create(asn1.Class.UNIVERSAL, asn1.Type.OCTETSTRING, false, keyIdentifier(subject));
  return [
    { id: "2.5.29.14", critical: false, value: asn1.toDer(own).getBytes() },
    { name: "authorityKeyIdentifier", keyIdentifier: keyIdentifier(issuer) },
  ];
}

/** RFC 5280, 4.2.1.2 (1): SHA-1 over the key bits; it names a key and proves nothing. */
function keyIdentifier(publicKey: KeyObject): string {
  const spki = publicKey.export({ type: "spki", format: "der" });
  // The bits are the end of the SPKI of an uncompressed P-256 point: 65 bytes.
  return createHash("sha1").update(spki.subarray(-65)).digest("binary");
}

function algorithm(): forge.asn1.Asn1 {
  return sequence([asn1.create(asn1.Class.UNIVERSAL, asn1.Type.OID, false, asn1.oidToDer(ecdsaWithSha256).getBytes())]);
}

function sequence(items: forge.asn1.Asn1[]): forge.asn1.Asn1 {
  return asn1.create(asn1.Class.UNIVERSAL, asn1.Type.SEQUENCE, true, items);
}

function bitString(bytes: Buffer): forge.asn1.Asn1 {
  return asn1.create(asn1.Class.UNIVERSAL, asn1.Type.BITSTRING, false, `\0${bytes.toString("binary")}`);
}

/** 127 random bits; positive and of fixed length, as DER wants them. */
function positiveSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString("hex");
}
