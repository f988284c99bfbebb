import { matchesSignature, type PublicKey } from "../crypto/public-key.ts";
import { asTrustError, TrustError } from "../errors.ts";
import type { VerificationMaterial } from "../trust/material.ts";
import type { SignedContent } from "../trust/signed-content.ts";
import type { TrustRoot } from "../trust/trust-root.ts";
import type { Backing, ProvedSigner, SignedBytes, TrustMaterial, Validity } from "./format.ts";

/** How a key id is shown to people: enough to tell keys apart, short enough to read. */
export function shortKeyId(keyId: string): string {
  return `key ${keyId.slice(0, 16)}`;
}

/** What stands beside a signature about its signer: claims. */
export interface SignerClaim {
  /** Key id in hex. */
  readonly hint?: string | undefined;
  /** Whether there is a certificate; `only`: the form is for it, and that its key is trusted is not enough. */
  readonly certified: false | true | "only";
  /** Whether logs or timestamp authorities have witnessed it. */
  readonly witnessed: boolean;
  /** Reads all of it. Throws `SIGNATURE_MALFORMED`, `CERTIFICATE_INVALID`. */
  material(): Promise<VerificationMaterial>;
  /** What of the signature they speak about. */
  content(): SignedContent;
}

/**
 * Proves who signed: a trusted key, or a certificate. Where a signature is proved in both ways, the proof says so, and
 * policies count it as one signer. Only what is trusted decides what is read. Throws the codes of {@link findSigner} and
 * `certify`.
 */
export async function proveSigner(
  claim: SignerClaim,
  { message, signature }: SignedBytes,
  trust: TrustMaterial,
  now = Number.NaN,
): Promise<ProvedSigner> {
  const { certified, witnessed } = claim;
  const { certificates = [], roots = [] } = trust;
  if (certified === false || certificates.length + roots.length === 0) {
    if (certified === "only") throw notCertified(trust);
    const key = await findSigner(trust, message, signature, claim.hint);
    if (certified !== false || !witnessed || roots.length === 0) return byKey(key);
    return { ...byKey(key), backings: await witnesses(key, claim, roots) };
  }
  const byCertificate = () => proveByCertificate(claim, message, trust, now);
  if (certified === "only" || trust.keys.length === 0) return byCertificate();
  const [keyed, proved] = await Promise.allSettled([
    findSigner(trust, message, signature, claim.hint),
    byCertificate(),
  ]);
  if (proved.status === "fulfilled")
    return keyed.status === "rejected" ? proved.value : { ...proved.value, ...byKey(keyed.value) };
  if (keyed.status === "rejected") throw proved.reason;
  return { ...byKey(keyed.value), ...untilAskedAgain(proved.reason, now) };
}

function byKey({ keyId }: PublicKey): ProvedSigner {
  return { signer: { kind: "key", keyId }, signedAt: [] };
}

/** Certificates and logs are understood when the first of them is met: most signatures have none. */
async function proveByCertificate(
  claim: SignerClaim,
  message: Uint8Array,
  trust: TrustMaterial,
  now: number,
): Promise<ProvedSigner> {
  const material = await claim.material();
  const { leaf } = material;
  if (leaf === undefined) throw new TrustError("SIGNATURE_MALFORMED", "the signature came without its certificate");
  const { proveCertified } = await import("./certified.ts");
  return proveCertified({ leaf, material, content: claim.content() }, message, trust, now);
}

/** Evidence that cannot be read is refused by every root; the key signed all the same. */
async function witnesses(key: PublicKey, claim: SignerClaim, roots: readonly TrustRoot[]): Promise<readonly Backing[]> {
  try {
    const { witnessKey } = await import("./certified.ts");
    return await witnessKey(key, await claim.material(), claim.content(), roots);
  } catch (error) {
    return roots.map(({ revision }) => ({ trust: revision, signedAt: [], failure: asTrustError(error) }));
  }
}

/** A certificate that is not valid now may be soon; so long is believed that it is not. */
const patience = 60_000;

/** How long a proof, or the failure of one, stands that was refused for the time of a certificate; nothing for other reasons. */
export function untilAskedAgain(reason: unknown, now: number): { readonly validity?: Validity } {
  if (!(reason instanceof TrustError) || reason.code !== "CERTIFICATE_EXPIRED") return {};
  return { validity: { notBefore: now, notAfter: now + patience } };
}

function notCertified({ keys }: TrustMaterial): TrustError {
  return new TrustError(
    "SIGNER_NOT_TRUSTED",
    "the signature was made with a certificate, and no certificate authority is trusted here",
    { expected: keys.length === 0 ? "no key is trusted" : "a signature by a trusted key", found: "a certificate" },
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
      ? "no signature by a key: none is trusted"
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
