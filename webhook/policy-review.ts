import { asTrustError, checkPolicyObject, policyKindGroups, TrustError } from "../src/index.ts";
import { type Answer, refusal } from "./answer.ts";
import { asWarnings } from "./explain.ts";
import { isObject, type JsonObject, member, parseJson, text } from "./json.ts";
import { type AdmissionRequest, type Envelope, envelopeOf, parseReview, unknownEnvelope } from "./review.ts";
import type { PassReason } from "./scope.ts";

/** What a review of a policy object asks, read as far as it can be read. */
export interface PreparedPolicy {
  readonly envelope: Envelope;
  /** Undefined where the review could not be read. */
  readonly request?: Omit<AdmissionRequest, "object" | "oldObject">;
  readonly policy: { readonly object: JsonObject } | { readonly pass: PassReason } | { readonly error: TrustError };
}

const maxLines = 10;
const maxLine = 500;

/** Reads the AdmissionReview of a policy object; never throws. */
export function preparePolicy(bytes: Buffer): PreparedPolicy {
  let envelope = unknownEnvelope;
  try {
    const body = parseJson(bytes);
    envelope = envelopeOf(body);
    const { object, oldObject, ...request } = parseReview(body);
    return { envelope, request, policy: policyOf(request, object, oldObject) };
  } catch (error) {
    return { envelope, policy: { error: asTrustError(error) } };
  }
}

/** A body that could not even be read. */
export function unreadablePolicy(error: unknown): PreparedPolicy {
  return { envelope: unknownEnvelope, policy: { error: asTrustError(error) } };
}

/**
 * What has to be checked: nothing of a deletion, of a status, or where the specification stays as it is, so that an object
 * that does not validate any more can still be labelled and deleted.
 */
function policyOf(
  { operation, kind, subResource }: PreparedPolicy["request"] & object,
  object: JsonObject | undefined,
  oldObject: JsonObject | undefined,
): PreparedPolicy["policy"] {
  if (operation === "DELETE") return { pass: "deletion" };
  if (operation === "CONNECT") return { pass: "connection" };
  if (!isPolicy(kind))
    throw new TrustError("OBJECT_UNSUPPORTED", "this is none of the policies", {
      expected: Object.entries(policyKindGroups)
        .flatMap(([group, names]) => names.map((name) => `${group} ${name}`))
        .join(", "),
      found: `${kind.group} ${kind.kind}`.slice(0, 200),
    });
  if (subResource === "status") return { pass: "no-image" };
  if (object === undefined) throw new TrustError("REVIEW_INVALID", "the request has no object");
  if (text(object, "kind") !== kind.kind || text(object, "apiVersion") !== `${kind.group}/${kind.version}`)
    throw new TrustError("REVIEW_INVALID", "the object is of another kind than the request says");
  const unchanged = operation === "UPDATE" && oldObject !== undefined && sameSpec(object, oldObject);
  return unchanged ? { pass: "unchanged" } : { object };
}

function isPolicy({ group, kind }: { readonly group: string; readonly kind: string }): boolean {
  return Object.hasOwn(policyKindGroups, group) && policyKindGroups[group]?.includes(kind) === true;
}

function sameSpec(object: JsonObject, oldObject: JsonObject): boolean {
  const [spec, before] = [member(object, "spec"), member(oldObject, "spec")];
  return isObject(spec) && JSON.stringify(spec) === JSON.stringify(before);
}

/**
 * Answers whether the object may be stored: only what loads, with warnings about what takes effect otherwise than its author
 * may think. Nothing but a bug makes it throw.
 */
export async function answerPolicy({ policy }: PreparedPolicy): Promise<Answer> {
  if ("error" in policy) return refusal(policy.error);
  if ("pass" in policy)
    return {
      outcome: "pass",
      response: { allowed: true, auditAnnotations: { unchecked: policy.pass } },
      verdicts: [],
      reason: policy.pass,
    };
  const { problems, warnings } = await checkPolicyObject(policy.object);
  if (problems.length === 0 && warnings.length === 0)
    return { outcome: "allow", response: { allowed: true }, verdicts: [] };
  if (problems.length === 0)
    return { outcome: "warn", response: { allowed: true, warnings: asWarnings(warnings) }, verdicts: [] };
  const lines = problems.slice(0, maxLines).map((line) => line.replaceAll(/\s+/g, " ").slice(0, maxLine));
  const more = problems.length > maxLines ? [`and ${problems.length - maxLines} more`] : [];
  const message = [`POLICY_INVALID: the policy does not load:`, ...lines, ...more].join("\n");
  return {
    outcome: "deny",
    response: { allowed: false, status: { code: 422, reason: "Invalid", message } },
    verdicts: [],
  };
}
