import type { MakingRequest, PushedSignature } from "./attach.ts";
import type { Digest } from "./crypto/digest.ts";
import { asTrustError, type Finding, TrustError, toFinding } from "./errors.ts";
import { signaturesBy } from "./evidence/signed-by.ts";
import type { VerifiedSignature } from "./formats/format.ts";
import { trustInSigner } from "./formats/made-trust.ts";
import { namesOf } from "./keys/named.ts";
import { listChildren } from "./oci/children.ts";
import { formatReference, formatRepository } from "./oci/reference.ts";
import type { Registry } from "./oci/registry.ts";
import { type Binding, bindingAnnotations, bindingOf, ownAnnotations } from "./policy/binding.ts";
import { signImage } from "./sign.ts";

export interface RefreshRequest
  extends Pick<MakingRequest, "image" | "signer" | "formats" | "signatureRepository" | "dryRun" | "now" | "signal"> {
  /** Refresh what expires within so many milliseconds, or has expired. */
  readonly before: number;
  /** Milliseconds that the new signatures count; default: as long as the old ones did. */
  readonly expiresIn?: number | undefined;
}

export interface RefreshedImage {
  readonly image: string;
  readonly digest: Digest;
  /** Signatures made anew. */
  readonly signatures: readonly PushedSignature[];
  /** How many of this key's signatures with an expiry are young enough. */
  readonly fresh: number;
  /** Why others were left alone: a bound tag stands for another digest now. */
  readonly findings: readonly Finding[];
  readonly dryRun: boolean;
}

/**
 * Signs again what the same key signed with an expiry that is near, with the same annotations and the same bound name:
 * 1. Resolve the reference to a digest. Of an index, everything below it is looked at in the same way.
 * 2. Find the signatures on it and prove them with this key alone, or by the name in its certificate; what is not proved is
 *    not ours to renew.
 * 3. Of those that say the same, the one that expires last counts; it is left alone while that is far.
 * 4. What is bound to a tag is renewed only while the tag stands for that digest.
 * 5. Sign as `signImage` does: proved before the push and after. The old signatures stay.
 *
 * A signature that expires and was not made here, by whatever key, is left alone. Errors: those of `signImage`.
 */
export async function refreshImage(registry: Registry, request: RefreshRequest): Promise<RefreshedImage> {
  const { image, signal } = request;
  const { digest } = await registry.resolve(image, { signal }); // 1
  const below = (await listChildren(registry, image, digest, signal)) ?? [];
  const signatures: PushedSignature[] = [];
  const findings: Finding[] = [];
  let fresh = 0;
  for (const subject of [...below.map(({ descriptor }) => descriptor.digest), digest]) {
    const latest = latestOfEach(await expiringSignatures(registry, request, subject)); // 2, 3
    const due = latest.filter((signature) => expiryOf(signature) <= request.now + request.before);
    fresh += latest.length - due.length;
    for (const signature of due) {
      try {
        await refuseMoved(registry, request, digest, bindingOf(signature)); // 4
        signatures.push(...(await signAgain(registry, request, subject, signature))); // 5
      } catch (error) {
        if (asTrustError(error).category !== "untrusted") throw error;
        findings.push(toFinding(error, { evidence: signature.evidence }));
      }
    }
  }
  return { image: formatReference(image), digest, signatures, fresh, findings, dryRun: request.dryRun === true };
}

/** Signatures by the key, or by whom its certificate names, that say when they expire. */
async function expiringSignatures(
  registry: Registry,
  { image, signatureRepository = image, signer, formats, now, signal }: RefreshRequest,
  digest: Digest,
): Promise<readonly VerifiedSignature[]> {
  const trust = await trustInSigner(signer);
  const { certificate } = await namesOf(signer);
  const proved = await signaturesBy(registry, signatureRepository, digest, { trust, formats, now, signal });
  // The root of a certificate proves what others sign under it, too.
  const isOwn = ({ signer: by }: VerifiedSignature) =>
    certificate === undefined || (by.kind === "certificate" && by.subject === certificate.subject);
  return proved.filter((signature) => isOwn(signature) && !Number.isNaN(expiryOf(signature)));
}

function expiryOf(signature: VerifiedSignature): number {
  return bindingOf(signature).expires ?? Number.NaN;
}

/** Annotations that are the user's and not renewed. */
function otherAnnotations({ annotations }: VerifiedSignature): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(annotations).filter(([key]) => !key.startsWith(ownAnnotations)));
}

/** Of the signatures that say the same but for time, the one that expires last. */
function latestOfEach(signatures: readonly VerifiedSignature[]): readonly VerifiedSignature[] {
  const groups = new Map<string, VerifiedSignature>();
  for (const signature of signatures) {
    const { repository, tag } = bindingOf(signature);
    const others = Object.entries(otherAnnotations(signature)).sort(([a], [b]) => (a < b ? -1 : 1));
    const key = JSON.stringify([signature.format, signature.dockerReference, repository, tag, others]);
    const known = groups.get(key);
    if (known === undefined || expiryOf(known) < expiryOf(signature)) groups.set(key, signature);
  }
  return [...groups.values()];
}

async function refuseMoved(
  registry: Registry,
  { image, signal }: RefreshRequest,
  digest: Digest,
  { repository, tag }: Binding,
): Promise<void> {
  if (repository === undefined && tag === undefined) return;
  const own = formatRepository(image);
  if (repository !== own || tag === undefined)
    throw new TrustError("TAG_NOT_BOUND", "the signature binds another repository; it is not renewed here", {
      expected: own,
      found: `${repository ?? "none"}:${tag ?? "none"}`.slice(0, 500),
    });
  const { registry: host, repository: path } = image;
  const now = await registry.resolve({ registry: host, repository: path, tag }, { signal });
  if (now.digest === digest) return;
  throw new TrustError(
    "DIGEST_MISMATCH",
    `${own}:${tag} stands for another image now; its old signature is left alone`,
    {
      expected: digest,
      found: now.digest,
    },
  );
}

async function signAgain(
  registry: Registry,
  request: RefreshRequest,
  digest: Digest,
  signature: VerifiedSignature,
): Promise<readonly PushedSignature[]> {
  const { image, signer, now, signal, dryRun } = request;
  const { created, expires = now, tag } = bindingOf(signature);
  const expiresIn = request.expiresIn ?? expires - (created ?? expires);
  const bindTo = tag === undefined ? undefined : { ...image, tag };
  const signed = await signImage(registry, {
    image: { ...image, digest },
    signer,
    formats: request.formats.filter((format) => format.name === signature.format),
    annotations: { ...otherAnnotations(signature), ...bindingAnnotations({ expiresIn, bindTo }, now) },
    identity: signature.dockerReference === "" ? undefined : signature.dockerReference,
    expectDigest: digest,
    signatureRepository: request.signatureRepository,
    dryRun,
    now,
    signal,
  });
  return signed.signatures;
}
