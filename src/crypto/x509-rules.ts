import { TrustError } from "../errors.ts";
import { type Certificate, describeCertificate } from "./x509.ts";
import { isKnownExtension } from "./x509-extensions.ts";

/** Purposes by object identifier (RFC 5280 §4.2.1.12). */
export const purposes = {
  any: "2.5.29.37.0",
  codeSigning: "1.3.6.1.5.5.7.3.3",
  timeStamping: "1.3.6.1.5.5.7.3.8",
} as const;

interface Circumstances {
  readonly at: number;
  readonly eku?: string | undefined;
}

/**
 * The rules a signer's certificate obeys by itself: an end entity, valid at that time, that may sign and names the purpose.
 * Throws `CERTIFICATE_INVALID` or `CERTIFICATE_EXPIRED`.
 */
export function checkLeaf(leaf: Certificate, { at, eku }: Circumstances): void {
  checkExtensions(leaf);
  if (leaf.basicConstraints?.ca === true)
    throw broken(leaf, "belongs to an authority, not to a signer", "CA:FALSE", "CA:TRUE");
  if (leaf.keyUsage !== undefined && !leaf.keyUsage.has("digitalSignature"))
    throw broken(leaf, "may not sign", "key usage digitalSignature", [...leaf.keyUsage].join(", "));
  // "Any purpose" is not enough: who signs code says so.
  if (eku !== undefined && leaf.extendedKeyUsage?.includes(eku) !== true)
    throw broken(leaf, "is not for this purpose", purposeName(eku), purposeNames(leaf));
  checkValidity(leaf, at);
}

/**
 * The rules an authority's certificate obeys above `below` intermediates (RFC 5280 §6.1.4 k to p). Throws
 * `CERTIFICATE_INVALID` or `CERTIFICATE_EXPIRED`.
 */
export function checkAuthority(authority: Certificate, below: number, { at, eku }: Circumstances): void {
  const { basicConstraints, keyUsage, extendedKeyUsage } = authority;
  checkExtensions(authority);
  if (basicConstraints?.ca !== true)
    throw broken(
      authority,
      "issued a certificate but is no authority",
      "CA:TRUE",
      basicConstraints ? "CA:FALSE" : "none",
    );
  if (basicConstraints.pathLength !== undefined && basicConstraints.pathLength < below)
    throw broken(authority, "has too many authorities below it", `at most ${basicConstraints.pathLength}`, `${below}`);
  if (keyUsage !== undefined && !keyUsage.has("keyCertSign"))
    throw broken(authority, "may not sign certificates", "key usage keyCertSign", [...keyUsage].join(", "));
  if (eku !== undefined && extendedKeyUsage !== undefined && !allows(extendedKeyUsage, eku))
    throw broken(authority, "does not certify for this purpose", purposeName(eku), purposeNames(authority));
  checkValidity(authority, at);
}

function allows(extendedKeyUsage: readonly string[], eku: string): boolean {
  return extendedKeyUsage.includes(eku) || extendedKeyUsage.includes(purposes.any);
}

function checkExtensions(certificate: Certificate): void {
  for (const { oid, critical } of certificate.extensions.values()) {
    if (critical && !isKnownExtension(oid))
      throw broken(certificate, "has a critical extension that is not understood", "known critical extensions", oid);
  }
}

function checkValidity(certificate: Certificate, at: number): void {
  const { notBefore, notAfter } = certificate;
  // Written so that a time that is not a number is outside.
  if (at >= notBefore && at <= notAfter) return;
  throw new TrustError("CERTIFICATE_EXPIRED", `${describeCertificate(certificate)} is not valid at that time`, {
    expected: `a time from ${timeText(notBefore)} to ${timeText(notAfter)}`,
    found: timeText(at),
  });
}

function timeText(at: number): string {
  return Number.isFinite(at) && Math.abs(at) <= 8.64e15 ? new Date(at).toISOString() : "no time";
}

function purposeName(oid: string): string {
  const name = Object.entries(purposes).find(([, value]) => value === oid)?.[0];
  return `extended key usage ${name ?? oid}`;
}

function purposeNames({ extendedKeyUsage }: Certificate): string {
  return extendedKeyUsage === undefined ? "none" : extendedKeyUsage.slice(0, 10).map(purposeName).join(", ");
}

function broken(certificate: Certificate, rule: string, expected: string, found: string): TrustError {
  return new TrustError("CERTIFICATE_INVALID", `${describeCertificate(certificate)} ${rule}`, { expected, found });
}
