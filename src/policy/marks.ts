import type { VerifiedSignature } from "../formats/format.ts";
import { formatRepository, type ImageReference } from "../oci/reference.ts";
import { bindingOf } from "./binding.ts";
import type { TrustPolicy } from "./policy.ts";
import type { Satisfaction } from "./verdict.ts";

/**
 * The newest creation accepted under each name: what makes an older, once signed image a rollback. Times in milliseconds
 * since 1970. `raise` never lowers.
 */
export interface HighWaterMarks {
  get(key: string): number | undefined;
  raise(key: string, created: number): void;
}

/**
 * Each policy has its own marks: those of one must not refuse what another, with other signers, has to decide. Nothing
 * where the policy keeps none or the reference has no tag. `part`: the platform, where it is not the image as a
 * whole, since platforms may be signed at other times than their index.
 */
export function markKey(policy: TrustPolicy, ref: ImageReference, part?: string | undefined): string | undefined {
  if (policy.freshness === undefined || ref.tag === undefined) return undefined;
  const owner = policy.namespace === undefined ? policy.name : `${policy.namespace}/${policy.name}`;
  return `${owner} ${formatRepository(ref)}:${ref.tag}${part === undefined ? "" : ` ${part}`}`;
}

/**
 * The creation since when as many signers as the policy asks for stand behind the image: that of the `threshold`-th
 * youngest of the signatures it was passed on. Nothing where so many do not say when.
 */
export function markOf(
  policy: TrustPolicy,
  satisfiedBy: readonly Satisfaction[],
  proofs: readonly VerifiedSignature[],
): number | undefined {
  const times = satisfiedBy.map(({ evidence }) => {
    const proof = proofs.find((candidate) => candidate.evidence === evidence);
    return (proof && bindingOf(proof).created) ?? Number.NEGATIVE_INFINITY;
  });
  const mark = times.sort((a, b) => b - a)[policy.threshold - 1];
  return mark === undefined || !Number.isFinite(mark) ? undefined : mark;
}

/** Marks in memory. Of more than `max`, the ones raised longest ago are forgotten. */
export function createMarks(known: Iterable<readonly [string, number]> = [], max = 100_000): HighWaterMarks {
  const marks = new Map(known);
  return {
    get: (key) => marks.get(key),
    raise(key, created) {
      const old = marks.get(key);
      if (old !== undefined && old >= created) return;
      marks.delete(key);
      marks.set(key, created);
      const [oldest] = marks.size > max ? marks.keys() : [];
      if (oldest !== undefined) marks.delete(oldest);
    },
  };
}
