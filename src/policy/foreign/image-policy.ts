import { createPattern } from "../../crypto/x509-identity.ts";
import { asTrustError } from "../../errors.ts";
import { parseRepository } from "../../oci/reference.ts";
import type { PolicySources } from "../authority-rules.ts";
import type { Path, SourceDocument } from "../document.ts";
import { nonEmpty } from "../non-empty.ts";
import type { AttestationRequirement, LabelSelector, ObjectMatch, SignaturePlace, TrustPolicy } from "../policy.ts";
import type { Problem } from "../problem.ts";
import type { ParsedPolicies } from "../rules.ts";
import { predicateTypeOf } from "./attestation-rule.ts";
import { type ReadImageAuthority, readImageAuthority } from "./image-authority.ts";
import { parseNameGlob } from "./name-glob.ts";
import type { ImageAuthority, ImagePolicyDocument } from "./schema.ts";
import { isSet } from "./schema-parts.ts";

/**
 * Makes a policy of a ClusterImagePolicy that has the right shape, with policy-controller's meaning: any of its authorities
 * is enough; an authority with attestations is satisfied by all of those instead of by a signature. A rule over the whole
 * policy (`spec.policy`) is not judged here, so that the policy refuses what it matches.
 */
export async function toImagePolicy(
  { metadata, spec }: ImagePolicyDocument,
  document: SourceDocument,
  sources: PolicySources,
): Promise<ParsedPolicies> {
  const problems = await expressionProblems(spec.authorities, document);
  if (problems.length > 0) return { policies: [], problems };
  const names = distinctNames(spec.authorities);
  const nameOf = (index: number) => names[index] ?? "";
  const read = await Promise.all(
    spec.authorities.map((written, index) => readImageAuthority(written, nameOf(index), sources)),
  );
  const authorities = read.flatMap((one) => ("authority" in one ? [one.authority] : []));
  const statics = read.flatMap((one) => ("static" in one ? [one.static] : []));
  const unusable = read.flatMap((one) => ("unusable" in one ? [one.unusable] : []));
  const attestations = spec.authorities.flatMap((written, index) => {
    const one = read[index];
    return one !== undefined && "authority" in one ? requirementsOf(written, one) : [];
  });
  const places = spec.authorities.flatMap(placesOf);
  const base = {
    name: metadata.name,
    mode: spec.mode === "warn" ? "warn" : "enforce",
    ...toForeignScope(spec),
    threshold: 1,
    source: document.placeOf([]),
  } as const;
  const ruled = spec.policy === undefined ? undefined : ruleOf(spec.policy);
  const policy: TrustPolicy =
    ruled !== undefined
      ? { ...base, authorities: [], unusable: [ruled] }
      : {
          ...base,
          authorities,
          anyOf: true,
          ...(statics.length === 0 ? {} : { statics: nonEmpty(statics) }),
          ...(unusable.length === 0 ? {} : { unusable: nonEmpty(unusable) }),
          ...(attestations.length === 0 ? {} : { attestations: nonEmpty(attestations) }),
          ...(places.length === 0 ? {} : { signaturesAt: nonEmpty(places) }),
        };
  const warnings = [...policyWarnings(spec, ruled?.reason, document)];
  if (sources.readSecret !== undefined) warnings.push(...secretWarnings(spec.authorities, document));
  if (ruled === undefined)
    for (const [index, one] of read.entries()) warnings.push(...authorityWarnings(one, index, document));
  return { policies: [policy], problems: [], warnings };
}

/** What a ClusterImagePolicy speaks about. */
export function toForeignScope({
  images,
  match = [],
}: Pick<ImagePolicyDocument["spec"], "images" | "match">): Pick<TrustPolicy, "images" | "exclude" | "match"> {
  return {
    images: nonEmpty(images.map(({ glob }) => ({ glob: parseNameGlob(glob), speaksOf: "names" as const }))),
    exclude: [],
    match: match.map(toObjectMatch),
  };
}

/** As policy-controller names them; what is there twice is told apart. */
function distinctNames(authorities: readonly ImageAuthority[]): readonly string[] {
  const taken = new Set<string>();
  return authorities.map(({ name }, index) => {
    const own = name === undefined || name === "" ? `authority-${index}` : name;
    const distinct = taken.has(own) ? `${own}[${index}]` : own;
    taken.add(distinct);
    return distinct;
  });
}

function requirementsOf(
  { attestations = [] }: ImageAuthority,
  { authority, rules }: Extract<ReadImageAuthority, { readonly authority: unknown }>,
): readonly AttestationRequirement[] {
  return attestations.map((written, index) => {
    const condition = rules[index]?.condition;
    return {
      name: written.name,
      predicateType: predicateTypeOf(written),
      authorities: [authority.name],
      select: "any",
      ...(condition === undefined ? {} : { condition }),
    };
  });
}

/** That an authority is not judged here, and how rules in another language are. */
function authorityWarnings(read: ReadImageAuthority, index: number, document: SourceDocument): readonly Problem[] {
  const path = ["spec", "authorities", index];
  const ruleAt = (attestation: number) => [...path, "attestations", attestation, "policy", "data"];
  if ("unusable" in read) {
    const { unusable, at } = read;
    const place = at === undefined ? document.placeOf(path) : document.placeWithin(ruleAt(at.attestation), at.offset);
    const what = `spec.authorities[${index}] is satisfied by nothing: ${unusable.reason}`;
    return [{ place, what, expected: unusable.expected }];
  }
  if ("static" in read) return [];
  return read.rules.flatMap((rule, attestation) => {
    if (rule === undefined) return [];
    const name = `spec.authorities[${index}].attestations[${attestation}].policy`;
    const place = document.placeOfKey(ruleAt(attestation));
    if (rule.isNever) {
      const what = `${name} is met by nothing: it asks for another predicateType than the attestation has`;
      return [{ place, what, expected: `a rule about ${rule.predicateType}` }];
    }
    const what = `${name} is judged as a condition, more strictly than by CUE: what it names must be in the statement`;
    return [{ place, what, expected: rule.condition.expression.slice(0, 500) }];
  });
}

function placesOf({ source = [] }: ImageAuthority): readonly SignaturePlace[] {
  return source.flatMap(({ oci, tagPrefix }) => {
    if (oci === undefined || oci === "") return [];
    return [
      { repository: parseRepository(oci), ...(tagPrefix === undefined || tagPrefix === "" ? {} : { tagPrefix }) },
    ];
  });
}

type Match = NonNullable<ImagePolicyDocument["spec"]["match"]>[number];

/** Where policy-controller finds the kinds that it knows; all are of version v1. */
const groups: Readonly<Record<string, string>> = {
  pods: "",
  replicasets: "apps",
  deployments: "apps",
  statefulsets: "apps",
  daemonsets: "apps",
  jobs: "batch",
  cronjobs: "batch",
};

function canMatch({ group = "", version, resource = "" }: Match): boolean {
  return groups[resource] === group && (version === "v1" || version === "*");
}

/** What policy-controller compares with no object matches none here, either. */
function toObjectMatch(match: Match): ObjectMatch {
  const { group = "", resource = "", selector } = match;
  return {
    apiGroups: [group],
    resources: [canMatch(match) ? resource : ""],
    ...(selector === undefined ? {} : { objectSelector: toSelector(selector) }),
  };
}

function toSelector({ matchLabels, matchExpressions }: NonNullable<Match["selector"]>): LabelSelector {
  return {
    ...(matchLabels === undefined ? {} : { matchLabels }),
    ...(matchExpressions === undefined
      ? {}
      : { matchExpressions: matchExpressions.map(({ values = [], ...rest }) => ({ ...rest, values })) }),
  };
}

function ruleOf({ type, remote, configMapRef }: NonNullable<ImagePolicyDocument["spec"]["policy"]>) {
  const where = remote !== undefined ? ", fetched from a URL" : configMapRef !== undefined ? ", in a ConfigMap" : "";
  const language = type === "rego" ? "Rego" : "CUE";
  return {
    name: "spec.policy",
    reason: `the policy ends in a rule in ${language}${where}, which is not judged here`,
    expected: "the rule as a condition in CEL, in a ClusterTrustPolicy",
  };
}

function policyWarnings(
  { match = [], authorities }: ImagePolicyDocument["spec"],
  ruled: string | undefined,
  document: SourceDocument,
): readonly Problem[] {
  const problems: Problem[] = [];
  if (ruled !== undefined)
    problems.push({
      place: document.placeOfKey(["spec", "policy"]),
      what: `spec.policy: ${ruled}; every image that the policy matches is refused`,
      expected: "the rule as a condition in CEL, in a ClusterTrustPolicy",
    });
  for (const [index, one] of match.entries()) {
    if (canMatch(one)) continue;
    const what = `spec.match[${index}] matches no object: policy-controller compares resource, group and version`;
    const { resource = "" } = one;
    const expected = Object.hasOwn(groups, resource)
      ? `version v1 or *, and group ${JSON.stringify(groups[resource])}`
      : "a resource, such as pods, with version v1";
    problems.push({ place: document.placeOf(["spec", "match", index]), what, expected });
  }
  for (const [index, { source = [] }] of authorities.entries())
    if (source.some(({ signaturePullSecrets = [] }) => signaturePullSecrets.length > 0))
      problems.push({
        place: document.placeOf(["spec", "authorities", index, "source"]),
        what: `spec.authorities[${index}].source names pull secrets, which are not read`,
        expected: "credentials for the registry where the others are",
      });
  return problems;
}

/** Of namespaces that are named for nothing: it is always that of the program. */
function secretWarnings(authorities: readonly ImageAuthority[], document: SourceDocument): readonly Problem[] {
  return authorities.flatMap(({ key }, index) => {
    if (!isSet(key?.secretRef?.namespace)) return [];
    const place = document.placeOf(["spec", "authorities", index, "key", "secretRef", "namespace"]);
    const what = `spec.authorities[${index}].key.secretRef.namespace is not looked at, as policy-controller does not`;
    return [{ place, what, expected: "the Secret in the namespace of the webhook" }];
  });
}

/** Expressions that RE2 does not take. */
async function expressionProblems(
  authorities: readonly ImageAuthority[],
  document: SourceDocument,
): Promise<readonly Problem[]> {
  const problems: Problem[] = [];
  for (const [at, { keyless }] of authorities.entries())
    for (const [index, identity] of (keyless?.identities ?? []).entries())
      for (const field of ["issuerRegExp", "subjectRegExp"] as const) {
        const path = ["spec", "authorities", at, "keyless", "identities", index, field];
        const problem = await expressionProblem(identity[field], path, document);
        if (problem !== undefined) problems.push(problem);
      }
  return problems;
}

async function expressionProblem(
  expression: string | undefined,
  path: Path,
  document: SourceDocument,
): Promise<Problem | undefined> {
  if (!isSet(expression)) return undefined;
  try {
    await createPattern(expression ?? "", "anywhere");
    return undefined;
  } catch (error) {
    const { message, expected, found } = asTrustError(error);
    const name = path.map((step) => (typeof step === "number" ? `[${step}]` : `.${String(step)}`)).join("");
    return { place: document.placeOf(path), what: `${name.slice(1)}: ${message}`, expected, found };
  }
}
