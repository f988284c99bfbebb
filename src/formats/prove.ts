import { matchesSignature, type PublicKey } from "../crypto/public-key.ts";
import { TrustError } from "../errors.ts";
import { type CertificateClaim, proveCertified } from "./certified.ts";
import type { ProvedSigner, SignedBytes, TrustMaterial, Validity } from "./format.ts";

/** How a key id is shown to people: enough to tell keys apart, short enough to read. */
export function shortKeyId(keyId: string): string {
  return `key ${keyId.slice(0, 16)}`;
}

/** What stands beside a signature about its signer: claims. */
export interface SignerClaim {
  /** Key id in hex. */
  readonly hint?: string | undefined;
  /** Reads the certificate. Throws `CERTIFICATE_INVALID`. */
  readonly certificate?: (() => CertificateClaim) | undefined;
  /** The form says that it is signed with a certificate: that a key is trusted is not enough. */
  readonly isOnlyCertified?: boolean;
}

/**
 * Proves who signed: a trusted key, or a certificate under trusted authorities. Where a signature is proved in both ways,
 * the proof says so, and policies count it as one signer. Throws the codes of {@link findSigner} and `proveCertified`.
 */
export async function proveSigner(
  claim: SignerClaim,
  signed: SignedBytes,
  trust: TrustMaterial,
  now = Number.NaN,
): Promise<ProvedSigner> {
  const { certificate, isOnlyCertified = false } = claim;
  const { certificates = [] } = trust;
  if (certificate === undefined || certificates.length === 0) {
    if (isOnlyCertified) throw notCertified(trust);
    return proveByKey(claim, signed, trust);
  }
  if (isOnlyCertified || trust.keys.length === 0) return proveCertified(certificate(), signed, certificates, now);
  const [byKey, certified] = await Promise.allSettled([
    proveByKey(claim, signed, trust),
    Promise.resolve().then(() => proveCertified(certificate(), signed, certificates, now)),
  ]);
  if (certified.status === "rejected") {
    if (byKey.status === "rejected") throw certified.reason;
    return { ...byKey.value, ...untilAskedAgain(certified.reason, now) };
  }
  return byKey.status === "rejected" ? certified.value : { ...certified.value, ...byKey.value };
}

/** A certificate that is not valid now may be soon; so long is believed that it is not. */
const patience = 60_000;

/** How long a proof, or the failure of one, stands that was refused for the time of a certificate; nothing for other reasons. */
export function untilAskedAgain(reason: unknown, now: number): { readonly validity?: Validity } {
  if (!(reason instanceof TrustError) || reason.code !== "CERTIFICATE_EXPIRED") return {};
  return { validity: { notBefore: now, notAfter: now + patience } };
}

async function proveByKey({ hint }: SignerClaim, { message, signature }: SignedBytes, trust: TrustMaterial) {
  const { keyId } = await findSigner(trust, message, signature, hint);
  return { signer: { kind: "key", keyId }, signedAt: [] } as const;
}

function notCertified({ keys }: TrustMaterial): TrustError {
  return new TrustError(
    "SIGNER_NOT_TRUSTED",
    "the signature was made with a certificate, and no certificate authority is trusted here",
    { expected: keys.length === 0 ? "no key is trusted" : "a signature by a trusted key", found: "certificate" },
  );
}

/**
 * Finds the trusted key that made the signature. `hint` (hex key id, unproved) only orders the trial and words the error.
 * Throws `SIGNATURE_INVALID` where a trusted key is named but did not sign these bytes, else `SIGNER_NOT_TRUSTED`.
 */
export async function findSigner(
  trust: TrustMaterial,
  message: Uint8Array,
  signature: Uint8Array,
  hint: string | undefined,
): Promise<PublicKey> {
  const hinted = trust.keys.filter((key) => key.keyId === hint);
  const others = trust.keys.filter((key) => key.keyId !== hint);
  for (const key of [...hinted, ...others]) {
    if (await matchesSignature(key, message, signature)) return key;
  }
  const expected =
    trust.keys.length === 0
      ? "no key is trusted"
      : trust.keys
          .slice(0, 5)
          .map((key) => shortKeyId(key.keyId))
          .join(", ");
  if (hinted.length > 0)
    throw new TrustError(
      "SIGNATURE_INVALID",
      "the signature names a trusted key, but that key did not sign these bytes",
      {
        expected,
        found: "a signature that does not match",
      },
    );
  throw new TrustError("SIGNER_NOT_TRUSTED", "no trusted key made this signature", {
    expected,
    found:
      hint === undefined
        ? "a signature by another key, or over other bytes"
        : `a signature that names ${shortKeyId(hint)}`,
  });
}
