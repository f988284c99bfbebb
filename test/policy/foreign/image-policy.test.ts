import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { digestOf } from "../../../src/crypto/digest.ts";
import type { VerifiedAttestation, VerifiedSignature } from "../../../src/formats/format.ts";
import { sigstoreBundle } from "../../../src/formats/sigstore-bundle.ts";
import { bundleOf } from "../../../src/formats/sigstore-bundle-parse.ts";
import { authorityWarnings } from "../../../src/policy/authority-warnings.ts";
import { evaluatePolicy } from "../../../src/policy/evaluate.ts";
import type { TrustPolicy } from "../../../src/policy/policy.ts";
import { rootWarnings } from "../../../src/policy/root-facts.ts";
import { trustIn } from "../../../src/policy/trust-material.ts";
import { verdictOf } from "../../../src/policy/verdict.ts";
import { foreignPolicy, foreignRoot, foreignSet, imagePolicy, pem, sigstoreKeysOf } from "../../support/foreign.ts";
import { attestationBy, image, signatureBy, subject } from "../../support/proofs.ts";
import { newSigner } from "../../support/signers.ts";
import { makeBundle, type Recipe } from "../../support/sigstore/bundles.ts";
import { githubIssuer } from "../../support/sigstore/claims.ts";
import { createWorld } from "../../support/sigstore/world.ts";

const [alice, bob, eve] = [newSigner(), newSigner(), newSigner()];
const vuln = "https://cosign.sigstore.dev/attestation/vuln/v1";
const custom = "https://cosign.sigstore.dev/attestation/v1";

function evaluate(
  policy: TrustPolicy,
  proofs: readonly VerifiedSignature[] = [],
  attestations: readonly VerifiedAttestation[] = [],
) {
  return evaluatePolicy(policy, false, { ref: image, now: 0, subject, proofs, attestations, findings: [] });
}

const byKey = (name: string, signer = alice, more: object = {}) => ({ name, key: { data: pem(signer) }, ...more });
const codes = ({ findings }: ReturnType<typeof evaluate>) => findings.map(({ code }) => code);

// What policy-controller's validator does, case by case (its pkg/webhook/validator_test.go).
describe("authorities of a ClusterImagePolicy", () => {
  it("pass where one of them is satisfied, and name it", async () => {
    const policy = await foreignPolicy({ authorities: [byKey("a"), byKey("b", bob)] });
    const result = evaluate(policy, [await signatureBy(bob)]);
    expect(result).toMatchObject({ passed: true, satisfiedBy: [{ authority: "b" }], findings: [] });
  });

  it("fail with a finding for each where none is", async () => {
    const policy = await foreignPolicy({ authorities: [byKey("a"), byKey("b", bob)] });
    const result = evaluate(policy, [await signatureBy(eve)]);
    expect(result.passed).toBe(false);
    expect(result.findings.map(({ authority }) => authority)).toEqual(["a", "b"]);
    expect(evaluate(policy).passed).toBe(false);
  });

  it("are satisfied by any of several keys in one text", async () => {
    const policy = await foreignPolicy({ authorities: [{ key: { data: pem(alice) + pem(bob) } }] });
    expect(evaluate(policy, [await signatureBy(bob)]).passed).toBe(true);
    expect(evaluate(policy, [await signatureBy(eve)]).passed).toBe(false);
  });

  it("are called authority-INDEX where they have no name, and told apart where two have one", async () => {
    const same = byKey("same", bob);
    const policy = await foreignPolicy({ authorities: [{ key: { data: pem(alice) } }, same, byKey("same", eve)] });
    expect(policy.authorities.map(({ name }) => name)).toEqual(["authority-0", "same", "same[2]"]);
    expect(evaluate(policy, [await signatureBy(eve)])).toMatchObject({ satisfiedBy: [{ authority: "same[2]" }] });
  });

  it("pass in the open where one is static and passes", async () => {
    const policy = await foreignPolicy({ authorities: [byKey("a"), { name: "s", static: { action: "pass" } }] });
    const result = evaluate(policy);
    expect(result).toMatchObject({ passed: true, static: { authority: "s" }, satisfiedBy: [] });
    expect(verdictOf({ image: "x", decidedAt: 0, policies: [result] })).toMatchObject({
      status: "static",
      unsafe: [expect.stringContaining("without a signature")],
    });
  });

  it("rest on a signature rather than on a static authority where there is one", async () => {
    const policy = await foreignPolicy({ authorities: [{ name: "s", static: { action: "pass" } }, byKey("a")] });
    const result = evaluate(policy, [await signatureBy(alice)]);
    expect(result).toMatchObject({ passed: true, satisfiedBy: [{ authority: "a" }] });
    expect(result.static).toBeUndefined();
  });

  it("fail with its message where the only one is static and fails, without a question to anybody", async () => {
    const policy = await foreignPolicy({ authorities: [{ static: { action: "fail", message: "not today" } }] });
    const result = evaluatePolicy(policy, false, undefined);
    expect(result).toMatchObject({
      passed: false,
      findings: [{ code: "STATIC_FAIL", message: "disallowed by static policy: not today" }],
    });
  });

  it("pass where one is static and fails, and another is satisfied", async () => {
    const policy = await foreignPolicy({ authorities: [{ static: { action: "fail" } }, byKey("a")] });
    expect(evaluate(policy, [await signatureBy(alice)]).passed).toBe(true);
  });

  it("ask no log of a key without ctlog, nor with an empty one, and an entry with one", async () => {
    const world = createWorld();
    const root = foreignRoot("own", { sigstoreKeys: sigstoreKeysOf(world) });
    const signed = [await signatureBy(alice)];
    const decide = async (more: object) =>
      evaluate(await foreignPolicy({ authorities: [byKey("a", alice, more)] }, root), signed);
    expect((await decide({})).passed).toBe(true);
    expect((await decide({ ctlog: {} })).passed).toBe(true);
    for (const more of [
      { ctlog: { url: "https://rekor.sigstore.dev" } },
      { ctlog: { trustRootRef: "own" } },
      { rfc3161timestamp: { trustRootRef: "own" } },
    ]) {
      const result = await decide(more);
      expect(result.passed).toBe(false);
      expect(codes(result)).toEqual(["EVIDENCE_MISSING"]);
    }
  });

  it("warn in mode warn", async () => {
    const policy = await foreignPolicy({ mode: "warn", authorities: [byKey("a")] });
    expect(verdictOf({ image: "x", decidedAt: 0, policies: [evaluate(policy)] }).outcome).toBe("warn");
  });
});

describe("an authority with attestations", () => {
  const asked = (...attestations: readonly object[]) =>
    foreignPolicy({ authorities: [byKey("a", alice, { attestations })] });
  const [first, second] = [
    { name: "scan", predicateType: "vuln" },
    { name: "tests", predicateType: "custom" },
  ];

  it("is satisfied by an attestation of the type, without a signature", async () => {
    const result = evaluate(await asked(first), [], [await attestationBy(alice, {}, { type: vuln })]);
    expect(result).toMatchObject({ passed: true, satisfiedBy: [{ authority: "a", attestation: "scan" }] });
  });

  it("is not satisfied by a signature", async () => {
    expect(evaluate(await asked(first), [await signatureBy(alice)]).passed).toBe(false);
  });

  it("needs every one of them", async () => {
    const policy = await asked(first, second);
    const [scan, tests] = [
      await attestationBy(alice, {}, { type: vuln }),
      await attestationBy(alice, {}, { type: custom }),
    ];
    expect(evaluate(policy, [], [scan]).passed).toBe(false);
    expect(evaluate(policy, [], [tests]).passed).toBe(false);
    expect(evaluate(policy, [], [scan, tests]).passed).toBe(true);
  });

  it("is not satisfied by those of another key, of another type, or about another image", async () => {
    const policy = await asked(first);
    for (const attestation of [
      await attestationBy(eve, {}, { type: vuln }),
      await attestationBy(alice, {}, { type: custom }),
      await attestationBy(alice, {}, { type: vuln, digest: digestOf(Buffer.from("another")) }),
    ])
      expect(evaluate(policy, [], [attestation]).passed).toBe(false);
  });

  it("stands beside one that signs, and either is enough", async () => {
    const authorities = [byKey("attests", alice, { attestations: [first] }), byKey("signs", bob)];
    const policy = await foreignPolicy({ authorities });
    expect(evaluate(policy, [await signatureBy(bob)]).passed).toBe(true);
    expect(evaluate(policy, [], [await attestationBy(alice, {}, { type: vuln })]).passed).toBe(true);
    // Nobody did what is asked of them.
    expect(evaluate(policy, [await signatureBy(alice)], [await attestationBy(bob, {}, { type: vuln })]).passed).toBe(
      false,
    );
  });

  it.each(["cue", "rego"])("is never satisfied where %s judges it, and says so while it loads", async (type) => {
    const policy = { type, data: "package sigstore" };
    const document = imagePolicy({ authorities: [byKey("a", alice, { attestations: [{ ...first, policy }] })] });
    const set = await foreignSet(document);
    expect(set.warnings).toHaveLength(1);
    const [loaded] = set.policies;
    const result = evaluate(
      loaded as TrustPolicy,
      [await signatureBy(alice)],
      [await attestationBy(alice, {}, { type: vuln })],
    );
    expect(result.passed).toBe(false);
    expect(codes(result)).toContain("POLICY_NOT_EVALUABLE");
  });
});

describe("what is not judged here", () => {
  const data = "authorityMatches: {}";
  it.each([
    ["CUE", { type: "cue", data }],
    ["Rego", { type: "rego", data }],
    ["a ConfigMap", { type: "cue", configMapRef: { name: "n", key: "k" } }],
    ["a URL", { type: "rego", remote: { url: "https://example.com/x", sha256sum: "a".repeat(64) } }],
  ])("refuses every image that a policy with a rule in %s matches, whoever signed", async (_what, policy) => {
    const authorities = [byKey("a"), { static: { action: "pass" } }];
    const set = await foreignSet(imagePolicy({ authorities, policy }));
    expect(set.warnings).toHaveLength(1);
    const result = evaluate(set.policies[0] as TrustPolicy, [await signatureBy(alice)]);
    expect(result.passed).toBe(false);
    expect(codes(result)).toEqual(["POLICY_NOT_EVALUABLE"]);
    expect(evaluatePolicy(set.policies[0] as TrustPolicy, false, undefined).passed).toBe(false);
  });

  it.each([
    ["a Secret", { key: { secretRef: { name: "s" } } }],
    ["a KMS", { key: { kms: "hashivault://key/path" } }],
    ["a hash that is not verified", { key: { data: pem(alice), hashAlgorithm: "sha512" } }],
    ["ca-cert", { keyless: { "ca-cert": { data: "x" }, identities: [{ issuer: "i", subject: "s" }] } }],
    ["a root that is not there", { keyless: { trustRootRef: "gone", identities: [{ issuer: "i", subject: "s" }] } }],
  ])("leaves an authority with %s unsatisfied, and the others as they are", async (_what, authority) => {
    const alone = await foreignSet(imagePolicy({ authorities: [authority] }));
    expect(alone.warnings).toHaveLength(1);
    const result = evaluate(alone.policies[0] as TrustPolicy, [await signatureBy(alice)]);
    expect(result.passed).toBe(false);
    expect(codes(result)).toEqual(["POLICY_NOT_EVALUABLE"]);
    const beside = await foreignPolicy({ authorities: [authority, byKey("a")] });
    expect(evaluate(beside, [await signatureBy(alice)]).passed).toBe(true);
  });
});

describe("keyless authorities of a ClusterImagePolicy", () => {
  const world = createWorld();
  const now = world.now();
  const own = foreignRoot("own", { sigstoreKeys: sigstoreKeysOf(world) });
  const hex = createHash("sha256").update("image").digest("hex");
  const anybody = [{ issuer: githubIssuer, subjectRegExp: ".+" }];

  async function decide(authority: object, recipe: Recipe = {}) {
    const policy = await foreignPolicy({ authorities: [authority] }, own);
    const { bundle } = makeBundle(world, { subject: hex, ...recipe });
    const content = Buffer.from(JSON.stringify(bundle));
    const trust = trustIn(policy.authorities);
    const proof = await sigstoreBundle
      .verify(bundleOf(content, digestOf(content)), subject, trust, now)
      .catch(() => undefined);
    // The statements of these bundles attest; who signed them is counted alike.
    const proofs = proof === undefined ? [] : [{ ...proof, kind: "signature" } as unknown as VerifiedSignature];
    const result = evaluatePolicy(policy, false, { ref: image, now, subject, proofs, findings: [] });
    const matched = [{ policy, excluded: false }];
    return { result, unsafe: [...rootWarnings(matched, [result], now), ...authorityWarnings(matched, [result])] };
  }

  const keyless = (identities: readonly object[] = anybody, more: object = {}) => ({
    keyless: { identities, trustRootRef: "own", ...more },
  });

  it("are satisfied by certificates of their root", async () => {
    const { result } = await decide(keyless());
    expect(result).toMatchObject({
      passed: true,
      satisfiedBy: [{ signer: { kind: "keyless", issuer: githubIssuer } }],
    });
  });

  it("match expressions anywhere in a name, and show that", async () => {
    const { result, unsafe } = await decide(keyless([{ issuerRegExp: "token\\.actions", subjectRegExp: "github" }]));
    expect(result.passed).toBe(true);
    expect(unsafe).toHaveLength(2);
    expect((await decide(keyless([{ issuerRegExp: "^token", subjectRegExp: "github" }]))).result.passed).toBe(false);
  });

  it("match names exactly where no expression is written", async () => {
    expect((await decide(keyless([{ issuer: githubIssuer, subject: "github" }]))).result.passed).toBe(false);
    expect((await decide(keyless([{ issuer: "token.actions", subjectRegExp: ".+" }]))).result.passed).toBe(false);
  });

  it("are satisfied by any of several identities, each whole", async () => {
    const [wrong, right] = [{ issuer: "https://x", subjectRegExp: ".+" }, ...anybody];
    expect((await decide(keyless([wrong as object, right as object]))).result.passed).toBe(true);
    expect((await decide(keyless([wrong as object]))).result.passed).toBe(false);
  });

  it("need an entry where a log is named, and a timestamp where an authority is", async () => {
    const logged = { ...keyless(), ctlog: { trustRootRef: "own" } };
    const stamped = { ...keyless(), rfc3161timestamp: { trustRootRef: "own" } };
    const [onlyLog, onlyStamp] = [{}, { log: "none", timestamp: true }] as const;
    expect((await decide(logged, onlyLog)).result.passed).toBe(true);
    expect((await decide(logged, onlyStamp)).result.passed).toBe(false);
    expect((await decide(stamped, onlyStamp)).result.passed).toBe(true);
    expect((await decide(stamped, onlyLog)).result.passed).toBe(false);
  });

  it("are not satisfied by certificates of the public deployment's log alone, where no root is named", async () => {
    const policy = await foreignPolicy({ authorities: [{ keyless: { identities: anybody } }] });
    expect(policy.authorities[0]).toMatchObject({ root: { name: "public-good", require: { log: 1, sct: 1 } } });
    expect((await decide({ keyless: { identities: anybody } })).result.passed).toBe(false);
  });

  it("need an SCT, unless insecureIgnoreSCT says otherwise, in the open", async () => {
    const bare: Recipe = { certificate: (spec) => ({ ...spec, logs: [] }) };
    const strict = await foreignPolicy({ authorities: [keyless()] }, own);
    const loose = await foreignPolicy({ authorities: [keyless(anybody, { insecureIgnoreSCT: true })] }, own);
    expect(strict.authorities[0]).toMatchObject({ root: { require: { sct: 1 }, relaxed: [] } });
    expect(loose.authorities[0]).toMatchObject({ root: { require: { sct: 0 }, relaxed: ["sct"] } });
    const { result, unsafe } = await decide(keyless(anybody, { insecureIgnoreSCT: true }), bare);
    expect(result.passed).toBe(true);
    expect(unsafe.join()).toContain("SCT");
    expect((await decide(keyless(), bare)).result.passed).toBe(false);
  });
});
