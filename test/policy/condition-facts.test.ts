import { describe, expect, it } from "vitest";
import { TrustError, toFinding } from "../../src/errors.ts";
import { evaluatePolicy } from "../../src/policy/evaluate.ts";
import type { EvaluationFacts } from "../../src/policy/facts.ts";
import { image, keyed, policyOf, signatureBy, subject } from "../support/proofs.ts";
import { newSigner } from "../support/signers.ts";

const signer = newSigner();
const object = { apiGroup: "", resource: "pods", kind: "Pod", name: "x", namespace: "prod", labels: { tier: "web" } };

async function judge(condition: string, more: Partial<EvaluationFacts> = {}) {
  const policy = await policyOf({ authorities: [keyed("a", signer)], condition });
  const facts = { ref: image, now: 0, subject, proofs: [await signatureBy(signer)], findings: [], ...more };
  const { passed, findings } = evaluatePolicy(policy, false, facts);
  return passed ? "passed" : findings.map(({ code }) => code).join();
}

describe("the condition of a policy", () => {
  it("must hold beside the signatures", async () => {
    expect(await judge('image.registry == "registry.example.com"')).toBe("passed");
    expect(await judge('image.registry == "evil.io"')).toBe("CONDITION_NOT_MET");
    expect(await judge(`image.digest == "${subject}" && image.reference.endsWith(":1")`)).toBe("passed");
    expect(await judge('image.tag == "1"', { proofs: [] })).toBe("NO_SIGNATURE");
  });

  it("sees the object, its names and labels", async () => {
    const condition =
      'object.kind == "Pod" && object.metadata.labels["tier"] == "web" && object.metadata.namespace == "prod"';
    expect(await judge(condition, { object })).toBe("passed");
    expect(await judge(condition, { object: { ...object, labels: { tier: "db" } } })).toBe("CONDITION_NOT_MET");
    expect(await judge(condition, { object: { ...object, labels: {} } })).toBe("CONDITION_ERROR");
  });

  it("on an object is not evaluable where there is none, and so not met", async () => {
    expect(await judge('object.kind == "Pod" || true')).toBe("CONDITION_NOT_EVALUABLE");
  });

  it("sees the config", async () => {
    const configs = [{ platform: "", config: { config: { User: "1000" } } }];
    expect(await judge('config.config.User != ""', { configs })).toBe("passed");
    expect(await judge('config.config.User == "0"', { configs })).toBe("CONDITION_NOT_MET");
    expect(await judge('config.config.Volumes != ""', { configs })).toBe("CONDITION_ERROR");
  });

  it("must hold for every config of an index", async () => {
    const configs = ["1000", ""].map((User, index) => ({ platform: `linux/${index}`, config: { config: { User } } }));
    expect(await judge('config.config.User != ""', { configs })).toBe("CONDITION_NOT_MET");
    expect(await judge("has(config.config.User)", { configs })).toBe("passed");
  });

  it("is not met where the config is not known, and an outage stays one", async () => {
    expect(await judge("has(config.config)")).toBe("CONDITION_NOT_EVALUABLE");
    expect(await judge("has(config.config)", { configs: [] })).toBe("CONDITION_NOT_EVALUABLE");
    const configFailure = toFinding(new TrustError("REGISTRY_UNREACHABLE", "no answer"));
    expect(await judge("has(config.config) || true", { configFailure })).toBe("REGISTRY_UNREACHABLE");
  });
});
