import fc from "fast-check";
import { beforeAll, expect, it } from "vitest";
import type { VerifiedAttestation, VerifiedSignature } from "../../../src/formats/format.ts";
import { evaluatePolicy } from "../../../src/policy/evaluate.ts";
import { foreignPolicy, pem } from "../../support/foreign.ts";
import { attestationBy, image, signatureBy, subject } from "../../support/proofs.ts";
import { newSigner } from "../../support/signers.ts";

const signers = [newSigner(), newSigner(), newSigner()] as const;
const types = [
  "https://cosign.sigstore.dev/attestation/vuln/v1",
  "https://cosign.sigstore.dev/attestation/v1",
] as const;
const shortNames = ["vuln", "custom"] as const;
let signatures: readonly VerifiedSignature[];
let attestations: readonly (readonly VerifiedAttestation[])[];

beforeAll(async () => {
  signatures = await Promise.all(signers.map((signer) => signatureBy(signer)));
  attestations = await Promise.all(
    signers.map((signer) => Promise.all(types.map((type) => attestationBy(signer, {}, { type })))),
  );
});

/** A signer that is trusted (the last one never is), what it has to attest, and whether CUE has a say. */
const byKey = fc.record({
  signer: fc.constantFrom(0, 1),
  attested: fc.subarray([0, 1]),
  ruled: fc.boolean(),
});
const authority = fc.oneof(
  { weight: 5, arbitrary: byKey },
  { weight: 1, arbitrary: fc.constantFrom("pass", "fail", "elsewhere") },
);
const given = fc.record({
  signed: fc.subarray([0, 1, 2]),
  attested: fc.subarray([
    [0, 0],
    [0, 1],
    [1, 0],
    [1, 1],
    [2, 0],
    [2, 1],
  ]),
});

type Authority = typeof authority extends fc.Arbitrary<infer T> ? T : never;

function written(one: Authority): object {
  if (one === "elsewhere") return { key: { kms: "hashivault://k" } };
  if (typeof one === "string") return { static: { action: one } };
  const policy = one.ruled ? { policy: { type: "cue", data: "x" } } : {};
  const asked = one.attested.map((type) => ({ name: `a${type}`, predicateType: shortNames[type], ...policy }));
  const [first, second] = signers;
  return {
    key: { data: pem(one.signer === 0 ? first : second) },
    ...(asked.length === 0 ? {} : { attestations: asked }),
  };
}

it("lets an image pass where one authority has all that it asks for, or says so in the open, and never else", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(authority, { minLength: 1, maxLength: 4 }), given, async (authorities, facts) => {
      const policy = await foreignPolicy({ authorities: authorities.map(written) });
      const result = evaluatePolicy(policy, false, {
        ref: image,
        now: 0,
        subject,
        proofs: facts.signed.flatMap((index) => signatures[index] ?? []),
        attestations: facts.attested.flatMap(([signer = 0, type = 0]) => attestations[signer]?.[type] ?? []),
        findings: [],
      });
      const isSatisfied = (one: Authority) => {
        if (typeof one === "string") return one === "pass";
        if (one.attested.length === 0) return facts.signed.includes(one.signer);
        const isThere = (type: number) => facts.attested.some(([by, of]) => by === one.signer && of === type);
        return !one.ruled && one.attested.every(isThere);
      };
      expect(result.passed).toBe(authorities.some(isSatisfied));
      const proved = authorities.some((one) => typeof one !== "string" && isSatisfied(one));
      expect(result.static !== undefined).toBe(result.passed && !proved);
      expect(result.findings.length > 0).toBe(!result.passed);
    }),
    { numRuns: 300 },
  );
});
