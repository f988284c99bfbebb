import { formatRepository, type ImageReference } from "../oci/reference.ts";
import { matchesGlob } from "./glob.ts";
import type { ImagePattern, ObjectContext, ObjectMatch, PolicySet, TrustPolicy } from "./policy.ts";

/** A policy that speaks about the image. Where the policy excludes the image, it counts as matched and is passed. */
export interface MatchedPolicy {
  readonly policy: TrustPolicy;
  readonly excluded: boolean;
}

/**
 * The policies that an image has to pass, in the order of the set. Without an object (on the command line) `match` is
 * taken as true and no namespaced policy applies, since there is no namespace. The reference must come from
 * `parseReference`: names are compared in canonical form.
 */
export function matchPolicies(
  set: PolicySet,
  ref: ImageReference,
  object?: ObjectContext | undefined,
): readonly MatchedPolicy[] {
  const name = formatRepository(ref);
  return set.policies
    .filter((policy) => appliesTo(policy, object) && policy.images.some((image) => matchesImage(image, name, ref)))
    .map((policy) => ({ policy, excluded: policy.exclude.some((glob) => matchesGlob(glob, name)) }));
}

/** Whether the default for images that no policy matches is out of the question: only an enforcing cluster policy does that. */
export function isMatchedByEnforcingClusterPolicy(matched: readonly MatchedPolicy[]): boolean {
  return matched.some(({ policy }) => policy.mode === "enforce" && policy.namespace === undefined);
}

/** A tag beside a digest is matched as a tag; a digest without one could be under any tag, so it matches every `tags`. */
function matchesImage(image: ImagePattern, name: string, { tag }: ImageReference): boolean {
  if (!matchesGlob(image.glob, name)) return false;
  return image.tags === undefined || tag === undefined || matchesAny(image.tags, tag);
}

function appliesTo(policy: TrustPolicy, object: ObjectContext | undefined): boolean {
  if (policy.namespace !== undefined && policy.namespace !== object?.namespace) return false;
  if (object === undefined || policy.match.length === 0) return true;
  return policy.match.some((match) => matchesObject(match, object));
}

function matchesObject(match: ObjectMatch, object: ObjectContext): boolean {
  const { apiGroups, resources, namespaces, objectSelector } = match;
  if (apiGroups !== undefined && !matchesAny(apiGroups, object.apiGroup)) return false;
  if (resources !== undefined && !matchesAny(resources, object.resource)) return false;
  if (namespaces !== undefined && !(object.namespace !== undefined && matchesAny(namespaces, object.namespace)))
    return false;
  const wanted = Object.entries(objectSelector?.matchLabels ?? {});
  return wanted.every(([key, value]) => Object.hasOwn(object.labels, key) && object.labels[key] === value);
}

function matchesAny(globs: readonly string[], text: string): boolean {
  return globs.some((glob) => matchesGlob(glob, text));
}
