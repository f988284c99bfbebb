import { findPemBlocks } from "../crypto/pem.ts";
import { type Certificate, parseCertificate, publicKeyOf } from "../crypto/x509.ts";
import type { AlternativeName } from "../crypto/x509-general-names.ts";
import { signatureAlgorithmName } from "../crypto/x509-signature.ts";
import { timeOf } from "./loose.ts";

/** What a certificate says, whoever made it; times RFC 3339 UTC. Plain JSON. */
export interface CertificateClaims {
  readonly subject: string;
  readonly issuer: string;
  /** `email:ci@example.com`, `uri:https://…`. */
  readonly names: readonly string[];
  readonly notBefore: string;
  readonly notAfter: string;
  readonly serial: string;
  /** Hex SHA-256 of the whole certificate. */
  readonly fingerprint: string;
  readonly key: string;
  readonly keyId?: string;
  readonly signedWith: string;
  readonly isAuthority: boolean;
  readonly keyUsage: readonly string[];
  readonly extendedKeyUsage: readonly string[];
  /** What Fulcio writes about the workload and its identity token, by name. */
  readonly fulcio: Readonly<Record<string, string>>;
}

/** A certificate that could not be read, and why. */
export interface UnreadableCertificate {
  readonly problem: string;
}

const fulcioArc = "1.3.6.1.4.1.57264.1.";
/** sigstore/fulcio, docs/oid-info.md; the first six are text as it stands, the others a DER UTF8String. */
const fulcioNames: Readonly<Record<number, string>> = {
  1: "issuer",
  2: "githubWorkflowTrigger",
  3: "githubWorkflowSHA",
  4: "githubWorkflowName",
  5: "githubWorkflowRepository",
  6: "githubWorkflowRef",
  8: "issuer",
  9: "buildSignerURI",
  10: "buildSignerDigest",
  11: "runnerEnvironment",
  12: "sourceRepositoryURI",
  13: "sourceRepositoryDigest",
  14: "sourceRepositoryRef",
  15: "sourceRepositoryIdentifier",
  16: "sourceRepositoryOwnerURI",
  17: "sourceRepositoryOwnerIdentifier",
  18: "buildConfigURI",
  19: "buildConfigDigest",
  20: "buildTrigger",
  21: "runInvocationURI",
  22: "sourceRepositoryVisibilityAtSigning",
  23: "deploymentEnvironment",
};
const lastBareText = 6;

const purposes: Readonly<Record<string, string>> = {
  "1.3.6.1.5.5.7.3.1": "serverAuth",
  "1.3.6.1.5.5.7.3.2": "clientAuth",
  "1.3.6.1.5.5.7.3.3": "codeSigning",
  "1.3.6.1.5.5.7.3.4": "emailProtection",
  "1.3.6.1.5.5.7.3.8": "timeStamping",
};

/** What the certificate in DER says, or why it cannot be read. Never throws. */
export function certificateClaims(der: Uint8Array): CertificateClaims | UnreadableCertificate {
  try {
    return claimsOf(parseCertificate(der));
  } catch (error) {
    return { problem: error instanceof Error ? error.message : "unreadable" };
  }
}

const maxCertificates = 20;

/** What the certificates of a PEM text say, in order; other blocks are left out. */
export function pemCertificateClaims(pem: string): readonly (CertificateClaims | UnreadableCertificate)[] {
  return findPemBlocks(pem)
    .filter(({ label }) => label === "CERTIFICATE")
    .slice(0, maxCertificates)
    .map(({ body }) => certificateClaims(Buffer.from(body, "base64")));
}

export function isReadable(claims: CertificateClaims | UnreadableCertificate): claims is CertificateClaims {
  return !("problem" in claims);
}

function claimsOf(certificate: Certificate): CertificateClaims {
  return {
    subject: certificate.subject.text,
    issuer: certificate.issuer.text,
    names: certificate.subjectAlternativeNames.map(formatName),
    notBefore: timeOf(certificate.notBefore) ?? "",
    notAfter: timeOf(certificate.notAfter) ?? "",
    serial: certificate.serial,
    fingerprint: certificate.fingerprint,
    ...keyOf(certificate),
    signedWith: signatureAlgorithmName(certificate.signatureAlgorithm),
    isAuthority: certificate.basicConstraints?.ca === true,
    keyUsage: [...(certificate.keyUsage ?? [])],
    extendedKeyUsage: (certificate.extendedKeyUsage ?? []).map((oid) => purposes[oid] ?? oid),
    fulcio: fulcioClaims(certificate),
  };
}

function keyOf(certificate: Certificate): { readonly key: string; readonly keyId?: string } {
  try {
    const { algorithm, keyId } = publicKeyOf(certificate);
    return { key: algorithm, keyId };
  } catch {
    return { key: "not supported" };
  }
}

function formatName(name: AlternativeName): string {
  return name.value === undefined ? name.type : `${name.type}:${name.value}`;
}

function fulcioClaims({ extensions }: Certificate): Readonly<Record<string, string>> {
  const claims = new Map<string, string>();
  for (const [oid, { value }] of extensions) {
    const number = oid.startsWith(fulcioArc) ? Number(oid.slice(fulcioArc.length)) : Number.NaN;
    const name = fulcioNames[number];
    if (name === undefined) continue;
    const text = number <= lastBareText ? value : derText(value);
    claims.set(name, text.toString("utf8").slice(0, 1000));
  }
  return Object.fromEntries(claims);
}

/** The content of a short DER string, or what there is instead. */
function derText(value: Buffer): Buffer {
  const length = value[1] ?? 0;
  if (length < 0x80) return value.subarray(2, 2 + length);
  const bytes = length & 0x7f;
  return value.subarray(2 + bytes);
}
