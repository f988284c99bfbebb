import { describe, expect, it } from "vitest";
import type { VerifiedAttestation, VerifiedSignature } from "../../src/formats/format.ts";
import { evaluatePolicy } from "../../src/policy/evaluate.ts";
import { createPurse, type Purse } from "../../src/policy/purse.ts";
import { attestationBy, image, keyed, policyOf, provenance, signatureBy, subject } from "../support/proofs.ts";
import { newSigner } from "../support/signers.ts";

const alice = newSigner();
const now = Date.parse("2026-06-01T00:00:00Z");
const numbers = (count: number) => `[${Array.from({ length: count }, (_, index) => index).join(",")}]`;
/** Some ten thousand steps. */
const costly = `${numbers(100)}.all(a, ${numbers(50)}.all(b, a + b < 1000))`;
const cheap = "1 + 1 == 2";

async function tenantPolicy(spec: object) {
  return { ...(await policyOf({ authorities: [keyed("a", alice)], ...spec })), namespace: "tenant" };
}

const judging = (
  purse: Purse,
  proofs: readonly VerifiedSignature[],
  attestations: readonly VerifiedAttestation[] = [],
) => ({ ref: image, now, subject, proofs, attestations, findings: [], purse }) as const;

describe("policies of a namespace", () => {
  it("have conditions that cost no more together than one, and fail where that is not enough", async () => {
    const policy = await tenantPolicy({ condition: costly });
    const facts = judging(createPurse(), [await signatureBy(alice)]);
    const passed = Array.from({ length: 100 }, () => evaluatePolicy(policy, false, facts).passed);
    expect(passed[0]).toBe(true);
    const until = passed.indexOf(false);
    expect(until).toBeGreaterThan(5);
    expect(until).toBeLessThan(60);
    expect(passed.slice(until)).not.toContain(true);
  });

  it("are unusable where they hold too many signatures against too many authorities or expressions", async () => {
    const proof = await signatureBy(alice);
    const facts = (purse: Purse) =>
      judging(
        purse,
        Array.from({ length: 200 }, () => proof),
      );
    const authorities = Array.from({ length: 100 }, (_, index) => keyed(`a${index}`, newSigner()));
    const policy = await tenantPolicy({ authorities: [...authorities.slice(1), keyed("a", alice)] });
    const purse = createPurse();
    const results = Array.from({ length: 40 }, () => evaluatePolicy(policy, false, facts(purse)));
    expect(results[0]?.passed).toBe(true);
    expect(results.at(-1)).toMatchObject({
      passed: false,
      findings: [{ code: "POLICY_UNUSABLE", category: "config" }],
    });
    const { passed } = evaluatePolicy({ ...policy, namespace: "other" }, false, facts(createPurse()));
    expect(passed).toBe(true);
  });

  it("pay for each attestation that they ask for", async () => {
    const attestation = await attestationBy(alice, {});
    const attestations = Array.from({ length: 50 }, (_, index) => ({ name: `n${index}`, predicateType: provenance }));
    const policy = await tenantPolicy({ attestations, threshold: 0 });
    const purse = createPurse();
    const facts = judging(
      purse,
      [],
      Array.from({ length: 200 }, () => attestation),
    );
    const results = Array.from({ length: 60 }, () => evaluatePolicy(policy, false, facts).passed);
    expect([results[0], results.at(-1)]).toEqual([true, false]);
  });

  it("pay for the names that their expressions are held against before they are", async () => {
    const subjectRegex = `${"a?".repeat(500)}b`;
    const identities = Array.from({ length: 20 }, () => ({ issuer: "https://issuer.example", subjectRegex }));
    const policy = await tenantPolicy({
      authorities: [{ name: "a", keyless: { identities, trustRoot: "public-good" } }],
    });
    const subjectAlternativeNames = [{ type: "uri", value: "a".repeat(4000) }];
    const proof = { ...(await signatureBy(alice)), backings: [{ certificate: { subjectAlternativeNames } }] };
    const facts = judging(createPurse(), [proof as unknown as VerifiedSignature]);
    expect(evaluatePolicy(policy, false, facts).findings.map(({ code }) => code)).toEqual(["POLICY_UNUSABLE"]);
  });

  it("remember no answer about an attestation that was not paid for", async () => {
    const attestation = await attestationBy(alice, { a: 1 });
    const condition = `predicate.a == 1 && ${costly}`;
    const attestations = [{ name: "n", predicateType: provenance, condition }];
    const policy = await tenantPolicy({ attestations, threshold: 0 });
    const passes = (purse: Purse) => evaluatePolicy(policy, false, judging(purse, [], [attestation])).passed;
    expect(passes({ left: 10 })).toBe(false);
    expect(passes(createPurse())).toBe(true);
  });
});

describe("policies of the cluster", () => {
  it("pay nothing", async () => {
    const policy = await policyOf({ authorities: [keyed("a", alice)], condition: costly });
    const purse = { left: 0 };
    const { passed } = evaluatePolicy(policy, false, judging(purse, [await signatureBy(alice)]));
    expect([passed, purse.left]).toEqual([true, 0]);
  });

  it("are not hindered by those of a namespace", async () => {
    const purse = { left: 0 };
    const facts = judging(purse, [await signatureBy(alice)]);
    expect(evaluatePolicy(await tenantPolicy({ condition: cheap }), false, facts).passed).toBe(false);
    expect(evaluatePolicy(await policyOf({ authorities: [keyed("a", alice)] }), false, facts).passed).toBe(true);
  });
});
