import { formatReference, formatRepository, type ImageReference } from "../oci/reference.ts";
import { isExempt, isMatchedByEnforcingClusterPolicy, type MatchedPolicy, matchPolicies } from "../policy/match.ts";
import { whereaboutsOf } from "../policy/mirrors.ts";
import type { ObjectContext, PolicyMode, PolicySet, TrustPolicy } from "../policy/policy.ts";
import { whyMatched, whyNot } from "./match-reason.ts";
import { nameOf } from "./remark.ts";
import { needsOf } from "./requirement.ts";

/** What one policy has to do with an image. */
export interface PolicyExplanation {
  readonly name: string;
  readonly mode: PolicyMode;
  readonly place: string;
  /**
   * `matches`: it must be passed; `excluded`: it is passed as it stands; `unknown`: whether it applies depends on labels of
   * the namespace that are not known, so it must be passed; `silent`: it does not speak about the image.
   */
  readonly applies: "matches" | "excluded" | "unknown" | "silent";
  /** Why, one sentence each. */
  readonly because: readonly string[];
  /** What would satisfy it; empty where nothing is needed. */
  readonly needs: readonly string[];
  /** Exceptions that may let the image pass it. */
  readonly exceptions: readonly string[];
}

/** What policies have to do with an image, and what would satisfy them; plain JSON. */
export interface ImageExplanation {
  readonly apiVersion: "imagetrust.dev/v1alpha1";
  readonly kind: "PolicyExplanation";
  /** In canonical form: what policies are held against. */
  readonly image: string;
  readonly object?: ObjectContext;
  readonly policies: readonly PolicyExplanation[];
  /** What is decided where nothing else is, or what else there is to say about all of them. */
  readonly summary: string;
  /** Where evidence is looked for beside the repository of the image, in words. */
  readonly places: readonly string[];
}

export interface ExplainRequest {
  readonly image: ImageReference;
  readonly object?: ObjectContext | undefined;
  readonly noMatch: "deny" | "warn" | "allow";
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** Explains every policy of the set, those that match first. Asks no registry. */
export function explainImage(set: PolicySet, request: ExplainRequest): ImageExplanation {
  const { image, object, noMatch, now } = request;
  const matched = matchPolicies(set, image, object);
  const explained = set.policies.map((policy): PolicyExplanation => {
    const match = matched.find((one) => one.policy === policy);
    const base = { name: nameOf(policy), mode: policy.mode, place: policy.source };
    if (match === undefined)
      return { ...base, applies: "silent", because: whyNot(policy, image, object), needs: [], exceptions: [] };
    const applies = match.excluded ? "excluded" : match.uncertain === true ? "unknown" : "matches";
    const exceptions = (match.exceptions ?? []).map(({ name, expires, reason }) => {
      const until = new Date(expires).toISOString();
      return `${name}, ${expires > now ? "until" : "expired at"} ${until}: ${reason}`;
    });
    const needs = match.excluded ? [] : needsOf(policy, now);
    return { ...base, applies, because: whyMatched(policy, image, object), needs, exceptions };
  });
  const isSilent = ({ applies }: PolicyExplanation) => applies === "silent";
  return {
    apiVersion: "imagetrust.dev/v1alpha1",
    kind: "PolicyExplanation",
    image: formatReference(image),
    ...(object === undefined ? {} : { object }),
    policies: [...explained.filter((one) => !isSilent(one)), ...explained.filter(isSilent)],
    summary: summaryOf(matched, noMatch, formatRepository(image)),
    places: placesIn(matched),
  };
}

function placesIn(matched: readonly MatchedPolicy[]): readonly string[] {
  const { mirrors, signaturesAt } = whereaboutsOf(matched);
  return [
    ...mirrors.map(({ from, to }) => `${from} is read at ${to} first`),
    ...signaturesAt.map(({ repository }) => `signatures are looked for at ${formatRepository(repository)}, too`),
  ];
}

function summaryOf(matched: ReturnType<typeof matchPolicies>, noMatch: string, name: string): string {
  if (isExempt(matched)) return "every policy that speaks about the image excludes it, so it passes as it is";
  const asked = matched.filter(({ excluded }) => !excluded).map(({ policy }) => policy);
  const must = [...enforcing(asked), ...lenient(asked)].join("; ");
  if (isMatchedByEnforcingClusterPolicy(matched)) return must === "" ? "nothing is asked of the image" : must;
  const rule = `no enforcing ClusterTrustPolicy speaks about ${name}, so that the default decides: ${noMatch}`;
  return must === "" ? rule : `${rule}; beside it: ${must}`;
}

function enforcing(policies: readonly TrustPolicy[]): readonly string[] {
  const names = policies.filter(({ mode }) => mode === "enforce").map(nameOf);
  return names.length === 0 ? [] : [`must pass ${names.join(" and ")}`];
}

function lenient(policies: readonly TrustPolicy[]): readonly string[] {
  const others = policies.filter(({ mode }) => mode !== "enforce");
  return others.map((policy) => `${nameOf(policy)} only ${policy.mode === "warn" ? "warns" : "records"}`);
}
