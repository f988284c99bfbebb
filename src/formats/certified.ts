import { matchesSignature } from "../crypto/public-key.ts";
import { type Certificate, describeCertificate, publicKeyOf } from "../crypto/x509.ts";
import { identitiesOf } from "../crypto/x509-identity.ts";
import { verifyPath } from "../crypto/x509-path.ts";
import { purposes } from "../crypto/x509-rules.ts";
import { TrustError } from "../errors.ts";
import type { CertificateTrust } from "../trust/certificate-trust.ts";
import type { Backing, ProvedSigner, SignedBytes, Validity } from "./format.ts";

/** The certificate that a signature comes with, and what is said to lead from it to a root: claims. */
export interface CertificateClaim {
  readonly leaf: Certificate;
  readonly intermediates: readonly Certificate[];
}

/**
 * Proves a signature by its certificate, under each of the authorities by itself:
 *
 * 1. A path leads from the certificate to one of the roots, for signing code. It is judged at `now`, since no time is
 *    verified: the proof holds as long as the path does.
 * 2. The key of the certificate made the signature.
 *
 * Whom the certificate names is for policies to ask. Throws `CERTIFICATE_INVALID`, `CERTIFICATE_EXPIRED`,
 * `CERTIFICATE_UNTRUSTED`, `SIGNATURE_INVALID`.
 */
export async function proveCertified(
  claim: CertificateClaim,
  { message, signature }: SignedBytes,
  trusts: readonly CertificateTrust[],
  now: number,
): Promise<ProvedSigner> {
  const { leaf } = claim;
  const attempts = await Promise.allSettled(trusts.map((trust) => backingOf(claim, trust, now))); // 1
  const backings = attempts.flatMap((attempt) => (attempt.status === "fulfilled" ? [attempt.value] : []));
  const [first] = backings;
  if (first === undefined) throw gravest(attempts);
  if (!(await matchesSignature(publicKeyOf(leaf), message, signature)))
    // 2
    throw new TrustError("SIGNATURE_INVALID", "the key of the certificate did not sign these bytes", {
      expected: `a signature by ${describeCertificate(leaf)}`,
      found: "a signature that does not match",
    });
  const [name] = identitiesOf(leaf);
  return {
    signer: { kind: "certificate", issuer: first.issuer, subject: name?.value ?? leaf.subject.text },
    signedAt: [],
    backings,
    validity: steadyAround(now, [claim.leaf, ...claim.intermediates, ...trusts.flatMap(certificatesOf)]),
  };
}

async function backingOf(
  { leaf, intermediates }: CertificateClaim,
  trust: CertificateTrust,
  now: number,
): Promise<Backing & { readonly issuer: string }> {
  const { chain, notBefore, notAfter } = await verifyPath({
    leaf,
    intermediates: [...trust.intermediates, ...intermediates],
    roots: trust.roots,
    at: now,
    eku: purposes.codeSigning,
    cache: trust.cache,
  });
  const issuer = (chain.at(-1) ?? leaf).subject.text;
  return { trust: trust.id, certificate: leaf, issuer, signedAt: [], validity: { notBefore, notAfter } };
}

/** What says most: that it did lead to a root once, or breaks a rule, rather than that one of several roots is not its own. */
function gravest(attempts: readonly PromiseSettledResult<Backing>[]): unknown {
  const reasons = attempts.flatMap((attempt) => (attempt.status === "rejected" ? [attempt.reason as unknown] : []));
  const isTelling = (reason: unknown) => !(reason instanceof TrustError) || reason.code !== "CERTIFICATE_UNTRUSTED";
  return reasons.find(isTelling) ?? reasons[0];
}

function certificatesOf({ roots, intermediates }: CertificateTrust): readonly Certificate[] {
  return [...roots, ...intermediates];
}

/** The time around now in which no certificate begins or ends to be valid: what is proved now is proved as well then. */
export function steadyAround(now: number, certificates: readonly Certificate[]): Validity {
  const starts = certificates.flatMap(({ notBefore, notAfter }) => [notBefore, notAfter + 1]);
  return {
    notBefore: Math.max(Number.NEGATIVE_INFINITY, ...starts.filter((start) => start <= now)),
    notAfter: Math.min(Number.POSITIVE_INFINITY, ...starts.filter((start) => start > now).map((start) => start - 1)),
  };
}
