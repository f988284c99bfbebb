import { describe, expect, it } from "vitest";
import { type Digest, digestOf } from "../../src/crypto/digest.ts";
import type { PublicKey } from "../../src/crypto/public-key.ts";
import { TrustError, toFinding } from "../../src/errors.ts";
import { cosign } from "../../src/formats/cosign.ts";
import type { VerifiedSignature } from "../../src/formats/format.ts";
import { sigstoreBundle } from "../../src/formats/sigstore-bundle.ts";
import type { Signer } from "../../src/keys/signer.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { evaluatePolicy } from "../../src/policy/evaluate.ts";
import type { KeyAuthority, TrustPolicy } from "../../src/policy/policy.ts";
import { newSigner, trusting } from "../support/signers.ts";

const subject = digestOf(Buffer.from("image"));
const [alice, bob, carol] = [newSigner(), newSigner(), newSigner()];

/** A real proof: signed and verified. */
async function proofBy(
  signer: Signer,
  annotations: Record<string, string> = {},
  format = sigstoreBundle,
  digest: Digest = subject,
): Promise<VerifiedSignature> {
  const image = parseReference("registry.example.com/app:1");
  const made = await format.sign({ image, subject: { mediaType: "x", digest, size: 1 }, signer, annotations, now: 0 });
  const proof = await format.verify(made.bundle, digest, trusting(signer));
  if (proof.kind !== "signature") throw new Error("an image signature was made");
  return proof;
}

const authority = (
  name: string,
  keys: readonly [PublicKey, ...PublicKey[]],
  more: Partial<KeyAuthority> = {},
): KeyAuthority => ({ kind: "key", name, keys, ...more });

function policyOf(threshold: number, ...authorities: readonly [KeyAuthority, ...KeyAuthority[]]): TrustPolicy {
  return {
    name: "p",
    mode: "enforce",
    images: [{ glob: "**" }],
    exclude: [],
    match: [],
    authorities,
    threshold,
    source: "test",
  };
}

const situation = { ref: parseReference("registry.example.com/app:1"), now: 0 };
const facts = (...proofs: readonly VerifiedSignature[]) => ({ ...situation, subject, proofs, findings: [] });
const [a, b, c] = [alice.publicKey, bob.publicKey, carol.publicKey];

describe("who counts", () => {
  it("is satisfied by one signature of the authority", async () => {
    const result = evaluatePolicy(policyOf(1, authority("release", [a])), false, facts(await proofBy(alice)));
    expect(result).toMatchObject({
      passed: true,
      satisfiedBy: [{ authority: "release", signer: { kind: "key", keyId: a.keyId } }],
      findings: [],
    });
  });

  it("counts one key once, however many signatures it made and in whatever format", async () => {
    const proofs = [await proofBy(alice), await proofBy(alice, { x: "1" }), await proofBy(alice, {}, cosign)];
    const result = evaluatePolicy(policyOf(2, authority("one", [a]), authority("two", [b])), false, facts(...proofs));
    expect(result.passed).toBe(false);
    expect(result.satisfiedBy).toHaveLength(1);
    expect(result.findings[0]).toMatchObject({ code: "THRESHOLD_NOT_MET", expected: "2", found: "1" });
  });

  it("counts one key once also where two authorities name it", async () => {
    const result = evaluatePolicy(
      policyOf(2, authority("one", [a]), authority("two", [a]), authority("three", [b])),
      false,
      facts(await proofBy(alice)),
    );
    expect(result.passed).toBe(false);
  });

  it("counts one authority once, however many of its keys signed", async () => {
    const result = evaluatePolicy(
      policyOf(2, authority("team", [a, b]), authority("other", [c])),
      false,
      facts(await proofBy(alice), await proofBy(bob)),
    );
    expect(result.passed).toBe(false);
  });

  it("counts authorities of one owner once", async () => {
    const policy = policyOf(
      2,
      authority("old", [a], { owner: "team" }),
      authority("new", [b], { owner: "team" }),
      authority("qa", [c]),
    );
    expect(evaluatePolicy(policy, false, facts(await proofBy(alice), await proofBy(bob))).passed).toBe(false);
    expect(evaluatePolicy(policy, false, facts(await proofBy(alice), await proofBy(carol))).passed).toBe(true);
  });

  it("finds the assignment that reaches the threshold where a greedy one would not", async () => {
    const policy = policyOf(2, authority("any", [a, b]), authority("only-alice", [a]));
    expect(evaluatePolicy(policy, false, facts(await proofBy(alice), await proofBy(bob))).passed).toBe(true);
  });

  it("does not count a proof over another image", async () => {
    const elsewhere = await proofBy(alice, {}, sigstoreBundle, digestOf(Buffer.from("other")));
    expect(evaluatePolicy(policyOf(1, authority("release", [a])), false, facts(elsewhere)).passed).toBe(false);
  });
});

describe("annotations", () => {
  const policy = policyOf(1, authority("release", [a], { annotations: { env: "prod" } }));
  it("must be signed with the value wanted", async () => {
    expect(evaluatePolicy(policy, false, facts(await proofBy(alice, { env: "prod", more: "x" }))).passed).toBe(true);
    const wrong = evaluatePolicy(policy, false, facts(await proofBy(alice, { env: "test" })));
    expect(wrong.findings).toMatchObject([
      { code: "ANNOTATION_MISMATCH", expected: "env=prod", found: "env=test", authority: "release" },
    ]);
    expect(evaluatePolicy(policy, false, facts(await proofBy(alice))).findings).toMatchObject([
      { found: "no annotation env" },
    ]);
  });
  it("does not take an inherited property for an annotation", async () => {
    const inherited = policyOf(1, authority("release", [a], { annotations: { toString: "x" } }));
    expect(evaluatePolicy(inherited, false, facts(await proofBy(alice))).passed).toBe(false);
  });
});

describe("why not", () => {
  it("says there is no signature where there is none", () => {
    const result = evaluatePolicy(policyOf(1, authority("release", [a])), false, facts());
    expect(result).toMatchObject({
      passed: false,
      findings: [{ code: "NO_SIGNATURE", category: "untrusted", authority: "release" }],
    });
  });
  it("says who signed where somebody else did, for every authority", async () => {
    const result = evaluatePolicy(
      policyOf(1, authority("release", [a]), authority("qa", [b])),
      false,
      facts(await proofBy(carol)),
    );
    expect(result.findings.map((finding) => [finding.code, finding.authority])).toEqual([
      ["SIGNER_NOT_TRUSTED", "release"],
      ["SIGNER_NOT_TRUSTED", "qa"],
    ]);
    expect(result.findings[0]?.found).toContain(c.keyId.slice(0, 16));
  });
  it("does not say that nothing is signed where a place could not be read", () => {
    const outage = toFinding(new TrustError("REGISTRY_ERROR", "503"));
    const result = evaluatePolicy(policyOf(1, authority("release", [a])), false, {
      ...facts(),
      findings: [outage],
    });
    expect(result.findings.map((finding) => finding.category)).toEqual(["unavailable"]);
  });
  it("passes an excluded image, and nothing else without facts", () => {
    expect(evaluatePolicy(policyOf(1, authority("release", [a])), true, undefined).passed).toBe(true);
    expect(evaluatePolicy(policyOf(1, authority("release", [a])), false, undefined).passed).toBe(false);
  });
});
