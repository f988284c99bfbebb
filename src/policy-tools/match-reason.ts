import { formatRepository, type ImageReference } from "../oci/reference.ts";
import { matchesGlob } from "../policy/glob.ts";
import { matchPolicies } from "../policy/match.ts";
import { nonEmpty } from "../policy/non-empty.ts";
import type { ImagePattern, LabelSelector, ObjectContext, ObjectMatch, TrustPolicy } from "../policy/policy.ts";
import { selects, selectsNamespace } from "../policy/selector.ts";

type AnyObject = ObjectContext | undefined;

/** Why a policy that matches does: the glob that fits, the rule that holds, the glob that excludes. */
export function whyMatched(policy: TrustPolicy, image: ImageReference, object: AnyObject): readonly string[] {
  const name = formatRepository(image);
  const glob = policy.images.find((one) => fitsName(one, image, policy) && tagReason(one.tags, image) === undefined);
  const rule = policy.match.findIndex((match) => object !== undefined && matchReason(match, object) === undefined);
  const excluding = policy.exclude.find((one) => matchesGlob(one, name));
  return [
    `images: ${glob?.glob} fits${glob?.tags === undefined ? "" : `, and of its tags ${glob.tags.join(" or ")}`}`,
    ...(policy.namespace === undefined ? [] : [`namespace: it is of ${policy.namespace}`]),
    ...(policy.match.length === 0 ? [] : [matchSentence(rule, object)]),
    ...(excluding === undefined ? [] : [`exclude: ${excluding} fits, so that it is passed`]),
  ];
}

function matchSentence(rule: number, object: AnyObject): string {
  if (object === undefined) return "match: taken as true, since there is no object (give --object or --namespace)";
  if (rule >= 0) return `match: rule ${rule + 1} holds`;
  return "match: depends on labels of the namespace, which are not known; so the policy must be passed";
}

/** Why a policy does not speak about an image: of its images, of its namespace, or of each rule of `match`. */
export function whyNot(policy: TrustPolicy, image: ImageReference, object: AnyObject): readonly string[] {
  const name = formatRepository(image);
  const fitting = policy.images.filter((one) => fitsName(one, image, policy));
  if (fitting.length === 0) return [`images: none of ${list(policy.images.map(({ glob }) => glob))} fits ${name}`];
  if (fitting.every(({ tags }) => tagReason(tags, image) !== undefined))
    return fitting.map(({ tags }) => `images: ${tagReason(tags, image)}`);
  if (policy.namespace !== undefined && policy.namespace !== object?.namespace) {
    const found = object === undefined ? "there is no object" : `the object is in ${object.namespace ?? "none"}`;
    return [`namespace: it is a policy of ${policy.namespace}, and ${found}`];
  }
  if (object === undefined) return ["it does not apply"];
  return policy.match.map((match, index) => `match: rule ${index + 1} wants ${matchReason(match, object) ?? "less"}`);
}

/** Whether the name fits a pattern, whatever the tag; as matching itself has it, in each language of policies. */
function fitsName({ glob, speaksOf }: ImagePattern, image: ImageReference, { namespace: _, ...policy }: TrustPolicy) {
  const images = nonEmpty([{ glob, ...(speaksOf === undefined ? {} : { speaksOf }) }]);
  return matchPolicies({ policies: [{ ...policy, images, match: [] }], revision: "" }, image).length > 0;
}

function tagReason(tags: readonly string[] | undefined, { tag }: ImageReference): string | undefined {
  if (tags === undefined || tag === undefined || tags.some((glob) => matchesGlob(glob, tag))) return undefined;
  return `the tag ${tag} is none of ${list(tags)}`;
}

/** What a rule wants that the object is not; nothing where it holds. */
function matchReason(match: ObjectMatch, object: ObjectContext): string | undefined {
  const { apiGroups, resources, namespaces, namespaceSelector, objectSelector } = match;
  const { apiGroup, resource, namespace } = object;
  const fits = (globs: readonly string[] | undefined, text: string | undefined) =>
    globs === undefined || (text !== undefined && globs.some((glob) => matchesGlob(glob, text)));
  if (!fits(apiGroups, apiGroup)) return `the API group ${list(apiGroups ?? [])}, not ${apiGroup || "the core group"}`;
  if (!fits(resources, resource)) return `${list(resources ?? [])}, not ${resource}`;
  if (!fits(namespaces, namespace)) return `the namespace ${list(namespaces ?? [])}, not ${namespace ?? "none"}`;
  if (objectSelector !== undefined && !selects(objectSelector, object.labels))
    return `an object with ${selectorText(objectSelector)}`;
  if (namespaceSelector === undefined) return undefined;
  if (namespace === undefined) return "a namespace";
  const selected = selectsNamespace(namespaceSelector, namespace, object.namespaceLabels);
  return selected === true ? undefined : `a namespace with ${selectorText(namespaceSelector)}`;
}

function selectorText({ matchLabels = {}, matchExpressions = [] }: LabelSelector): string {
  const exact = Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`);
  const others = matchExpressions.map(({ key, operator, values }) =>
    [key, operator, ...(values.length === 0 ? [] : [`(${values.join(", ")})`])].join(" "),
  );
  return [...exact, ...others].join(" and ");
}

function list(texts: readonly string[]): string {
  const shown = texts.slice(0, 10).map((text) => (text === "" ? "the core group" : text));
  return `${shown.join(" or ")}${texts.length > 10 ? " or others" : ""}`;
}
