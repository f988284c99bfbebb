import { parseDigest } from "../crypto/digest.ts";
import { type Mirror, parseMirrorPlace } from "../oci/mirrors.ts";
import { readAttestations } from "./attestation-rules.ts";
import { type PolicySources, readAuthority, sourcesOf } from "./authority-rules.ts";
import { readCondition } from "./condition-rules.ts";
import type { Path, SourceDocument } from "./document.ts";
import type { TrustException } from "./exception.ts";
import { matchesGlob, parseImageGlob } from "./glob.ts";
import { keyProblems } from "./key-rules.ts";
import { maximumMatching } from "./matching.ts";
import { nonEmpty } from "./non-empty.ts";
import type { Authority, Freshness, ImagePattern, LabelSelector, ObjectMatch, TrustPolicy } from "./policy.ts";
import type { Problem } from "./problem.ts";
import type { WrittenRoot } from "./root-rules.ts";
import type { PolicyDocument } from "./schema.ts";
import { parseDuration } from "./settings.ts";

/** The policies of one source, and everything that is wrong with it. */
export interface ParsedPolicies {
  readonly policies: readonly TrustPolicy[];
  readonly exceptions?: readonly TrustException[];
  readonly roots?: readonly WrittenRoot[];
  /** What takes effect otherwise than its author may think. */
  readonly warnings?: readonly Problem[];
  readonly problems: readonly Problem[];
}

/** Makes a policy out of a document that has the right shape: reads its keys and holds it to the rules that span fields. */
export async function toTrustPolicy(
  { metadata, spec }: PolicyDocument,
  document: SourceDocument,
  sources: PolicySources,
): Promise<ParsedPolicies> {
  const namespace = "namespace" in metadata ? metadata.namespace : undefined;
  const own = sourcesOf(namespace, sources);
  const read = await Promise.all(
    spec.authorities.map((authority, index) => readAuthority(authority, index, document, own)),
  );
  const authorities = read.flatMap(({ authority }) => authority ?? []);
  const statics = read.flatMap((one) => one.static ?? []);
  const attested = await readAttestations(spec, document);
  const path = ["spec", "condition"];
  const conditional = await readCondition(spec.condition, "policy", { document, path });
  const problems = [
    ...read.flatMap(({ problem }) => problem ?? []),
    ...sameNames(spec.authorities, ["spec", "authorities"], document),
    ...sameNames(spec.attestations ?? [], ["spec", "attestations"], document),
    ...attested.problems,
    ...(conditional.problem === undefined ? [] : [conditional.problem]),
    ...keyProblems(spec.authorities, namespace, document),
    ...tenantMirrors(spec.mirrors, namespace, document),
    ...deadMatches(spec.match, namespace, document),
  ];
  if (problems.length > 0) return { policies: [], problems };
  const unreachable = unreachableThreshold(spec.threshold, authorities, statics.length > 0 ? 1 : 0, document);
  if (unreachable !== undefined) return { policies: [], problems: [unreachable] };
  const policy: TrustPolicy = {
    name: metadata.name,
    ...(namespace === undefined ? {} : { namespace }),
    mode: spec.mode,
    ...toScope(spec),
    authorities,
    ...(statics.length === 0 ? {} : { statics: nonEmpty(statics) }),
    threshold: spec.threshold,
    ...(attested.attestations === undefined ? {} : { attestations: attested.attestations }),
    ...(conditional.condition === undefined ? {} : { condition: conditional.condition }),
    ...(spec.revokedSignatures === undefined ? {} : { revokedSignatures: spec.revokedSignatures.map(parseDigest) }),
    ...(spec.signedIdentity === "any" ? {} : { signedIdentity: spec.signedIdentity }),
    ...(spec.platforms === "index" ? {} : { platforms: spec.platforms }),
    ...(spec.mirrors === undefined ? {} : { mirrors: spec.mirrors.map(toMirror) }),
    ...(spec.freshness === undefined ? {} : { freshness: toFreshness(spec.freshness) }),
    source: document.placeOf([]),
  };
  return { policies: [policy], problems: [] };
}

function sameNames(
  list: readonly { readonly name: string }[],
  path: Path,
  document: SourceDocument,
): readonly Problem[] {
  const first = new Map<string, number>();
  return list.flatMap(({ name }, index) => {
    if (!first.has(name)) {
      first.set(name, index);
      return [];
    }
    const what = `${path.join(".")}[${index}].name is taken by another entry`;
    const place = document.placeOf([...path, index, "name"]);
    return [{ place, what, expected: "each name once", found: JSON.stringify(name) }];
  });
}

/** A policy of one namespace that asks for another would never apply, and nobody would see that it does not. */
function deadMatches(
  match: PolicyDocument["spec"]["match"],
  namespace: string | undefined,
  document: SourceDocument,
): readonly Problem[] {
  if (namespace === undefined) return [];
  return match.flatMap(({ namespaces }, index) => {
    if (namespaces === undefined || namespaces.some((glob) => matchesGlob(glob, namespace))) return [];
    const what = `spec.match[${index}].namespaces leaves out the namespace of the policy, so it can never match`;
    return [{ place: document.placeOf(["spec", "match", index, "namespaces"]), what, expected: namespace }];
  });
}

/** A threshold that no set of signers can reach, counting as an evaluation does; nor what is said instead of one signer. */
function unreachableThreshold(
  threshold: number,
  authorities: readonly Authority[],
  instead: number,
  document: SourceDocument,
): Problem | undefined {
  const candidates = authorities.flatMap((authority) => {
    const { name, owner = name } = authority;
    // Nobody knows how many keys a certificate authority will certify.
    const signers = authority.kind === "key" ? authority.keys.map(({ keyId }) => keyId) : [`any of ${name}`];
    return signers.map((signer) => ({ owner, signer }));
  });
  const most = maximumMatching(
    candidates,
    ({ owner }) => owner,
    ({ signer }) => signer,
  ).length;
  if (threshold <= Math.max(most, instead)) return undefined;
  const place = document.placeOf(["spec", "threshold"]);
  const what = "spec.threshold can never be reached: owners and keys each count once, static authorities never";
  return { place, what, expected: `at most ${Math.max(most, instead)}`, found: `${threshold}` };
}

/** What a policy speaks about. */
export function toScope({
  images,
  exclude,
  match,
}: Pick<PolicyDocument["spec"], "images" | "exclude" | "match">): Pick<TrustPolicy, "images" | "exclude" | "match"> {
  return {
    images: nonEmpty(images.map(toImagePattern)),
    exclude: exclude.map(parseImageGlob),
    match: match.map(toObjectMatch),
  };
}

function toImagePattern({ glob, tags }: PolicyDocument["spec"]["images"][number]): ImagePattern {
  return { glob: parseImageGlob(glob), ...(tags === undefined ? {} : { tags: nonEmpty(tags) }) };
}

function toMirror({ from, to }: Mirror): Mirror {
  return { from: parseMirrorPlace(from), to: parseMirrorPlace(to) };
}

/** Where everybody's images are fetched is for the cluster to say, not for one namespace. */
function tenantMirrors(
  mirrors: readonly Mirror[] | undefined,
  namespace: string | undefined,
  document: SourceDocument,
): readonly Problem[] {
  if (mirrors === undefined || namespace === undefined) return [];
  const what = "spec.mirrors in a policy of one namespace";
  return [{ place: document.placeOfKey(["spec", "mirrors"]), what, expected: "mirrors in a ClusterTrustPolicy" }];
}

function toFreshness({ maxAge, grace, ...rest }: NonNullable<PolicyDocument["spec"]["freshness"]>): Freshness {
  return {
    ...rest,
    ...(maxAge === undefined ? {} : { maxAge: parseDuration(maxAge) }),
    grace: grace === undefined ? 0 : parseDuration(grace),
  };
}

function toObjectMatch(match: PolicyDocument["spec"]["match"][number]): ObjectMatch {
  const { apiGroups, resources, namespaces, namespaceSelector, objectSelector } = match;
  return {
    ...(apiGroups === undefined ? {} : { apiGroups: nonEmpty(apiGroups) }),
    ...(resources === undefined ? {} : { resources: nonEmpty(resources) }),
    ...(namespaces === undefined ? {} : { namespaces: nonEmpty(namespaces) }),
    ...(namespaceSelector === undefined ? {} : { namespaceSelector: toSelector(namespaceSelector) }),
    ...(objectSelector === undefined ? {} : { objectSelector: toSelector(objectSelector) }),
  };
}

type SelectorDocument = NonNullable<PolicyDocument["spec"]["match"][number]["objectSelector"]>;

function toSelector({ matchLabels, matchExpressions }: SelectorDocument): LabelSelector {
  return {
    ...(matchLabels === undefined ? {} : { matchLabels }),
    ...(matchExpressions === undefined
      ? {}
      : { matchExpressions: matchExpressions.map(({ values = [], ...rest }) => ({ ...rest, values })) }),
  };
}
