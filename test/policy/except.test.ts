import { describe, expect, it } from "vitest";
import { digestOf } from "../../src/crypto/digest.ts";
import { TrustError, toFinding } from "../../src/errors.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { evaluatePolicy } from "../../src/policy/evaluate.ts";
import { applyExceptions } from "../../src/policy/except.ts";
import type { EvaluationFacts } from "../../src/policy/facts.ts";
import { matchPolicies } from "../../src/policy/match.ts";
import type { ObjectContext } from "../../src/policy/policy.ts";
import { verdictOf } from "../../src/policy/verdict.ts";
import { keyed, setOf, signatureBy, subject } from "../support/proofs.ts";
import { newSigner } from "../support/signers.ts";

const [alice, stranger] = [newSigner(), newSigner()];
const now = Date.parse("2026-06-01T00:00:00Z");
const exception = {
  images: [{ glob: "registry.example.com/app" }],
  expires: "2026-07-01T00:00:00Z",
  reason: "incident 4711",
};
const inProd: ObjectContext = { apiGroup: "", resource: "pods", namespace: "prod", labels: {} };

interface Asked {
  readonly image?: string;
  readonly object?: ObjectContext;
  readonly policy?: object;
  readonly facts?: Partial<EvaluationFacts>;
  readonly now?: number;
}

async function verdict(
  spec: object,
  { image = "registry.example.com/app:1", object, policy, facts, now: at = now }: Asked = {},
) {
  const set = await setOf(
    {
      kind: "ClusterTrustPolicy",
      metadata: { name: "production" },
      spec: { images: [{ glob: "**" }], authorities: [keyed("release", alice)], ...policy },
    },
    { kind: "TrustException", metadata: { name: "incident" }, spec: { ...exception, ...spec } },
  );
  const ref = parseReference(image);
  const known = { ref, now: at, subject, proofs: [], findings: [], ...facts };
  const policies = matchPolicies(set, ref, object).map((match) =>
    applyExceptions(match, evaluatePolicy(match.policy, match.excluded, known), { ref, digest: subject, now: at }),
  );
  return verdictOf({ image, decidedAt: at, policies });
}

describe("an exception", () => {
  it("lets its image pass, and shows in the verdict with what is wrong", async () => {
    expect(await verdict({ approvedBy: "jane@example.com" })).toMatchObject({
      outcome: "allow",
      status: "exempt",
      policies: [
        {
          passed: true,
          exception: {
            name: "incident",
            reason: "incident 4711",
            approvedBy: "jane@example.com",
            expires: "2026-07-01T00:00:00.000Z",
          },
          findings: [{ code: "NO_SIGNATURE" }],
        },
      ],
      unsafe: [expect.stringContaining("incident 4711")],
    });
  });

  it("does not touch the verdict of an image that satisfies the policy", async () => {
    const satisfied = await verdict({}, { facts: { proofs: [await signatureBy(alice)] } });
    expect(satisfied).toMatchObject({ outcome: "allow", status: "trusted", unsafe: [] });
    expect(satisfied.policies[0]).not.toHaveProperty("exception");
  });

  it("lets no other image pass", async () => {
    for (const image of ["registry.example.com/app2:1", "registry.example.com/app/x:1", "app:1"])
      expect((await verdict({}, { image })).outcome).toBe("deny");
  });

  it("names images by digest too, whatever they are called", async () => {
    expect((await verdict({ images: [{ digest: subject }] }, { image: "other.io/x:1" })).outcome).toBe("allow");
    const other = digestOf(Buffer.from("another"));
    expect((await verdict({ images: [{ digest: other }] })).outcome).toBe("deny");
    expect((await verdict({ images: [{ digest: other }, { glob: "x.io/**" }] })).outcome).toBe("deny");
  });

  it("is for its namespaces only, and for none where there is no object", async () => {
    const spec = { namespaces: ["prod", "team-*"] };
    expect((await verdict(spec, { object: inProd })).outcome).toBe("allow");
    expect((await verdict(spec, { object: { ...inProd, namespace: "team-a" } })).outcome).toBe("allow");
    expect((await verdict(spec, { object: { ...inProd, namespace: "dev" } })).outcome).toBe("deny");
    expect((await verdict(spec)).outcome).toBe("deny");
  });

  it("is for its policies only", async () => {
    expect((await verdict({ policies: ["production"] })).outcome).toBe("allow");
    expect((await verdict({ policies: ["staging"] })).outcome).toBe("deny");
  });

  it("ends, and says so", async () => {
    expect(await verdict({}, { now: Date.parse("2026-07-01T00:00:00Z") })).toMatchObject({
      outcome: "deny",
      policies: [{ findings: [{ code: "EXCEPTION_EXPIRED" }, { code: "NO_SIGNATURE" }] }],
    });
  });

  it("never overrides what is revoked: a key, or a signature", async () => {
    const proofs = [await signatureBy(alice)];
    const key = keyed("release", alice) as { key: object };
    const revoked = { at: "2026-01-01T00:00:00Z", reason: "stolen" };
    const byKey = { authorities: [{ ...key, key: { ...key.key, revoked } }] };
    expect((await verdict({}, { policy: byKey, facts: { proofs } })).outcome).toBe("deny");
    const bySignature = { revokedSignatures: proofs.map(({ evidence }) => evidence) };
    expect((await verdict({}, { policy: bySignature, facts: { proofs } })).outcome).toBe("deny");
  });

  it("sees what is revoked behind any number of other signatures", async () => {
    const revoked = await signatureBy(alice);
    const others = await Promise.all(Array.from({ length: 40 }, (_, n) => signatureBy(alice, { n: `${n}` })));
    const policy = {
      authorities: [{ ...keyed("release", alice), annotations: { n: "none" } }],
      revokedSignatures: [revoked.evidence],
    };
    expect((await verdict({}, { policy, facts: { proofs: [...others, revoked] } })).outcome).toBe("deny");
    expect((await verdict({}, { policy, facts: { proofs: others } })).outcome).toBe("allow");
  });

  it("counts for nothing where it could not be seen that nothing is revoked", async () => {
    for (const code of ["EVIDENCE_INCOMPLETE", "REGISTRY_UNREACHABLE", "AUTHORIZATION_DENIED"] as const) {
      const findings = [toFinding(new TrustError(code, "not everything was read"))];
      expect((await verdict({}, { facts: { findings } })).outcome).toBe("deny");
    }
  });

  it("is no signature of anybody", async () => {
    const facts = { proofs: [await signatureBy(stranger)] };
    expect(await verdict({}, { facts })).toMatchObject({ evidence: [], policies: [{ satisfiedBy: [] }] });
  });
});
