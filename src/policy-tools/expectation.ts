import type { Finding } from "../errors.ts";
import { type PolicyResult, policyNameOf, type Verdict } from "../policy/verdict.ts";
import type { TestCase } from "./test-schema.ts";

/** In what a verdict is unlike what a case expects, in words; nothing where it fits. */
export function mismatches(expected: TestCase["expect"], verdict: Verdict): readonly string[] {
  const { outcome, status, code, policy } = expected;
  return [
    ...(outcome === verdict.outcome ? [] : [`expected outcome ${outcome}, got ${verdict.outcome}`]),
    ...(status === undefined || status === verdict.status ? [] : [`expected status ${status}, got ${verdict.status}`]),
    ...(policy === undefined ? codeMismatch(code, findingsIn(verdict)) : policyMismatch(expected, policy, verdict)),
  ];
}

function codeMismatch(code: string | undefined, findings: readonly Finding[], where = ""): readonly string[] {
  if (code === undefined || findings.some((finding) => finding.code === code)) return [];
  const found = [...new Set(findings.map((finding) => finding.code))];
  return [`expected the code ${code}${where}, got ${found.length === 0 ? "no finding" : found.join(", ")}`];
}

function policyMismatch({ outcome, code }: TestCase["expect"], name: string, verdict: Verdict): readonly string[] {
  const own = everyPolicy(verdict).filter((policy) => policy.name === name || policyNameOf(policy) === name);
  if (own.length === 0) {
    const others = [...new Set(everyPolicy(verdict).map(policyNameOf))];
    return [`expected the policy ${name} to match, got ${others.length === 0 ? "none" : others.join(", ")}`];
  }
  if (code !== undefined)
    return codeMismatch(
      code,
      own.flatMap(({ findings }) => findings),
      ` by the policy ${name}`,
    );
  const refuses = outcome !== "allow";
  if (own.some(({ passed }) => passed !== refuses)) return [];
  return [`expected the policy ${name} ${refuses ? "not to pass" : "to pass"} the image, got the opposite`];
}

/**
 * That the evidence lacks something, or that the program failed, where a verdict rests on it: then it says nothing about the
 * policies, and a denial is none that a case could expect.
 */
export function notJudged(verdict: Verdict): Finding | undefined {
  return findingsIn(verdict).find(({ code, category }) => code === "EVIDENCE_NOT_RECORDED" || category === "internal");
}

function everyPolicy({ policies, children }: Verdict): readonly PolicyResult[] {
  return [...policies, ...children.flatMap(everyPolicy)];
}

function findingsIn(verdict: Verdict): readonly Finding[] {
  const own = [...verdict.findings, ...verdict.policies.flatMap(({ findings }) => findings)];
  return [...own, ...verdict.children.flatMap(findingsIn)];
}
