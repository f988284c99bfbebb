import { certificateClaims as fulcioClaims } from "../crypto/fulcio-claims.ts";
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
  readonly fulcioProblem?: string;
}

/** A certificate that could not be read, and why. */
export interface UnreadableCertificate {
  readonly problem: string;
}

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
    ...fulcioOf(certificate),
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

/** Verifiers refuse a certificate whose claims cannot be read. */
function fulcioOf(certificate: Certificate): Pick<CertificateClaims, "fulcio" | "fulcioProblem"> {
  try {
    return { fulcio: fulcioClaims(certificate) };
  } catch (error) {
    return { fulcio: {}, fulcioProblem: error instanceof Error ? error.message : "unreadable" };
  }
}
