import { toFinding } from "./errors.ts";
import { createStores } from "./evidence/mirrored-stores.ts";
import { formats } from "./formats/index.ts";
import { evaluateAll, isDenied, judge } from "./judge.ts";
import { type Part, withChildren } from "./judging/tree.ts";
import { formatPlatform } from "./oci/children.ts";
import type { Platform } from "./oci/manifest.ts";
import { formatReference, type ImageReference, parseReference, type RepositoryName } from "./oci/reference.ts";
import type { Registry } from "./oci/registry.ts";
import { createMarks, type HighWaterMarks } from "./policy/marks.ts";
import { isExempt, isMatchedByEnforcingClusterPolicy, matchPolicies } from "./policy/match.ts";
import { whereaboutsOf } from "./policy/mirrors.ts";
import type { ObjectContext, PolicySet } from "./policy/policy.ts";
import type { VerifierSettings } from "./policy/settings.ts";
import { decidesAlone } from "./policy/statics.ts";
import { trustOf } from "./policy/trust-material.ts";
import { type PolicyResult, type Verdict, verdictOf } from "./policy/verdict.ts";

export interface VerifyRequest {
  readonly image: string;
  /** The Kubernetes object that names the image; without one, `match` of a policy is taken as true. */
  readonly object?: ObjectContext | undefined;
  /** Of an index, judge what is for this platform alone. */
  readonly platform?: Platform | undefined;
  /** Judge everything below an index as well, each by itself; the whole is as good as the worst of it. */
  readonly recursive?: boolean | undefined;
  /** The caller's deadline: what is unknown then is denied. It ends no request that others wait for. */
  readonly signal?: AbortSignal | undefined;
}

/** Decides about images. `verify` always answers; an error is a denial that says why. */
export interface Verifier {
  verify(request: VerifyRequest): Promise<Verdict>;
}

export interface VerifierOptions {
  readonly registry: Registry;
  /** The policies in force now; asked at every decision. */
  readonly policies: () => PolicySet;
  readonly settings: VerifierSettings;
  /** The name that policies judge an image by, for images that are not named as a registry has them. */
  readonly referenceOf?: ((image: string) => ImageReference) | undefined;
  /** Where signatures of all images are looked for, beside the image's own repository. */
  readonly signatureRepository?: RepositoryName | undefined;
  /** What policies with `freshness` have accepted so far; in memory where none are given. */
  readonly highWaterMarks?: HighWaterMarks | undefined;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

export function createVerifier(options: VerifierOptions): Verifier {
  const storeOf = createStores({ ...options, formats });
  const marks = options.highWaterMarks ?? createMarks();
  const memory = { storeOf, marks };
  return {
    async verify(request) {
      const verdict = await decide(options, memory, request);
      if (request.recursive !== true || verdict.digest === undefined) return verdict;
      const ref = (options.referenceOf ?? parseReference)(request.image);
      const store = storeOf(whereaboutsOf(matchPolicies(options.policies(), ref, request.object)));
      const { platform: _, ...whole } = request;
      const verify = (child: Part) => decide(options, memory, { ...whole, image: formatReference(child.ref) }, child);
      return withChildren(verdict, { ref, store, verify });
    },
  };
}

/** What a verifier remembers from one decision to the next. */
interface Memory {
  readonly storeOf: ReturnType<typeof createStores>;
  readonly marks: HighWaterMarks;
}

/**
 * The steps of a decision:
 * 1. Parse the name; what is not a name is refused.
 * 2. Match policies. Where none matches, the default decides; where nothing would be asked, no request leaves.
 * 3. Resolve the tag to a digest (that of a platform, if asked for); everything after speaks of that digest.
 * 4. Collect evidence on the digest: find in all places, prove each claim by itself.
 * 5. Evaluate every matching policy, on every platform where it wants that; all must pass, each in its own mode.
 * 6. Before a denial, ask again what is older than `denyRelist`: a signature may have come since.
 * 7. Say the outcome, and what it rests on.
 */
async function decide(options: VerifierOptions, memory: Memory, request: VerifyRequest, part?: Part): Promise<Verdict> {
  const { settings, referenceOf = parseReference } = options;
  const decidedAt = options.now();
  const base = { image: request.image.slice(0, 1000), decidedAt };
  try {
    const ref = part?.ref ?? referenceOf(request.image); // 1
    const matched = matchPolicies(options.policies(), ref, request.object); // 2
    const noMatch = isMatchedByEnforcingClusterPolicy(matched) ? undefined : settings.noMatch;
    // Nor where only policies of a namespace speak: they cannot allow what the default denies, and tenants choose names.
    const isHopeless = noMatch === "deny" && matched.every(({ policy }) => policy.namespace !== undefined);
    if (isHopeless || matched.every(({ policy, excluded }) => excluded || decidesAlone(policy)))
      return verdictOf({ ...base, noMatch, exempt: isExempt(matched), policies: evaluateAll(matched, undefined) });
    const { platform, signal } = request;
    const [store, trust, now] = [memory.storeOf(whereaboutsOf(matched)), trustOf(matched), decidedAt];
    const asked = part?.platform ?? (platform && formatPlatform(platform));
    const { object } = request;
    const question = { ref, matched, trust, store, marks: memory.marks, platform, part: asked, object, now, signal };
    const first = await judge(question, settings.tagTtl, settings.evidenceTtl); // 3, 4, 5
    const again = isDenied(first) && first.askedAt < decidedAt - settings.denyRelist;
    const last = again ? await judge(question, settings.denyRelist, settings.denyRelist) : first; // 6
    const { askedAt, listedAt, ...rest } = last;
    const restsUntil = Math.min(...last.policies.flatMap(expiriesOf), (listedAt ?? Number.NaN) + settings.evidenceTtl);
    const validUntil = listedAt === undefined ? undefined : Math.max(decidedAt, restsUntil);
    return verdictOf({ ...base, noMatch, ...rest, validUntil }); // 7
  } catch (error) {
    return verdictOf({ ...base, policies: [], failure: toFinding(error) });
  }
}

/** When what a policy was passed on expires, milliseconds since 1970. */
function expiriesOf({ satisfiedBy, exception }: PolicyResult): readonly number[] {
  const all = [exception?.expires, ...satisfiedBy.map(({ expiresAt }) => expiresAt)];
  return all.flatMap((time) => (time === undefined ? [] : [Date.parse(time)]));
}
