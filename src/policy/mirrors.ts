import type { Mirror } from "../oci/mirrors.ts";
import { formatRepository } from "../oci/reference.ts";
import type { MatchedPolicy } from "./match.ts";
import type { SignaturePlace } from "./policy.ts";

/** Where policies say that evidence may be fetched. */
export interface Whereabouts {
  readonly mirrors: readonly Mirror[];
  /** Beside the repository of the image. */
  readonly signaturesAt: readonly SignaturePlace[];
}

/**
 * Where the policies that matched say that evidence may be fetched, in their order. Only cluster policies say anything: where
 * evidence of an image is fetched is not for a tenant to say.
 */
export function whereaboutsOf(matched: readonly MatchedPolicy[]): Whereabouts {
  const policies = matched.flatMap(({ policy, excluded }) => (excluded ? [] : [policy]));
  const mirrors = policies.flatMap((policy) => policy.mirrors ?? []);
  const places = policies.flatMap((policy) => policy.signaturesAt ?? []);
  return {
    mirrors: [...new Map(mirrors.map((mirror) => [`${mirror.from} ${mirror.to}`, mirror])).values()],
    signaturesAt: [...new Map(places.map((place) => [placeKey(place), place])).values()],
  };
}

/** One text for one place. */
export function placeKey({ repository, tagPrefix = "" }: SignaturePlace): string {
  return `${formatRepository(repository)} ${tagPrefix}`;
}

/** The mirrors alone. */
export function mirrorsOf(matched: readonly MatchedPolicy[]): readonly Mirror[] {
  return whereaboutsOf(matched).mirrors;
}
