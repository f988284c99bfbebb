import { formatRepository, type ImageReference } from "../oci/reference.ts";
import type { TrustException } from "./exception.ts";
import { nameGroupsOf } from "./foreign/name-glob.ts";
import { type CompiledGlob, compileGlob, matchesCompiled, matchesGlob } from "./glob.ts";
import type { ImagePattern, ObjectContext, ObjectMatch, PolicySet, TrustPolicy } from "./policy.ts";
import { selects, selectsNamespace } from "./selector.ts";

/** A policy that speaks about the image. Where the policy excludes the image, it counts as matched and is passed. */
export interface MatchedPolicy {
  readonly policy: TrustPolicy;
  readonly excluded: boolean;
  /** It is not known whether the policy applies, so it must be passed, but is no match for the default. */
  readonly uncertain?: true;
  /** Exceptions that may let the image pass this policy: those whose place and policy fit, and whose images may. */
  readonly exceptions?: readonly TrustException[];
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
  const exceptions = set.exceptions?.filter((exception) => mayExcept(exception, name, object)) ?? [];
  const matched: MatchedPolicy[] = [];
  for (const { policy, images } of speakingIn(set, object?.namespace)) {
    if (!images.some((image) => matchesImage(image, name, ref))) continue;
    const applies = appliesTo(policy, object);
    if (applies === "no") continue;
    const own = exceptions.filter((exception) => speaksOf(exception, policy));
    matched.push({
      policy,
      excluded: policy.exclude.some((glob) => matchesGlob(glob, name)),
      ...(applies === "unknown" ? { uncertain: true } : {}),
      ...(own.length === 0 ? {} : { exceptions: own }),
    });
  }
  return matched;
}

/** Whether the default for images that no policy matches is out of the question: only an enforcing cluster policy does that. */
export function isMatchedByEnforcingClusterPolicy(matched: readonly MatchedPolicy[]): boolean {
  return matched.some(
    ({ policy, uncertain }) => policy.mode === "enforce" && policy.namespace === undefined && uncertain !== true,
  );
}

/** Whether policies speak about the image, and all of them exclude it. */
export function isExempt(matched: readonly MatchedPolicy[]): boolean {
  return matched.length > 0 && matched.every(({ excluded }) => excluded);
}

interface CompiledPolicy {
  readonly policy: TrustPolicy;
  readonly images: readonly CompiledImage[];
}

interface CompiledImage {
  readonly name: CompiledGlob;
  readonly tags: ImagePattern["tags"];
  readonly speaksOf: ImagePattern["speaksOf"];
}

/** The policies of a set by namespace; under `undefined` those of the cluster. Each in the order of the set. */
type ByNamespace = ReadonlyMap<string | undefined, readonly CompiledPolicy[]>;

const sets = new WeakMap<PolicySet, ByNamespace>();

/** Policies of other namespaces are not even looked at: there may be thousands, and an image is held against all that are. */
function speakingIn(set: PolicySet, namespace: string | undefined): readonly CompiledPolicy[] {
  const known = sets.get(set) ?? Map.groupBy(set.policies.map(compiled), ({ policy }) => policy.namespace);
  sets.set(set, known);
  const everywhere = known.get(undefined) ?? [];
  const here = namespace === undefined ? undefined : known.get(namespace);
  return here === undefined ? everywhere : [...everywhere, ...here];
}

const policies = new WeakMap<TrustPolicy, CompiledPolicy>();

/** The globs of a policy are taken apart once, however many sets it is part of. */
function compiled(policy: TrustPolicy): CompiledPolicy {
  const known = policies.get(policy);
  if (known !== undefined) return known;
  const images = policy.images.map(({ glob, tags, speaksOf }) => ({ name: compileGlob(glob), tags, speaksOf }));
  const made = { policy, images };
  policies.set(policy, made);
  return made;
}

/** A tag beside a digest is matched as a tag; a digest without one could be under any tag, so it matches every `tags`. */
function matchesImage(image: CompiledImage, name: string, ref: ImageReference): boolean {
  const { tag } = ref;
  if (image.speaksOf === "names") return matchesName(image.name, ref);
  if (!matchesCompiled(image.name, name)) return false;
  return image.tags === undefined || tag === undefined || matchesAny(image.tags, tag);
}

/** One of the names is enough. */
function matchesName(glob: CompiledGlob, ref: ImageReference): boolean {
  return nameGroupsOf(ref).some(({ base, names }) => {
    // What begins otherwise than all of them is told once.
    if (glob.prefix.length <= base.length && !base.startsWith(glob.prefix)) return false;
    return names.some((one) => matchesCompiled(glob, one));
  });
}

/** Whether something holds; `unknown` where what it depends on is not known. */
type Known = "yes" | "no" | "unknown";

function appliesTo(policy: TrustPolicy, object: ObjectContext | undefined): Known {
  if (object === undefined || policy.match.length === 0) return "yes";
  const answers = new Set(policy.match.map((match) => matchesObject(match, object)));
  return answers.has("yes") ? "yes" : answers.has("unknown") ? "unknown" : "no";
}

function matchesObject(match: ObjectMatch, object: ObjectContext): Known {
  const { apiGroups, resources, namespaces, namespaceSelector, objectSelector } = match;
  const { namespace } = object;
  if (apiGroups !== undefined && !matchesAny(apiGroups, object.apiGroup)) return "no";
  if (resources !== undefined && !matchesAny(resources, object.resource)) return "no";
  if (namespaces !== undefined && !(namespace !== undefined && matchesAny(namespaces, namespace))) return "no";
  if (objectSelector !== undefined && !selects(objectSelector, object.labels)) return "no";
  if (namespaceSelector === undefined) return "yes";
  if (namespace === undefined) return "no";
  const selected = selectsNamespace(namespaceSelector, namespace, object.namespaceLabels);
  return selected === undefined ? "unknown" : selected ? "yes" : "no";
}

/** An exception for namespaces lets nothing pass that is in none. Digests are compared when the digest is known. */
function mayExcept({ images, namespaces }: TrustException, name: string, object: ObjectContext | undefined): boolean {
  const namespace = object?.namespace;
  if (namespaces !== undefined && !(namespace !== undefined && matchesAny(namespaces, namespace))) return false;
  return images.some((image) => "digest" in image || matchesGlob(image.glob, name));
}

function speaksOf({ policies }: TrustException, { namespace, name }: TrustPolicy): boolean {
  return policies === undefined || policies.includes(namespace === undefined ? name : `${namespace}/${name}`);
}

function matchesAny(globs: readonly string[], text: string): boolean {
  return globs.some((glob) => matchesGlob(glob, text));
}
