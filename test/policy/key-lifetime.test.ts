import { describe, expect, it } from "vitest";
import { digestOf } from "../../src/crypto/digest.ts";
import { sigstoreBundle } from "../../src/formats/sigstore-bundle.ts";
import { bundleOf } from "../../src/formats/sigstore-bundle-parse.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { evaluatePolicy } from "../../src/policy/evaluate.ts";
import type { KeyLifetime, TrustPolicy } from "../../src/policy/policy.ts";
import { keyed, policyOf } from "../support/proofs.ts";
import { newSigner, trusting } from "../support/signers.ts";

const subject = digestOf(Buffer.from("image"));
const alice = newSigner();
const ref = parseReference("registry.example.com/app:1");
const made = await sigstoreBundle.sign({
  image: ref,
  subject: { mediaType: "x", digest: subject, size: 1 },
  signer: alice,
  annotations: {},
  now: 0,
});
const proof = await sigstoreBundle.verify(made.bundle, subject, trusting(alice));
if (proof.kind !== "signature") throw new Error("an image signature was made");
const signature = proof;

const [t1, t2, t3] = [Date.UTC(2026, 0, 1), Date.UTC(2026, 1, 1), Date.UTC(2026, 2, 1)];
const revoked = { at: t2, reason: "stolen" };

function judge(
  lifetime: KeyLifetime,
  now: number,
  verifiedAt: readonly number[] = [],
  more: Partial<TrustPolicy> = {},
) {
  const policy: TrustPolicy = {
    name: "p",
    mode: "enforce",
    images: [{ glob: "**" }],
    exclude: [],
    match: [],
    authorities: [{ kind: "key", name: "release", keys: [alice.publicKey], lifetime }],
    threshold: 1,
    source: "test",
    ...more,
  };
  const signedAt = verifiedAt.map((time) => new Date(time).toISOString());
  return evaluatePolicy(policy, false, { subject, proofs: [{ ...signature, signedAt }], findings: [], ref, now });
}

const said = (...args: Parameters<typeof judge>) => {
  const { passed, findings } = judge(...args);
  return passed ? "passed" : findings[0]?.code;
};

describe("a revoked key", () => {
  it("counts for nothing without a verified time, whatever the time is now", () => {
    for (const now of [t1, t2, t3]) expect(said({ revoked }, now)).toBe("KEY_REVOKED");
    expect(judge({ revoked }, t3).findings[0]?.message).toContain("stolen");
  });
  it("counts for what is verified to be from before", () => {
    expect(said({ revoked }, t3, [t2 - 1])).toBe("passed");
    expect(said({ revoked }, t3, [t2])).toBe("KEY_REVOKED");
    expect(said({ revoked }, t3, [t3, t1])).toBe("passed");
  });
  it("counts for what was frozen, and only for that", () => {
    expect(said({ revoked, frozen: [signature.evidence] }, t3)).toBe("passed");
    expect(said({ revoked, frozen: [subject] }, t3)).toBe("KEY_REVOKED");
  });
});

describe("the time of a key", () => {
  it.each([
    [{ validUntil: t2 }, t2, [], "passed"],
    [{ validUntil: t2 }, t2 + 1, [], "KEY_NOT_VALID"],
    [{ validUntil: t2 }, t3, [t2], "passed"],
    [{ validUntil: t2 }, t3, [t2 + 1], "KEY_NOT_VALID"],
    [{ validUntil: t2, frozen: [signature.evidence] }, t3, [], "passed"],
    [{ validFrom: t2 }, t2 - 1, [], "KEY_NOT_VALID"],
    [{ validFrom: t2 }, t2, [], "passed"],
    [{ validFrom: t2 }, t3, [t1], "KEY_NOT_VALID"],
    [{ validFrom: t2, validUntil: t3, frozen: [signature.evidence] }, t1, [], "KEY_NOT_VALID"],
  ] as const)("%j at %d, verified at %j: %s", (lifetime, now, verifiedAt, expected) => {
    expect(said(lifetime, now, verifiedAt)).toBe(expected);
  });
  it("ends what rests on it", () => {
    const until = (...args: Parameters<typeof judge>) => judge(...args).satisfiedBy[0]?.expiresAt;
    expect(until({ validUntil: t2 }, t1)).toBe(new Date(t2).toISOString());
    expect(until({ validUntil: t2 }, t1, [t1])).toBeUndefined();
    expect(until({ validUntil: t2, frozen: [signature.evidence] }, t1)).toBeUndefined();
  });
});

describe("a revoked signature", () => {
  it("is revoked by what it signs as well, however its envelope is written", async () => {
    const { dsseEnvelope } = JSON.parse(Buffer.from(made.bundle.content).toString());
    const payload = digestOf(Buffer.from(dsseEnvelope.payload, "base64"));
    const policy = await policyOf({ authorities: [keyed("alice", alice)], revokedSignatures: [payload] });
    for (const ending of ["", " ", "\n\n"]) {
      const content = Buffer.concat([made.bundle.content, Buffer.from(ending)]);
      const again = await sigstoreBundle.verify(bundleOf(content, digestOf(content)), subject, trusting(alice));
      const proofs = again.kind === "signature" ? [again] : [];
      expect(evaluatePolicy(policy, false, { ref, now: t1, subject, proofs, findings: [] })).toMatchObject({
        passed: false,
        findings: [{ code: "SIGNATURE_REVOKED" }],
      });
    }
  });

  it("never counts, also when it is frozen", () => {
    const more = { revokedSignatures: [signature.evidence] };
    expect(said({}, t1, [], more)).toBe("SIGNATURE_REVOKED");
    expect(said({ revoked, frozen: [signature.evidence] }, t1, [], more)).toBe("SIGNATURE_REVOKED");
    expect(said({}, t1, [], { revokedSignatures: [subject] })).toBe("passed");
  });
});
