import { matchesSignature, type PublicKey } from "../crypto/public-key.ts";
import { type Certificate, describeCertificate, publicKeyOf } from "../crypto/x509.ts";
import { identitiesOf } from "../crypto/x509-identity.ts";
import { verifyPath } from "../crypto/x509-path.ts";
import { purposes } from "../crypto/x509-rules.ts";
import { asTrustError, TrustError } from "../errors.ts";
import type { CertificateTrust } from "../trust/certificate-trust.ts";
import type { VerificationMaterial } from "../trust/material.ts";
import type { SignedContent } from "../trust/signed-content.ts";
import type { EvidenceMinima, TrustRoot } from "../trust/trust-root.ts";
import { verifyMaterial } from "../trust/verify-material.ts";
import type { Backing, ProvedSigner, TrustMaterial, Validity } from "./format.ts";

/** A signature with everything that came with it: claims. */
export interface CertifiedClaim {
  readonly leaf: Certificate;
  readonly material: VerificationMaterial;
  readonly content: SignedContent;
}

/** What authorities say of a signer, and the key that must have made the signature: that is not proved yet. */
export interface CertifiedSigner {
  readonly key: PublicKey;
  readonly signer: ProvedSigner;
}

/**
 * Proves whose certificate it is, under each part of the trust material by itself:
 *
 * - Under authorities of one's own, that a path leads from it to one of the roots, for signing code: at every verified time
 *   where there are any; else at `now`, and then the proof holds as long as the path does.
 * - Under a trust root, all that `verifyMaterial` asks for: times, path, SCT, log entries.
 *
 * Whom the certificate names is for policies to ask. Throws the codes of both where no part proves it.
 */
export async function certify(
  { leaf, material, content }: CertifiedClaim,
  { certificates = [], roots = [] }: TrustMaterial,
  now: number,
): Promise<CertifiedSigner> {
  const { intermediates } = material;
  const attempts = await Promise.allSettled([
    ...certificates.map((trust) => ownBacking({ leaf, material, content }, trust, now)),
    ...roots.map((root) => rootBacking(leaf, material, content, root)),
  ]);
  const backings = attempts.flatMap((attempt) => (attempt.status === "fulfilled" ? [attempt.value] : []));
  const [first] = backings;
  if (first === undefined) throw gravest(attempts);
  const subject = identitiesOf(leaf)[0]?.value ?? leaf.subject.text;
  const kind = roots.some(({ revision }) => revision === first.trust) ? "keyless" : "certificate";
  const around = certificates.length === 0 ? undefined : steadyAround(now, involved(leaf, intermediates, certificates));
  return {
    key: publicKeyOf(leaf),
    signer: {
      signer: { kind, issuer: first.issuer ?? "", subject },
      signedAt: first.signedAt,
      backings,
      ...(around === undefined ? {} : { validity: around }),
    },
  };
}

/** Proves a signature over bytes that are at hand. Throws like {@link certify}, or `SIGNATURE_INVALID`. */
export async function proveCertified(
  claim: CertifiedClaim,
  message: Uint8Array,
  trust: TrustMaterial,
  now: number,
): Promise<ProvedSigner> {
  const { key, signer } = await certify(claim, trust, now);
  if (await matchesSignature(key, message, claim.content.signature)) return signer;
  throw new TrustError("SIGNATURE_INVALID", "the key of the certificate did not sign these bytes", {
    expected: `a signature by ${describeCertificate(claim.leaf)}`,
    found: "a signature that does not match",
  });
}

async function ownBacking(claim: CertifiedClaim, trust: CertificateTrust, now: number): Promise<Backing> {
  const timed = trust.times && (await timedBacking(claim, trust, trust.times));
  if (timed !== undefined) return timed;
  const { leaf, material } = claim;
  const { chain, notBefore, notAfter } = await verifyPath({
    leaf,
    intermediates: [...trust.intermediates, ...material.intermediates],
    roots: trust.roots,
    at: now,
    eku: purposes.codeSigning,
    cache: trust.cache,
  });
  const issuer = (chain.at(-1) ?? leaf).subject.text;
  return { trust: trust.id, ...certificateFacts(leaf), issuer, signedAt: [], validity: { notBefore, notAfter } };
}

/** At verified times; nothing where there are none. Evidence that the root of these times refuses is an error. */
async function timedBacking(
  { leaf, material, content }: CertifiedClaim,
  trust: CertificateTrust,
  times: TrustRoot,
): Promise<Backing | undefined> {
  const root = withAuthorities(times, trust, material.intermediates);
  try {
    const proved = await verifyMaterial({ material, content, root, require: nothingAsked });
    const issuer = (proved.path?.chain.at(-1) ?? leaf).subject.text;
    const signedAt = proved.times.map(({ at }) => timeText(at));
    return { trust: trust.id, ...certificateFacts(leaf), issuer, signedAt, counts: proved.counts };
  } catch (error) {
    if (error instanceof TrustError && error.code === "EVIDENCE_MISSING") return undefined;
    throw error;
  }
}

/** The root with other authorities than its own, which certify without SCTs. */
function withAuthorities(root: TrustRoot, trust: CertificateTrust, claimed: readonly Certificate[]): TrustRoot {
  const helping = [...trust.intermediates, ...claimed];
  const always = { start: Number.NEGATIVE_INFINITY };
  const certificateAuthorities = trust.roots.map((anchor) => {
    return { uri: "", chain: [...helping, anchor], window: always, operator: anchor.fingerprint };
  });
  return { ...root, certificateAuthorities, certificateLogs: [] };
}

async function rootBacking(
  leaf: Certificate,
  material: VerificationMaterial,
  content: SignedContent,
  root: TrustRoot,
): Promise<Backing> {
  const { times, issuer = "", counts } = await verifyMaterial({ material, content, root });
  return {
    trust: root.revision,
    ...certificateFacts(leaf),
    issuer,
    signedAt: times.map(({ at }) => timeText(at)),
    counts,
  };
}

function certificateFacts(leaf: Certificate): Pick<Backing, "certificate" | "keyId"> {
  return { certificate: leaf, keyId: publicKeyOf(leaf).keyId };
}

const nothingAsked: EvidenceMinima = { log: 0, timestamp: 0, logOrTimestamp: 0, sct: 0 };

/**
 * What logs and timestamp authorities of each root say about a signature by a key. How much of it is needed is for policies
 * to ask; evidence that a root refuses is told.
 */
export async function witnessKey(
  key: PublicKey,
  material: VerificationMaterial,
  content: SignedContent,
  roots: readonly TrustRoot[],
): Promise<readonly Backing[]> {
  return Promise.all(
    roots.map(async (root): Promise<Backing> => {
      try {
        const { times, counts } = await verifyMaterial({ material, content, root, key, require: nothingAsked });
        return { trust: root.revision, signedAt: times.map(({ at }) => timeText(at)), counts };
      } catch (error) {
        return { trust: root.revision, signedAt: [], failure: asTrustError(error) };
      }
    }),
  );
}

function timeText(at: number): string {
  return new Date(at).toISOString();
}

/** What says most: that it did lead to a root once, or breaks a rule, rather than that one of several roots is not its own. */
function gravest(attempts: readonly PromiseSettledResult<Backing>[]): unknown {
  const reasons = attempts.flatMap((attempt) => (attempt.status === "rejected" ? [attempt.reason as unknown] : []));
  const isTelling = (reason: unknown) => !(reason instanceof TrustError) || reason.code !== "CERTIFICATE_UNTRUSTED";
  return reasons.find(isTelling) ?? reasons[0];
}

function involved(
  leaf: Certificate,
  intermediates: readonly Certificate[],
  trusts: readonly CertificateTrust[],
): readonly Certificate[] {
  return [leaf, ...intermediates, ...trusts.flatMap((trust) => [...trust.roots, ...trust.intermediates])];
}

/** The time around now in which no certificate begins or ends to be valid: what is proved now is proved as well then. */
function steadyAround(now: number, certificates: readonly Certificate[]): Validity {
  const starts = certificates.flatMap(({ notBefore, notAfter }) => [notBefore, notAfter + 1]);
  return {
    notBefore: Math.max(...starts.filter((start) => start <= now)),
    notAfter: Math.min(...starts.filter((start) => start > now)) - 1,
  };
}
