import { errorCodes, type Finding, TrustError, toFinding } from "../errors.ts";
import type { VerifiedAttestation } from "../formats/format.ts";
import { formatReference } from "../oci/reference.ts";
import type { Condition, ConditionAnswer, ConditionFacts } from "./condition.ts";
import type { EvaluationFacts } from "./facts.ts";
import type { ObjectContext } from "./policy.ts";
import { predicateValue } from "./predicate-values.ts";
import type { Purse } from "./purse.ts";

/** The variable `image`. */
function imageOf({ ref, subject }: EvaluationFacts): object {
  const { registry, repository, tag = "" } = ref;
  return { reference: formatReference(ref), registry, repository, tag, digest: subject };
}

/** The variable `object`. */
function objectOf({ apiGroup, resource, kind = "", name = "", namespace = "", labels }: ObjectContext): object {
  return { apiGroup, resource, kind, metadata: { name, namespace, labels } };
}

const answers = new WeakMap<VerifiedAttestation, WeakMap<Condition, ConditionAnswer>>();

/** What a condition says about an attestation. An answer that rests on the attestation alone is remembered with it. */
export function askAttestation(
  condition: Condition,
  attestation: VerifiedAttestation,
  facts: EvaluationFacts,
  purse?: Purse,
): ConditionAnswer {
  if (condition.needs.includes("image")) return testAttestation(condition, attestation, facts, purse);
  const known = answers.get(attestation) ?? new WeakMap<Condition, ConditionAnswer>();
  answers.set(attestation, known);
  const remembered = known.get(condition);
  if (remembered !== undefined) return remembered;
  const answer = testAttestation(condition, attestation, facts, purse);
  // What was not paid for says nothing about the next time.
  if (purse === undefined || purse.left > 0) known.set(condition, answer);
  return answer;
}

function testAttestation(
  condition: Condition,
  attestation: VerifiedAttestation,
  facts: EvaluationFacts,
  purse: Purse | undefined,
): ConditionAnswer {
  const { needs } = condition;
  try {
    const known = {
      predicateType: attestation.predicateType,
      ...(needs.includes("predicate") ? { predicate: predicateValue(attestation) } : {}),
      ...(needs.includes("image") ? { image: imageOf(facts) } : {}),
    };
    return condition.test(known, purse);
  } catch (error) {
    return { holds: false, error: error instanceof TrustError ? error.message : "the predicate cannot be read" };
  }
}

/**
 * Why the condition of a policy does not hold; nothing where it does. Of an index it must hold for the config of every
 * image in it, since any of them may run. What is not known makes it fail: an object where there is none, a config that
 * could not be read.
 */
export function conditionFinding(condition: Condition, facts: EvaluationFacts, purse?: Purse): Finding | undefined {
  const { needs, expression } = condition;
  const expected = expression.slice(0, 500);
  if (needs.includes("object") && facts.object === undefined) {
    const message = "the condition of the policy speaks of a Kubernetes object, and there is none";
    return findingOf("CONDITION_NOT_EVALUABLE", message, expected, "no object");
  }
  const base: ConditionFacts = {
    ...(needs.includes("image") ? { image: imageOf(facts) } : {}),
    ...(needs.includes("object") && facts.object !== undefined ? { object: objectOf(facts.object) } : {}),
  };
  if (!needs.includes("config")) return answerFinding(condition.test(base, purse), expected, "the image");
  if (facts.configs === undefined || facts.configs.length === 0) {
    const message = "the condition of the policy speaks of the image config, which is not known";
    return facts.configFailure ?? findingOf("CONDITION_NOT_EVALUABLE", message, expected, "no config");
  }
  for (const { config, platform } of facts.configs) {
    const finding = answerFinding(condition.test({ ...base, config }, purse), expected, platform || "the image");
    if (finding !== undefined) return finding;
  }
  return undefined;
}

function answerFinding({ holds, error }: ConditionAnswer, expected: string, what: string): Finding | undefined {
  if (holds) return undefined;
  if (error !== undefined)
    return findingOf(
      "CONDITION_ERROR",
      "the condition of the policy cannot be evaluated",
      expected,
      `${what}: ${error}`,
    );
  return findingOf("CONDITION_NOT_MET", "the condition of the policy does not hold", expected, `${what}: false`);
}

function findingOf(
  code: "CONDITION_NOT_MET" | "CONDITION_ERROR" | "CONDITION_NOT_EVALUABLE",
  message: string,
  expected: string,
  found: string,
): Finding {
  return { ...toFinding(new TrustError(code, message, { expected, found })), hint: errorCodes[code].hint };
}
