import { describe, expect, it } from "vitest";
import { evaluatePolicy } from "../../src/policy/evaluate.ts";
import type { TrustPolicy } from "../../src/policy/policy.ts";
import { verdictOf } from "../../src/policy/verdict.ts";
import { attestationBy, image, keyed, policyOf, provenance, signatureBy, subject } from "../support/proofs.ts";
import { newSigner } from "../support/signers.ts";

const [alice, bob] = [newSigner(), newSigner()];
const passing = { name: "legacy", static: { action: "pass", message: "until the move" } };
const failing = { name: "never", static: { action: "fail", message: "nothing from there" } };
const facts = { ref: image, now: 0, subject, proofs: [], findings: [] };
const verdict = (policy: TrustPolicy, known: typeof facts | null = facts) =>
  verdictOf({ image: "app", decidedAt: 0, policies: [evaluatePolicy(policy, false, known ?? undefined)] });

describe("a static authority", () => {
  it("that passes lets an unsigned image pass, in the open", async () => {
    const policy = await policyOf({ authorities: [passing] });
    expect(verdict(policy)).toMatchObject({
      outcome: "allow",
      status: "static",
      policies: [{ passed: true, satisfiedBy: [], static: { authority: "legacy", message: "until the move" } }],
      unsafe: [expect.stringContaining("until the move")],
      evidence: [],
    });
  });

  it("decides without any facts where it is alone, and never beside something that must be known", async () => {
    expect(verdict(await policyOf({ authorities: [passing] }), null).outcome).toBe("allow");
    expect(verdict(await policyOf({ authorities: [failing] }), null)).toMatchObject({
      outcome: "deny",
      status: "untrusted",
    });
    expect(verdict(await policyOf({ authorities: [passing, keyed("a", alice)] }), null).outcome).toBe("deny");
    const condition = 'image.tag == "1"';
    expect(verdict(await policyOf({ authorities: [passing], condition }), null).outcome).toBe("deny");
  });

  it("that fails is never satisfied, and says why", async () => {
    expect(verdict(await policyOf({ authorities: [failing] }))).toMatchObject({
      outcome: "deny",
      policies: [{ findings: [{ code: "STATIC_FAIL", message: "nothing from there", authority: "never" }] }],
    });
    const other = await policyOf({ authorities: [failing, keyed("a", alice)] });
    expect(evaluatePolicy(other, false, { ...facts, proofs: [await signatureBy(alice)] }).passed).toBe(true);
  });

  it("is not needed where somebody signed, and then not shown", async () => {
    const policy = await policyOf({ authorities: [passing, keyed("a", alice)] });
    const result = evaluatePolicy(policy, false, { ...facts, proofs: [await signatureBy(alice)] });
    expect(result).toMatchObject({ passed: true, satisfiedBy: [{ authority: "a" }] });
    expect(result).not.toHaveProperty("static");
  });

  it("never counts towards a threshold of signers", async () => {
    const authorities = [passing, keyed("a", alice), keyed("b", bob)];
    const policy = await policyOf({ authorities, threshold: 2 });
    expect(evaluatePolicy(policy, false, { ...facts, proofs: [await signatureBy(alice)] })).toMatchObject({
      passed: false,
      satisfiedBy: [{ authority: "a" }],
    });
    const both = [await signatureBy(alice), await signatureBy(bob)];
    expect(evaluatePolicy(policy, false, { ...facts, proofs: both }).passed).toBe(true);
  });

  it("stands for no attestation and no condition", async () => {
    const attestations = [{ name: "p", predicateType: provenance }];
    const policy = await policyOf({ authorities: [passing, keyed("a", alice)], attestations });
    expect(evaluatePolicy(policy, false, facts).passed).toBe(false);
    const attested = { ...facts, attestations: [await attestationBy(alice, {})] };
    expect(evaluatePolicy(policy, false, attested)).toMatchObject({ passed: true, static: { authority: "legacy" } });
    const conditional = await policyOf({ authorities: [passing], condition: 'image.tag == "2"' });
    expect(evaluatePolicy(conditional, false, facts).passed).toBe(false);
  });
});
