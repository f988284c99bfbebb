import { beforeAll, describe, expect, it } from "vitest";
import { digestOf } from "../../src/crypto/digest.ts";
import type { VerifiedAttestation, VerifiedSignature } from "../../src/formats/format.ts";
import { evaluatePolicy } from "../../src/policy/evaluate.ts";
import { attestationBy, image, keyed, policyOf, provenance, signatureBy, subject } from "../support/proofs.ts";
import { newSigner } from "../support/signers.ts";

const [ci, stranger, auditor] = [newSigner(), newSigner(), newSigner()];
const now = Date.parse("2026-06-01T00:00:00Z");
const authorities = [keyed("ci", ci)];
let signed: VerifiedSignature;

beforeAll(async () => {
  signed = await signatureBy(ci);
});

const facts = (attestations: readonly VerifiedAttestation[], proofs: readonly VerifiedSignature[] = [signed]) => ({
  ...{ ref: image, now, subject, proofs, findings: [] },
  attestations,
});

async function judged(requirement: object, attestations: readonly VerifiedAttestation[], spec: object = {}) {
  const asked = { name: "provenance", predicateType: provenance, ...requirement };
  const policy = await policyOf({ authorities, attestations: [asked], ...spec });
  const { passed, findings, satisfiedBy } = evaluatePolicy(policy, false, facts(attestations));
  return { passed, codes: findings.map(({ code }) => code), satisfiedBy };
}

describe("an attestation that is asked for", () => {
  it("is shown among what satisfies the policy, with the name of the requirement", async () => {
    const attestation = await attestationBy(ci, { a: 1 });
    const { passed, satisfiedBy } = await judged({}, [attestation]);
    expect(passed).toBe(true);
    expect(satisfiedBy).toMatchObject([
      { authority: "ci", evidence: signed.evidence },
      { authority: "ci", attestation: "provenance", evidence: attestation.evidence },
    ]);
  });

  it("does not become the latest by a timestamp that anybody had made of it since", async () => {
    const condition = "predicate.findings == 0";
    const good = { Timestamp: "2026-04-01T00:00:00Z", findings: 0 };
    const bad = { Timestamp: "2026-05-01T00:00:00Z", findings: 7 };
    const old = await attestationBy(ci, good, { signedAt: "2026-05-31T00:00:00Z" });
    const latest = await attestationBy(ci, bad, { signedAt: "2026-05-01T00:00:00Z" });
    expect((await judged({ condition }, [old])).passed).toBe(true);
    expect(await judged({ condition }, [old, latest])).toMatchObject({ passed: false, codes: ["CONDITION_NOT_MET"] });
  });

  it("meets no condition where it has more values than can be made of it", async () => {
    const condition = "predicate.a == 1 && size(predicate.l) > 1";
    const l = (length: number) => Array.from({ length }, () => 0);
    expect((await judged({ condition }, [await attestationBy(ci, { a: 1, l: l(200_000) })])).passed).toBe(true);
    const large = await attestationBy(ci, { a: 1, l: l(2_000_001) });
    expect(await judged({ condition: "predicate.a == 1" }, [large])).toMatchObject({ codes: ["CONDITION_ERROR"] });
  });

  it("is missing where there is none, one of another type, by another signer, or about another image", async () => {
    const elsewhere = await attestationBy(ci, {}, { digest: digestOf(Buffer.from("other")) });
    const otherType = await attestationBy(ci, {}, { type: "https://spdx.dev/Document" });
    for (const attestations of [[], [otherType], [await attestationBy(stranger, {})], [elsewhere]])
      expect(await judged({}, attestations)).toMatchObject({ passed: false, codes: ["NO_ATTESTATION"] });
  });

  it("does not stand for a signature, nor a signature for it", async () => {
    const policy = await policyOf({ authorities, attestations: [{ name: "p", predicateType: provenance }] });
    const attestation = await attestationBy(ci, {});
    expect(evaluatePolicy(policy, false, facts([attestation], [])).findings).toMatchObject([{ code: "NO_SIGNATURE" }]);
    const signature = await policyOf({ authorities });
    expect(evaluatePolicy(signature, false, facts([attestation], [])).passed).toBe(false);
  });

  it("is enough by itself under a threshold of 0", async () => {
    const requirement = { name: "p", predicateType: provenance };
    const policy = await policyOf({ authorities, threshold: 0, attestations: [requirement] });
    expect(evaluatePolicy(policy, false, facts([await attestationBy(ci, {})], [])).passed).toBe(true);
    expect(evaluatePolicy(policy, false, facts([], [signed])).passed).toBe(false);
    const { attestations: _, ...without } = policy;
    expect(evaluatePolicy(without, false, facts([], [signed])).passed).toBe(false);
  });

  it("must be by the authorities it names", async () => {
    const both = { authorities: [keyed("ci", ci), keyed("auditor", auditor)] };
    const byAuditor = { authorities: ["auditor"] };
    expect((await judged(byAuditor, [await attestationBy(ci, {})], both)).passed).toBe(false);
    expect((await judged(byAuditor, [await attestationBy(auditor, {})], both)).passed).toBe(true);
  });

  it("does not count where its signature is revoked, or the key was", async () => {
    const attestation = await attestationBy(ci, {});
    const one = await judged({}, [attestation], { revokedSignatures: [attestation.evidence] });
    expect(one).toMatchObject({ passed: false, codes: ["SIGNATURE_REVOKED"] });
    const revoked = { at: "2026-01-01T00:00:00Z", reason: "stolen" };
    const [authority] = authorities as { key: object }[];
    const two = await judged({}, [attestation], {
      authorities: [{ ...authority, key: { ...authority?.key, revoked } }],
    });
    expect(two.codes).toContain("KEY_REVOKED");
  });

  it("must all be there, each by itself", async () => {
    const requirements = [
      { name: "provenance", predicateType: provenance },
      { name: "sbom", predicateType: "https://spdx.dev/Document" },
    ];
    const policy = await policyOf({ authorities, attestations: requirements });
    const one = await attestationBy(ci, {});
    const other = await attestationBy(ci, {}, { type: "https://spdx.dev/Document" });
    expect(evaluatePolicy(policy, false, facts([one])).passed).toBe(false);
    expect(evaluatePolicy(policy, false, facts([one, other])).passed).toBe(true);
  });
});

describe("maxAge of an attestation", () => {
  const maxAge = "30d";
  it.each([
    ["verified, within", { signedAt: "2026-05-20T00:00:00Z" }, {}, true],
    ["verified, too old", { signedAt: "2026-04-20T00:00:00Z" }, {}, false],
    ["signed, within", {}, { timestamp: "2026-05-20T00:00:00Z" }, true],
    ["signed, too old", {}, { timestamp: "2026-04-20T00:00:00Z" }, false],
    [
      "said to be younger than verified",
      { signedAt: "2026-04-20T00:00:00Z" },
      { timestamp: "2026-05-31T00:00:00Z" },
      false,
    ],
    ["in the future", {}, { timestamp: "2027-01-01T00:00:00Z" }, false],
    ["of no time", {}, {}, false],
  ])("%s", async (_, options, predicate, passed) => {
    const result = await judged({ maxAge }, [await attestationBy(ci, predicate, options)]);
    expect(result).toMatchObject({ passed, codes: passed ? [] : ["ATTESTATION_TOO_OLD"] });
  });

  it("ends what the verdict holds for", async () => {
    const attestation = await attestationBy(ci, {}, { signedAt: "2026-05-20T00:00:00Z" });
    const { satisfiedBy } = await judged({ maxAge }, [attestation]);
    expect(satisfiedBy[1]).toMatchObject({ expiresAt: "2026-06-19T00:00:00.000Z" });
  });
});

describe("the condition of an attestation", () => {
  const condition = "predicate.critical == 0";

  it("must hold", async () => {
    expect((await judged({ condition }, [await attestationBy(ci, { critical: 0 })])).passed).toBe(true);
    const failing = await judged({ condition }, [await attestationBy(ci, { critical: 2 })]);
    expect(failing).toMatchObject({ passed: false, codes: ["CONDITION_NOT_MET"] });
  });

  it("that cannot be evaluated does not hold", async () => {
    for (const predicate of [{}, { critical: "none" }, [], "text", null])
      expect(await judged({ condition: "predicate.critical < 1" }, [await attestationBy(ci, predicate)])).toMatchObject(
        {
          passed: false,
          codes: ["CONDITION_ERROR"],
        },
      );
  });

  it("is asked of what an authority attested, not of what others did", async () => {
    const [good, bad] = [await attestationBy(stranger, { critical: 0 }), await attestationBy(ci, { critical: 2 })];
    expect((await judged({ condition, select: "any" }, [good, bad])).passed).toBe(false);
    const [mine, theirs] = [await attestationBy(ci, { critical: 0 }), await attestationBy(stranger, { critical: 2 })];
    expect((await judged({ condition }, [mine, theirs])).passed).toBe(true);
  });

  it("sees the image", async () => {
    const attestation = await attestationBy(ci, { name: "app" });
    expect((await judged({ condition: "predicate.name == image.repository" }, [attestation])).passed).toBe(true);
    expect((await judged({ condition: "predicate.name == image.tag" }, [attestation])).passed).toBe(false);
  });
});

describe("select", () => {
  const condition = "predicate.ok";
  const at = (day: string, ok: boolean) => attestationBy(ci, { ok, day }, { signedAt: `2026-05-${day}T00:00:00Z` });

  it("latest asks the youngest by verified time, wherever it stands", async () => {
    const [oldGood, newBad] = [await at("01", true), await at("02", false)];
    expect((await judged({ condition }, [oldGood, newBad])).passed).toBe(false);
    expect((await judged({ condition }, [newBad, oldGood])).passed).toBe(false);
    const [oldBad, newGood] = [await at("01", false), await at("02", true)];
    expect((await judged({ condition }, [oldBad, newGood])).passed).toBe(true);
    expect((await judged({ condition }, [newGood, oldBad])).passed).toBe(true);
  });

  it("any is content with one", async () => {
    expect((await judged({ condition, select: "any" }, [await at("01", true), await at("02", false)])).passed).toBe(
      true,
    );
    expect((await judged({ condition, select: "any" }, [await at("01", false)])).passed).toBe(false);
  });

  it("latest asks all of those that no time tells apart", async () => {
    const [good, bad] = [await attestationBy(ci, { ok: true }), await attestationBy(ci, { ok: false })];
    expect((await judged({ condition }, [good, bad])).passed).toBe(false);
    expect((await judged({ condition }, [bad, good])).passed).toBe(false);
    expect((await judged({ condition }, [await at("01", true), bad])).passed).toBe(false);
    expect((await judged({ condition }, [await at("02", true), await at("02", false)])).passed).toBe(false);
  });

  it("latest goes by the time that was signed where none is verified", async () => {
    const stated = (day: string, ok: boolean) => attestationBy(ci, { ok, timestamp: `2026-05-${day}T00:00:00Z` });
    expect((await judged({ condition }, [await stated("01", true), await stated("02", false)])).passed).toBe(false);
    expect((await judged({ condition }, [await stated("01", false), await stated("02", true)])).passed).toBe(true);
  });

  it("latest is not moved by what strangers attest", async () => {
    const junk = await attestationBy(stranger, { ok: false }, { signedAt: "2026-05-30T00:00:00Z" });
    expect((await judged({ condition }, [await at("01", true), junk])).passed).toBe(true);
  });
});
