import type { Digest } from "../crypto/digest.ts";
import { type ErrorCategory, errorCodes, type Finding } from "../errors.ts";
import type { SignerIdentity } from "../formats/format.ts";
import type { PolicyMode, TrustPolicy } from "./policy.ts";

export type Outcome = "allow" | "warn" | "deny";
export type Status = "trusted" | "untrusted" | "no-policy" | "exempt" | "static" | "unavailable";

/** An authority that is satisfied, by whom, resting on which artifact. */
export interface Satisfaction {
  readonly authority: string;
  /** The attestation that the policy asks for; absent: a signature. */
  readonly attestation?: string;
  readonly signer: SignerIdentity;
  readonly evidence: Digest;
  /** The trust root that it rests on; `issuedAt` (RFC 3339 UTC) where the root has an age. */
  readonly trustRoot?: { readonly name: string; readonly issuedAt?: string };
  /** RFC 3339 UTC; only a proved time. */
  readonly signedAt?: string;
  /** RFC 3339 UTC; when it stops counting because of its age or expiry. */
  readonly expiresAt?: string;
}

/** What one policy says about an image. */
export interface PolicyResult {
  readonly name: string;
  /** Of a TrustPolicy, its namespace; absent: a policy of the cluster. */
  readonly namespace?: string;
  readonly mode: PolicyMode;
  readonly passed: boolean;
  readonly satisfiedBy: readonly Satisfaction[];
  readonly findings: readonly Finding[];
  /** Passed without the signatures it asks for, because an authority says so in the open. */
  readonly static?: { readonly authority: string; readonly message?: string };
  /** Passed although it is not satisfied: the findings say why it is not. */
  readonly exception?: AppliedException;
}

/** What a result says of the policy itself. */
export function aboutPolicy({ name, namespace, mode }: TrustPolicy): Pick<PolicyResult, "name" | "namespace" | "mode"> {
  return { name, ...(namespace === undefined ? {} : { namespace }), mode };
}

/** NAME of a policy of the cluster, NAMESPACE/NAME of a TrustPolicy: what tells each from all others. */
export function policyNameOf({ name, namespace }: Pick<PolicyResult, "name" | "namespace">): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}

/** An exception that let an image pass. Times are RFC 3339 UTC. */
export interface AppliedException {
  readonly name: string;
  readonly reason: string;
  readonly expires: string;
  readonly approvedBy?: string;
}

/** The one output format of CLI, webhook and audit; plain JSON. Times are RFC 3339 UTC. */
export interface Verdict {
  readonly apiVersion: "imagetrust.dev/v1alpha1";
  readonly kind: "Verdict";
  readonly image: string;
  readonly digest?: Digest;
  /** Of a child of an index, what the index says it is for: `linux/arm64`. */
  readonly platform?: string;
  readonly outcome: Outcome;
  readonly status: Status;
  readonly policies: readonly PolicyResult[];
  /** Findings that belong to no policy: no match, unreachable registry, unpinned tag. */
  readonly findings: readonly Finding[];
  /** What weakened the decision, in words. */
  readonly unsafe: readonly string[];
  /** Digests the decision rests on. */
  readonly evidence: readonly Digest[];
  readonly children: readonly Verdict[];
  readonly decidedAt: string;
  /** Until when the same question would get the same answer from the same facts; absent: until facts change. */
  readonly validUntil?: string;
}

/** What {@link verdictOf} makes a Verdict of. Times in milliseconds since 1970. */
export interface VerdictFacts {
  readonly image: string;
  readonly decidedAt: number;
  readonly digest?: Digest | undefined;
  /** The configured default, where no enforcing cluster policy matched. */
  readonly noMatch?: Outcome | undefined;
  readonly policies: readonly PolicyResult[];
  /** Every matched policy excludes the image. */
  readonly exempt?: boolean | undefined;
  /** What kept the evidence from being known at all: a bad name, a missing image, an unreachable registry. */
  readonly failure?: Finding | undefined;
  readonly unsafe?: readonly string[] | undefined;
  readonly validUntil?: number | undefined;
}

/** Puts the results of all policies together: outcome, status, and the digests the decision rests on. */
export function verdictOf(facts: VerdictFacts): Verdict {
  const noMatch: readonly Finding[] = facts.noMatch === undefined ? [] : [noPolicyFinding(facts.image)];
  return {
    apiVersion: "imagetrust.dev/v1alpha1",
    kind: "Verdict",
    image: facts.image,
    ...(facts.digest === undefined ? {} : { digest: facts.digest }),
    outcome: outcomeOf(facts),
    status: statusOf(facts),
    policies: facts.policies,
    findings: [...noMatch, ...(facts.failure === undefined ? [] : [facts.failure])],
    unsafe: [...(facts.unsafe ?? []), ...facts.policies.flatMap(openings)],
    evidence: [...new Set(facts.policies.flatMap((policy) => policy.satisfiedBy.map((item) => item.evidence)))],
    children: [],
    decidedAt: new Date(facts.decidedAt).toISOString(),
    ...(facts.validUntil === undefined ? {} : { validUntil: new Date(facts.validUntil).toISOString() }),
  };
}

const outcomeOfFailure: Readonly<Record<PolicyMode, Outcome>> = { enforce: "deny", warn: "warn", audit: "allow" };
const outcomes: readonly Outcome[] = ["deny", "warn", "allow"];

function outcomeOf(facts: VerdictFacts): Outcome {
  // A failure with no policy to weigh it is a name that could not be judged at all.
  if (facts.failure !== undefined && facts.policies.length === 0) return "deny";
  const each = facts.policies.map((policy) => (policy.passed ? "allow" : outcomeOfFailure[policy.mode]));
  return outcomes.find((outcome) => outcome === facts.noMatch || each.includes(outcome)) ?? "deny";
}

function statusOf(facts: VerdictFacts): Status {
  // Denied whatever else is or will be known: no outage that ends, and no signature that comes, changes it.
  if (facts.noMatch === "deny") return "no-policy";
  const failing = facts.policies.filter((policy) => !policy.passed);
  const enforced = failing.filter((policy) => policy.mode === "enforce");
  const telling = (enforced.length > 0 ? enforced : failing).flatMap((policy) => policy.findings);
  const findings = facts.failure === undefined ? telling : [facts.failure, ...telling];
  if (findings.some(({ category }) => category === "unavailable" || category === "config" || category === "internal"))
    return "unavailable";
  if (failing.length > 0 || facts.failure !== undefined) return "untrusted";
  if (facts.noMatch !== undefined) return "no-policy";
  if (facts.exempt === true || facts.policies.some(({ exception }) => exception !== undefined)) return "exempt";
  return facts.policies.some((policy) => policy.static !== undefined) ? "static" : "trusted";
}

/** What let an image pass without being trusted, in words. */
function openings(result: PolicyResult): readonly string[] {
  const { static: decided, exception } = result;
  const name = policyNameOf(result);
  if (exception !== undefined) {
    const { approvedBy, expires, reason } = exception;
    const by = approvedBy === undefined ? "" : `, approved by ${approvedBy}`;
    return [`the exception ${exception.name} lets it pass ${name} until ${expires}${by}: ${reason}`];
  }
  if (decided === undefined) return [];
  const why = decided.message === undefined ? "" : `: ${decided.message}`;
  return [`${name} passes it without a signature, by its static authority ${decided.authority}${why}`];
}

function noPolicyFinding(image: string): Finding {
  return {
    code: "NO_POLICY",
    ...errorCodes.NO_POLICY,
    message: "no enforcing policy speaks about this image",
    expected: "a ClusterTrustPolicy in mode enforce whose images match",
    found: image,
  };
}

/**
 * The categories that decide the exit code of a verdict. A denial for want of an answer is told by what was in the way,
 * never as if the image had been found bad.
 */
export function categoriesOf(verdict: Verdict): readonly ErrorCategory[] {
  if (verdict.outcome !== "deny") return [];
  const failing = verdict.policies.filter((policy) => !policy.passed && policy.mode === "enforce");
  const categories = [...verdict.findings, ...failing.flatMap((policy) => policy.findings)].map(
    (finding) => finding.category,
  );
  categories.push(...verdict.children.flatMap(categoriesOf));
  const telling = categories.filter((category) => verdict.status !== "unavailable" || category !== "untrusted");
  return telling.length === 0 ? ["untrusted"] : telling;
}
