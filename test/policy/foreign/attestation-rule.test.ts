import { describe, expect, it } from "vitest";
import { evaluatePolicy } from "../../../src/policy/evaluate.ts";
import { importPolicies } from "../../../src/policy/import/import.ts";
import { parsePolicies } from "../../../src/policy/parse.ts";
import type { TrustPolicy } from "../../../src/policy/policy.ts";
import { foreignSet, imagePolicy, pem } from "../../support/foreign.ts";
import { attestationBy, image, signatureBy, subject } from "../../support/proofs.ts";
import { newSigner } from "../../support/signers.ts";

const [alice, eve] = [newSigner(), newSigner()];
const vuln = "https://cosign.sigstore.dev/attestation/vuln/v1";

function ruled(policy: object, predicateType = "vuln"): object {
  const attestations = [{ name: "scan", predicateType, policy }];
  return imagePolicy({ authorities: [{ name: "a", key: { data: pem(alice) }, attestations }] });
}

const cue = (data: string) => ({ type: "cue", data });

async function judge(policy: TrustPolicy | undefined, predicate: unknown, { signer = alice, type = vuln } = {}) {
  if (policy === undefined) throw new Error("no policy");
  const attestations = [await attestationBy(signer, predicate, { type })];
  const proofs = [await signatureBy(alice)];
  const result = evaluatePolicy(policy, false, { ref: image, now: 0, subject, proofs, attestations, findings: [] });
  return result.passed ? "passed" : result.findings.map(({ code }) => code).join();
}

const rule = cue(`predicateType: "${vuln}"\npredicate: scanner: uri: =~"^https://github.com/acme/"`);
const good = { scanner: { uri: "https://github.com/acme/scan" } };

describe("an attestation with a rule in CUE", () => {
  it("is judged by it", async () => {
    const [policy] = (await foreignSet(ruled(rule))).policies;
    expect(await judge(policy, good)).toBe("passed");
    expect(await judge(policy, { scanner: { uri: "https://evil.io/github.com/acme/" } })).toBe("CONDITION_NOT_MET");
    expect(await judge(policy, { scanner: {} })).toBe("CONDITION_ERROR");
    expect(await judge(policy, good, { signer: eve })).toBe("NO_ATTESTATION");
    expect(await judge(policy, good, { type: "https://example.com/other" })).toBe("NO_ATTESTATION");
  });

  it("loads with a warning that says how it is judged, at the rule", async () => {
    const { warnings = [] } = await foreignSet(ruled(rule));
    expect(warnings).toMatchObject([
      { what: expect.stringMatching(/^spec\.authorities\[0\]\.attestations\[0\]\.policy is judged/) },
    ]);
    expect(warnings[0]?.expected).toContain("predicate.scanner.uri.matches(");
  });

  it("loads with a warning where it asks for another type, and is met by nothing", async () => {
    const set = await foreignSet(ruled(cue('predicateType: "cosign.sigstore.dev/attestation/vuln/v1"')));
    expect(set.warnings).toMatchObject([
      { what: expect.stringContaining("met by nothing"), expected: `a rule about ${vuln}` },
    ]);
    expect(await judge(set.policies[0], good)).toBe("CONDITION_NOT_MET");
  });

  it.each([
    [
      "CUE beyond what is converted",
      cue(`predicateType: "${vuln}"\npredicate: a?: 1`),
      /CUE.* an optional field \(line 2, column 13\)/,
    ],
    ["CUE that asks for nothing", cue("predicate: {...}"), /CUE.* a struct without a field \(line 1, column 13\)/],
    ["CUE that is too much", cue(`predicate: a: ${Array.from({ length: 300 }, (_, i) => i).join("|")}`), /CUE/],
    ["CUE in a ConfigMap", { type: "cue", configMapRef: { name: "n", key: "k" } }, /CUE in a ConfigMap/],
    [
      "CUE at a URL",
      { type: "cue", remote: { url: "https://e.io/x", sha256sum: "a".repeat(64) } },
      /CUE that is fetched/,
    ],
    ["Rego", { type: "rego", data: "package sigstore" }, /Rego/],
  ])("is satisfied by nothing with %s, and the warning says why", async (_what, policy, why) => {
    const set = await foreignSet(ruled(policy));
    expect(set.warnings).toMatchObject([{ what: expect.stringMatching(why) }]);
    expect(await judge(set.policies[0], { a: 1 })).toBe("POLICY_NOT_EVALUABLE");
  });

  it("names the character of the file where CUE is not converted", async () => {
    const written = ruled(cue("x"));
    const text = JSON.stringify(written, undefined, 2).replace('"x"', '"predicate: a?: 1"');
    const lines = text.split("\n");
    const line = lines.findIndex((one) => one.includes("a?:")) + 1;
    const { warnings } = await parsePolicies(text, "p.yaml");
    expect(warnings).toMatchObject([{ place: `p.yaml:${line}:${(lines[line - 1] ?? "").indexOf("?") + 1}` }]);
  });

  it("does not hold of numbers that no other program reads", async () => {
    const [policy] = (await foreignSet(ruled(cue("predicate: score: >1")))).policies;
    expect(await judge(policy, { score: 2 })).toBe("passed");
    const huge = (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON("1e400");
    expect(await judge(policy, { score: huge })).toBe("CONDITION_ERROR");
    expect(await judge(policy, { score: 2, other: [{ deep: huge }] })).toBe("CONDITION_ERROR");
    expect(await judge(policy, { score: 2, other: "1e400" })).toBe("passed");
  });
});

describe("trust policy import of a rule in CUE", () => {
  const importing = (document: object) => importPolicies([{ name: "source.yaml", text: JSON.stringify(document) }]);

  it("makes a condition of it, and says that it is stricter, beside it and as a loss", async () => {
    const { conversions, losses } = await importing(ruled(rule));
    expect(losses).toMatchObject([
      { place: expect.stringMatching(/^source\.yaml:1:\d+$/), instead: expect.stringContaining("condition") },
    ]);
    const text = conversions[0]?.text ?? "";
    expect(text).toMatch(/\n +# Made from a rule in CUE, and stricter: [^\n]*\n +condition: predicateType == /);
    const [policy] = (await parsePolicies(text, "made.yaml")).policies;
    expect(await judge(policy, good)).toBe("passed");
    expect(await judge(policy, { scanner: { uri: "https://evil.io/" } })).toBe("CONDITION_NOT_MET");
    expect(await judge(policy, {})).toBe("CONDITION_ERROR");
  });

  it("leaves out who attests by CUE that is not converted, and says what it is", async () => {
    const { conversions, losses } = await importing(ruled(cue("predicate: a?: 1")));
    expect(losses).toMatchObject([{ what: expect.stringMatching(/an optional field \(line 1, column 13\)/) }]);
    const [policy] = (await parsePolicies(conversions[0]?.text ?? "", "made.yaml")).policies;
    expect(await judge(policy, { a: 1 })).not.toBe("passed");
  });
});
