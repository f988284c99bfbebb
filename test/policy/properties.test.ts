import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import type { Proof, VerifiedAttestation, VerifiedSignature } from "../../src/formats/format.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { verdictFromFacts } from "../../src/policy/from-facts.ts";
import { createObjectComposer } from "../../src/policy/objects.ts";
import type { ObjectContext, PolicySet } from "../../src/policy/policy.ts";
import type { Verdict } from "../../src/policy/verdict.ts";
import { attestationBy, keyed, provenance, setOf, signatureBy, subject } from "../support/proofs.ts";
import { newSigner } from "../support/signers.ts";

/** Policies may trust the first three; the last one is nobody's. */
const signers = [newSigner(), newSigner(), newSigner(), newSigner()] as const;
const trusted = signers.slice(0, 3);
const [alice, , , stranger] = signers;
const now = Date.parse("2026-06-01T00:00:00Z");
const images = ["reg.io/app:1", "reg.io/lib:1", "other.io/app:1"] as const;
const globs = ["**", "reg.io/**", "reg.io/app", "other.io/*"] as const;

/** Several signatures of each signer, so that one may sign again; and one attestation of each. */
let signatures: readonly (readonly VerifiedSignature[])[];
let attestations: readonly VerifiedAttestation[];

beforeAll(async () => {
  const marks = ["a", "b"];
  signatures = await Promise.all(
    signers.map((signer) => Promise.all(marks.map((mark) => signatureBy(signer, { mark })))),
  );
  attestations = await Promise.all(signers.map((signer, index) => attestationBy(signer, { good: index !== 1 })));
});

const authority = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(0, 1, 2) },
  { weight: 1, arbitrary: fc.constantFrom("pass" as const, "fail" as const) },
);

const specification = fc.record({
  mode: fc.constantFrom("enforce", "enforce", "warn", "audit"),
  images: fc.subarray([...globs], { minLength: 1 }).map((list) => list.map((glob) => ({ glob }))),
  exclude: fc.oneof({ weight: 8, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: fc.constant(["reg.io/lib"]) }),
  match: fc.constantFrom([], [], [{ namespaces: ["prod"] }], [{ namespaces: ["dev"] }]),
  authorities: fc.uniqueArray(authority, { minLength: 1, maxLength: 4 }),
  threshold: fc.constantFrom(0, 1, 1, 1, 2, 3),
  attested: fc.constantFrom(false, false, true),
  condition: fc.constantFrom(undefined, undefined, 'image.registry == "reg.io"', 'object.kind == "Pod"'),
});
type Specification = typeof specification extends fc.Arbitrary<infer T> ? T : never;

/** What cannot load is made to load: thresholds in reach, attestations by somebody. */
function specOf({ authorities, threshold, attested, condition, ...rest }: Specification): object {
  const keys = authorities.filter((item) => typeof item === "number").length;
  const asks = keys > 0 && (attested || threshold === 0);
  return {
    ...rest,
    ...(condition === undefined ? {} : { condition }),
    authorities: authorities.map((item) => {
      if (typeof item !== "number") return { name: item, static: { action: item } };
      return keyed(`k${item}`, trusted[item] ?? alice);
    }),
    threshold: threshold === 0 && asks ? 0 : Math.max(1, Math.min(threshold, Math.max(keys, 1))),
    ...(asks ? { attestations: [{ name: "p", predicateType: provenance, condition: "predicate.good" }] } : {}),
  };
}

const policies = fc.array(specification, { minLength: 0, maxLength: 4 });
const evidence = fc.record({
  signed: fc.uniqueArray(fc.constantFrom(0, 1, 2, 3), { maxLength: 4 }),
  attested: fc.uniqueArray(fc.constantFrom(0, 1, 2, 3), { maxLength: 4 }),
});
type Evidence = typeof evidence extends fc.Arbitrary<infer T> ? T : never;

const inProd: ObjectContext = { apiGroup: "", resource: "pods", kind: "Pod", namespace: "prod", labels: {} };
const objects = fc.constantFrom(undefined, inProd);

const cluster = (specifications: readonly Specification[]) =>
  specifications.map((item, index) => ({
    kind: "ClusterTrustPolicy",
    metadata: { name: `p${index}` },
    spec: specOf(item),
  }));

const proofsOf = ({ signed, attested }: Evidence): readonly Proof[] => [
  ...signed.flatMap((index) => signatures[index]?.slice(0, 1) ?? []),
  ...attested.flatMap((index) => attestations[index] ?? []),
];

/** As a verifier decides, from evidence that is known. */
function decide(set: PolicySet, image: string, proofs: readonly Proof[], object?: ObjectContext): Verdict {
  const facts = {
    ...{ ref: parseReference(image), now, object, subject, findings: [] },
    proofs: proofs.filter((proof) => proof.kind === "signature"),
    attestations: proofs.filter((proof) => proof.kind === "attestation"),
  };
  return verdictFromFacts(set, facts, { image });
}

const setFrom = (documents: readonly object[]) =>
  documents.length === 0 ? Promise.resolve<PolicySet>({ policies: [], revision: "" }) : setOf(...documents);

describe("whatever the policies and the evidence", () => {
  it("nothing is allowed for which no authority verified, unless a rule says so in the open", async () => {
    await fc.assert(
      fc.asyncProperty(
        policies,
        evidence,
        fc.constantFrom(...images),
        objects,
        async (written, known, image, object) => {
          const verdict = decide(await setFrom(cluster(written)), image, proofsOf(known), object);
          if (verdict.outcome === "deny") return;
          const enforced = verdict.policies.filter(({ mode }) => mode === "enforce");
          expect(enforced.length).toBeGreaterThan(0);
          for (const policy of enforced) {
            const excluded =
              written[Number(policy.name.slice(1))]?.exclude.length === 1 && image.startsWith("reg.io/lib");
            const open = policy.static !== undefined || policy.exception !== undefined || excluded;
            const isByTrusted = policy.satisfiedBy.every(({ signer }) =>
              trusted.some(({ publicKey }) => signer.kind === "key" && signer.keyId === publicKey.keyId),
            );
            expect(open || (policy.satisfiedBy.length > 0 && isByTrusted)).toBe(true);
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  /** A change that must never turn a denial into something else. */
  async function neverAllows(
    change: (documents: object[], proofs: readonly Proof[], known: Evidence) => [object[], readonly Proof[]],
    extra: fc.Arbitrary<readonly Specification[]> = fc.constant([]),
  ): Promise<void> {
    await fc.assert(
      fc.asyncProperty(
        ...([policies, evidence, fc.constantFrom(...images), objects, extra] as const),
        async (written, known, image, object, more) => {
          const documents = cluster(written);
          const before = decide(await setFrom(documents), image, proofsOf(known), object);
          const namespaced = more.map((item, index) => ({
            kind: "TrustPolicy",
            metadata: { name: `t${index}`, namespace: "prod" },
            // One that leaves out its own namespace does not load.
            spec: { ...specOf(item), match: [] },
          }));
          const [changed, proofs] = change([...documents, ...namespaced], proofsOf(known), known);
          const after = decide(await setFrom(changed), image, proofs, object);
          if (before.outcome === "deny") expect(after.outcome).toBe("deny");
          if (before.outcome === "warn") expect(after.outcome).not.toBe("allow");
        },
      ),
      { numRuns: 200 },
    );
  }

  it("a policy of one namespace never turns a denial into anything else", async () => {
    await neverAllows(
      (documents, proofs) => [documents, proofs],
      fc.array(specification, { minLength: 1, maxLength: 3 }),
    );
  });

  it("an exception for another image, namespace, policy or time never does", async () => {
    const expires = "2026-12-01T00:00:00Z";
    const others = [
      { images: [{ glob: "elsewhere.io/**" }, { digest: `sha256:${"0".repeat(64)}` }], expires },
      { images: [{ glob: "**" }], namespaces: ["dev"], expires },
      { images: [{ glob: "**" }], policies: ["another"], expires },
      { images: [{ glob: "**" }], expires: "2026-01-01T00:00:00Z" },
    ];
    for (const spec of others) {
      const exception = { kind: "TrustException", metadata: { name: "e" }, spec: { ...spec, reason: "x" } };
      await neverAllows((documents, proofs) => [[...documents, exception], proofs]);
    }
  });

  it("signatures and attestations of strangers never do", async () => {
    await neverAllows((documents, proofs) => {
      const junk = [...(signatures[signers.indexOf(stranger)] ?? []), ...attestations.slice(-1)];
      return [documents, [...junk, ...proofs, ...junk]];
    });
  });

  it("a second signature of the same signer never does", async () => {
    await neverAllows((documents, proofs, { signed }) => [
      documents,
      [...proofs, ...signed.flatMap((index) => signatures[index] ?? [])],
    ]);
  });

  /** What authors write by mistake, and what nobody would. */
  const junk = fc.oneof(fc.constantFrom(null, "", 0, [], {}, "**", ["**"], [{}], true), fc.jsonValue({ maxDepth: 2 }));
  const fields = ["mode", "images", "exclude", "authorities", "threshold", "condition", "match", "unknown"] as const;
  const stored = (documents: readonly object[]) =>
    documents.map((document) => ({ apiVersion: "imagetrust.dev/v1alpha1", ...document }));

  it("a policy of a cluster that breaks never turns a denial into anything else, nor loosens a warning", async () => {
    const broken = fc.tuple(fc.nat({ max: 3 }), fc.constantFrom(...fields), junk);
    let unusable = 0;
    await fc.assert(
      fc.asyncProperty(
        ...([policies, evidence, fc.constantFrom(...images), objects, broken] as const),
        async (written, known, image, object, [index, field, value]) => {
          const documents = stored(cluster(written));
          const before = await createObjectComposer({})(documents);
          const changed = documents.map((document, at) => {
            const spec = { ...Reflect.get(document, "spec"), [field]: value };
            return at === index ? { ...document, spec } : document;
          });
          const after = await createObjectComposer({})(changed);
          if (after.states.every(({ usable }) => usable)) return;
          unusable++;
          const [old, next] = [before, after].map(({ set }) => decide(set, image, proofsOf(known), object));
          if (old?.outcome === "deny") expect(next?.outcome).toBe("deny");
          if (old?.outcome === "warn") expect(next?.outcome).not.toBe("allow");
        },
      ),
      { numRuns: 1000 },
    );
    expect(unusable).toBeGreaterThan(50);
  });

  it("whatever a tenant stores changes nothing for the others", async () => {
    const anything = fc.record({
      kind: fc.constant("TrustPolicy"),
      spec: fc.oneof(junk, fc.record({ images: junk, mode: junk })),
    });
    await fc.assert(
      fc.asyncProperty(
        ...([policies, evidence, fc.constantFrom(...images), fc.array(anything, { maxLength: 5 })] as const),
        async (written, known, image, tenants) => {
          const documents = stored(cluster(written));
          const theirs = tenants.map((tenant, index) => ({
            ...{ apiVersion: "imagetrust.dev/v1alpha1", metadata: { name: `t${index}`, namespace: "tenant" } },
            ...tenant,
          }));
          const [before, after] = [
            await createObjectComposer({})(documents),
            await createObjectComposer({})([...theirs, ...documents]),
          ];
          const [old, next] = [before, after].map(({ set }) => decide(set, image, proofsOf(known), inProd));
          expect(next).toEqual(old);
        },
      ),
      { numRuns: 200 },
    );
  });
});
