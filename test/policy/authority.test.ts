import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { digestOf } from "../../src/crypto/digest.ts";
import { toPublicKey } from "../../src/crypto/public-key.ts";
import { createIdentityMatcher } from "../../src/crypto/x509-identity.ts";
import { cosign } from "../../src/formats/cosign.ts";
import type { VerifiedSignature } from "../../src/formats/format.ts";
import { sigstoreBundle } from "../../src/formats/sigstore-bundle.ts";
import { bundleOf } from "../../src/formats/sigstore-bundle-parse.ts";
import type { Signer } from "../../src/keys/signer.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { evaluatePolicy } from "../../src/policy/evaluate.ts";
import { toKeylessIdentity } from "../../src/policy/keyless-identity.ts";
import type { Authority, CertificateAuthority, KeyAuthority, TrustPolicy } from "../../src/policy/policy.ts";
import { rootWarnings } from "../../src/policy/root-facts.ts";
import { trustIn } from "../../src/policy/trust-material.ts";
import { createCertificateTrust } from "../../src/trust/certificate-trust.ts";
import { parseTrustRoot } from "../../src/trust/parse.ts";
import type { TrustRoot } from "../../src/trust/trust-root.ts";
import { newSigner, signerOf } from "../support/signers.ts";
import { keyOf, makeBundle, type Recipe } from "../support/sigstore/bundles.ts";
import { githubClaims, githubIssuer } from "../support/sigstore/claims.ts";
import { createWorld, trustedRootOf } from "../support/sigstore/world.ts";
import {
  ecKey,
  email,
  end,
  type Issued,
  issueAuthority,
  issueLeaf,
  middle,
  parse,
  pemOf,
  san,
  start,
} from "../support/x509.ts";

const subject = digestOf(Buffer.from("image"));
const image = parseReference("registry.example.com/app:1");

function policyOf(threshold: number, ...authorities: readonly Authority[]): TrustPolicy {
  const common = {
    name: "p",
    mode: "enforce",
    images: [{ glob: "**" }],
    exclude: [],
    match: [],
    source: "test",
  } as const;
  return { ...common, authorities, threshold };
}

const factsAt = (now: number, ...proofs: readonly VerifiedSignature[]) => ({
  ref: image,
  now,
  subject,
  proofs,
  findings: [],
});

describe("authorities with certificates", () => {
  const root = issueAuthority("root");
  const other = issueAuthority("other root");

  async function corp(names: readonly string[], ca = root, name = "corp"): Promise<CertificateAuthority> {
    const rules = await Promise.all(names.map(async (san) => ({ san, matches: await createIdentityMatcher({ san }) })));
    const [first, ...rest] = rules;
    if (first === undefined) throw new Error("nobody is named");
    return { kind: "certificate", name, trust: createCertificateTrust(pemOf(ca)), identities: [first, ...rest] };
  }

  const leafFor = (names: readonly string[], ca = root, key = ecKey()) =>
    issueLeaf(ca, { key, extensions: [san(names.map(email))] });

  async function proofBy(
    leaf: Issued,
    authorities: readonly Authority[],
    annotations = {},
  ): Promise<VerifiedSignature> {
    const signer: Signer = {
      ...signerOf(leaf.key.privateKey),
      certificate: async () => ({ leaf: parse(leaf), issuers: [] }),
    };
    const request = { image, subject: { mediaType: "x", digest: subject, size: 1 }, signer, annotations, now: middle };
    const proof = await sigstoreBundle.verify(
      (await sigstoreBundle.sign(request)).bundle,
      subject,
      trustIn(authorities),
      middle,
    );
    if (proof.kind !== "signature") throw new Error("an image signature was made");
    return proof;
  }

  it("are satisfied by whom they name, until the certificate ends", async () => {
    const authority = await corp(["ci@example.com"]);
    const proof = await proofBy(leafFor(["other@example.com", "ci@example.com"]), [authority]);
    expect(evaluatePolicy(policyOf(1, authority), false, factsAt(middle, proof))).toMatchObject({
      passed: true,
      satisfiedBy: [
        {
          signer: { kind: "certificate", issuer: "CN=root", subject: "ci@example.com" },
          expiresAt: new Date(end).toISOString(),
        },
      ],
    });
  });

  it("do not count a proof beyond the certificate, however old the proof is", async () => {
    const authority = await corp(["ci@example.com"]);
    const proof = await proofBy(leafFor(["ci@example.com"]), [authority]);
    for (const now of [end + 1000, start - 1000])
      expect(evaluatePolicy(policyOf(1, authority), false, factsAt(now, proof))).toMatchObject({
        passed: false,
        findings: [{ code: "CERTIFICATE_EXPIRED", authority: "corp" }],
      });
  });

  it("are not satisfied by others whom the same root certifies, and say whom they want", async () => {
    const authority = await corp(["ci@example.com"]);
    const proof = await proofBy(leafFor(["eve@example.com"]), [authority]);
    expect(evaluatePolicy(policyOf(1, authority), false, factsAt(middle, proof))).toMatchObject({
      passed: false,
      findings: [
        {
          code: "SIGNER_NOT_TRUSTED",
          expected: "a signature by ci@example.com, certified under CN=root",
          found: "a signature by eve@example.com of CN=root",
        },
      ],
    });
  });

  it("are not satisfied through the roots of another authority", async () => {
    const [one, two] = [await corp(["ci@example.com"]), await corp(["admin@example.com"], other, "admins")];
    const proof = await proofBy(leafFor(["admin@example.com"]), [one, two]);
    expect(evaluatePolicy(policyOf(1, one, two), false, factsAt(middle, proof)).passed).toBe(false);
    expect(evaluatePolicy(policyOf(1, one), false, factsAt(middle, proof)).passed).toBe(false);
  });

  it("count one name once, whatever keys and certificates it has", async () => {
    const [one, two] = [await corp(["ci@example.com"]), await corp(["ci@example.com"], root, "again")];
    const proofs = [
      await proofBy(leafFor(["ci@example.com"]), [one]),
      await proofBy(leafFor(["ci@example.com"]), [one]),
    ];
    expect(evaluatePolicy(policyOf(2, one, two), false, factsAt(middle, ...proofs)).passed).toBe(false);
    const both = [await corp(["a@example.com"], root, "a"), await corp(["b@example.com"], root, "b")] as const;
    const [certificate, again] = [
      leafFor(["a@example.com", "b@example.com"]),
      leafFor(["a@example.com", "b@example.com"]),
    ];
    const same = [await proofBy(certificate, both), await proofBy(again, both, { n: "2" })];
    expect(evaluatePolicy(policyOf(2, ...both), false, factsAt(middle, ...same)).passed).toBe(false);
    const apart = [await proofBy(leafFor(["a@example.com"]), both), await proofBy(leafFor(["b@example.com"]), both)];
    expect(evaluatePolicy(policyOf(2, ...both), false, factsAt(middle, ...apart)).passed).toBe(true);
  });

  it("do not keep a trusted key from counting whose certificate has ended, read after the decision began", async () => {
    const authority = await corp(["ci@example.com"]);
    const leaf = leafFor(["ci@example.com"]);
    const { publicKey, ...rest } = signerOf(leaf.key.privateKey);
    const signer = { ...rest, publicKey, certificate: async () => ({ leaf: parse(leaf), issuers: [] }) };
    const key: KeyAuthority = { kind: "key", name: "release", keys: [publicKey] };
    const request = {
      image,
      subject: { mediaType: "x", digest: subject, size: 1 },
      signer,
      annotations: {},
      now: middle,
    };
    const { bundle } = await cosign.sign(request);
    const proof = await cosign.verify(bundle, subject, trustIn([authority, key]), end + 60_000);
    if (proof.kind !== "signature") throw new Error("an image signature was made");
    const result = evaluatePolicy(policyOf(1, key), false, factsAt(end + 59_000, proof));
    expect(result).toMatchObject({ passed: true, satisfiedBy: [{ signer: { kind: "key" } }] });
    expect(result.satisfiedBy[0]?.expiresAt).toBeUndefined();
    expect(evaluatePolicy(policyOf(1, authority), false, factsAt(end + 59_000, proof)).passed).toBe(false);
  });

  it("count a key once that signs with two names", async () => {
    const key = ecKey();
    const both = [await corp(["a@example.com"], root, "a"), await corp(["b@example.com"], root, "b")] as const;
    const proofs = [
      await proofBy(leafFor(["a@example.com"], root, key), both),
      await proofBy(leafFor(["b@example.com"], root, key), both),
    ];
    expect(evaluatePolicy(policyOf(2, ...both), false, factsAt(middle, ...proofs)).passed).toBe(false);
  });
});

describe("authorities with identities", () => {
  const world = createWorld();
  const now = world.now();
  const root = parseTrustRoot(trustedRootOf(world), { name: "test", source: { kind: "file" } });
  const repository = "https://github.com/acme/app";
  const hex = createHash("sha256").update("image").digest("hex");

  async function proofOf(recipe: Recipe, authorities: readonly Authority[]): Promise<VerifiedSignature> {
    const { bundle } = makeBundle(world, { subject: hex, ...recipe });
    const content = Buffer.from(JSON.stringify(bundle));
    const proof = await sigstoreBundle.verify(bundleOf(content, digestOf(content)), subject, trustIn(authorities), now);
    // The statements of these bundles attest; who signed them is counted alike.
    return { ...proof, kind: "signature" } as unknown as VerifiedSignature;
  }

  async function ci(rule: Parameters<typeof toKeylessIdentity>[0], from: TrustRoot = root): Promise<Authority> {
    return { kind: "keyless", name: "ci", root: from, identities: [await toKeylessIdentity(rule)] };
  }

  const claims = githubClaims();
  const sourceRepositoryURI = String((claims["sourceRepositoryURI"] as string | undefined) ?? repository);

  it("are satisfied by issuer and subject, at the verified time, for ever", async () => {
    const authority = await ci({ issuer: githubIssuer, subjectRegex: "https://github\\.com/.*" });
    const result = evaluatePolicy(policyOf(1, authority), false, factsAt(now, await proofOf({}, [authority])));
    expect(result).toMatchObject({
      passed: true,
      satisfiedBy: [{ signer: { kind: "keyless", issuer: githubIssuer }, trustRoot: { name: "test" } }],
    });
    expect(result.satisfiedBy[0]?.signedAt).toBeDefined();
    expect(result.satisfiedBy[0]?.expiresAt).toBeUndefined();
  });

  it.each([
    ["another issuer", { issuer: "https://accounts.google.com", subjectRegex: ".*" }],
    ["an issuer that is longer", { issuerRegex: "https://token\\.actions", subjectRegex: ".*" }],
    ["a part of the subject", { issuer: githubIssuer, subjectRegex: "github\\.com/.*" }],
    ["another repository", { issuer: githubIssuer, claims: { sourceRepositoryURI: "https://github.com/eve/app" } }],
    ["a claim that is not there", { issuer: githubIssuer, claims: { deploymentEnvironment: "production" } }],
  ])("are not satisfied by %s", async (_what, rule) => {
    const authority = await ci(rule);
    const proof = await proofOf({}, [authority]);
    expect(evaluatePolicy(policyOf(1, authority), false, factsAt(now, proof)).passed).toBe(false);
  });

  it("are satisfied by claims of the certificate", async () => {
    const authority = await ci({ issuer: githubIssuer, claims: { sourceRepositoryURI } });
    const proof = await proofOf({}, [authority]);
    expect(evaluatePolicy(policyOf(1, authority), false, factsAt(now, proof)).passed).toBe(true);
  });

  it("are told beside the signer where they are not those that are asked for", async () => {
    const authority = await ci({ issuer: githubIssuer, claims: { runnerEnvironment: "self-hosted" } });
    const { findings } = evaluatePolicy(policyOf(1, authority), false, factsAt(now, await proofOf({}, [authority])));
    expect(findings.find(({ code }) => code === "SIGNER_NOT_TRUSTED")).toMatchObject({
      expected: expect.stringContaining("with runnerEnvironment self-hosted"),
      found: expect.stringContaining("with runnerEnvironment github-hosted"),
    });
  });

  it("are not satisfied through another trust root, though it proved the signature for another policy", async () => {
    const strange = createWorld();
    const elsewhere = parseTrustRoot(trustedRootOf(strange), { name: "elsewhere", source: { kind: "file" } });
    const rule = { issuer: githubIssuer, subjectRegex: ".*" };
    const [mine, theirs] = [await ci(rule, elsewhere), await ci(rule)];
    const proof = await proofOf({}, [mine, theirs]);
    expect(evaluatePolicy(policyOf(1, theirs), false, factsAt(now, proof)).passed).toBe(true);
    expect(evaluatePolicy(policyOf(1, mine), false, factsAt(now, proof)).passed).toBe(false);
  });

  it("are not satisfied through a root that nobody renewed, and say when one is near to that", async () => {
    const day = 24 * 3_600_000;
    const aged = (days: number): TrustRoot => {
      const expires = now - days * day;
      return { ...root, source: { kind: "tuf", mirror: "https://tuf.example", fetched: expires, expires } };
    };
    const rule = { issuer: githubIssuer, subjectRegex: ".*" };
    const [fresh, stale, dead] = [await ci(rule, aged(-1)), await ci(rule, aged(3)), await ci(rule, aged(31))];
    const proof = await proofOf({}, [fresh]);
    const judged = [fresh, stale, dead].map((authority) => {
      const policy = policyOf(1, authority);
      const result = evaluatePolicy(policy, false, factsAt(now, proof));
      return { result, unsafe: rootWarnings([{ policy, excluded: false } as never], [result], now).length };
    });
    expect(judged.map(({ result, unsafe }) => [result.passed, unsafe])).toEqual([
      [true, 0],
      [true, 1],
      [false, 0],
    ]);
    expect(judged[2]?.result.findings).toMatchObject([{ code: "ROOT_STALE", category: "unavailable" }]);
  });
});

describe("keys with a log", () => {
  const world = createWorld();
  const now = world.now();
  const root = parseTrustRoot(trustedRootOf(world), { name: "test", source: { kind: "file" } });
  const publicKey = toPublicKey(keyOf("p256").publicKey);
  const hex = createHash("sha256").update("image").digest("hex");
  const at = Math.floor(now / 1000) * 1000 - 3_600_000;
  const authority = (more: Partial<KeyAuthority>): KeyAuthority => ({
    kind: "key",
    name: "release",
    keys: [publicKey],
    ...more,
  });

  async function judge(own: KeyAuthority, recipe: Recipe, change: (bundle: object) => object = (bundle) => bundle) {
    const { bundle } = makeBundle(world, { signer: "key", subject: hex, at, ...recipe });
    const content = Buffer.from(JSON.stringify(change(bundle as object)));
    const claim = bundleOf(content, digestOf(content));
    const proof = await sigstoreBundle.verify(claim, subject, trustIn([own]), now);
    return evaluatePolicy(
      policyOf(1, own),
      false,
      factsAt(now, { ...proof, kind: "signature" } as unknown as VerifiedSignature),
    );
  }

  const lostAt = (time: number) => ({ lifetime: { revoked: { at: time, reason: "lost" } } });

  it("count although the key was revoked since, by the time that the log has verified", async () => {
    expect((await judge(authority({ root, ...lostAt(at + 60_000) }), { log: "v1" } as Recipe)).passed).toBe(true);
    expect(await judge(authority({ root, ...lostAt(at - 60_000) }), {})).toMatchObject({
      passed: false,
      findings: [{ code: "KEY_REVOKED" }],
    });
  });

  it("do not count so where the root is not the authority's: anybody may run a log", async () => {
    expect(await judge(authority(lostAt(at + 60_000)), {})).toMatchObject({ findings: [{ code: "KEY_REVOKED" }] });
    const strange = parseTrustRoot(trustedRootOf(createWorld()), { name: "strange", source: { kind: "file" } });
    expect(await judge(authority({ root: strange, ...lostAt(at + 60_000) }), {})).toMatchObject({
      findings: [{ code: "KEY_REVOKED" }],
    });
  });

  it("count by the verified time after the time of the key is over", async () => {
    expect((await judge(authority({ root, lifetime: { validUntil: at + 60_000 } }), {})).passed).toBe(true);
    expect((await judge(authority({ lifetime: { validUntil: at + 60_000 } }), {})).passed).toBe(false);
  });

  it("need the evidence that is required", async () => {
    const log = authority({ root, require: { log: true, timestamp: false } });
    const both = authority({ root, require: { log: true, timestamp: true } });
    expect((await judge(log, {})).passed).toBe(true);
    expect((await judge(both, { timestamp: true })).passed).toBe(true);
    expect(await judge(both, {})).toMatchObject({ findings: [{ code: "EVIDENCE_MISSING" }] });
    const bare = (bundle: object) => ({ ...bundle, verificationMaterial: { publicKey: { hint: "" } } });
    expect(await judge(log, {}, bare)).toMatchObject({ passed: false, findings: [{ code: "EVIDENCE_MISSING" }] });
  });

  it("need a log that is still to be believed, where nothing says when it took the entry", async () => {
    const require = { log: true, timestamp: false };
    const written = trustedRootOf(world);
    const tlogs = written.tlogs.map((log) => {
      const key = log["publicKey"] as { readonly validFor: object };
      return { ...log, publicKey: { ...key, validFor: { ...key.validFor, end: new Date(now).toISOString() } } };
    });
    const ended = parseTrustRoot({ ...written, tlogs }, { name: "test", source: { kind: "file" } });
    expect((await judge(authority({ root, require }), { log: "v2" })).passed).toBe(true);
    expect(await judge(authority({ root: ended, require }), { log: "v2" })).toMatchObject({
      findings: [{ code: "EVIDENCE_MISSING" }],
    });
    expect((await judge(authority({ root: ended, require }), { log: "v2", timestamp: true })).passed).toBe(true);
    expect((await judge(authority({ root: ended, require }), { log: "v1" })).passed).toBe(true);
  });

  it("do not count with an entry that the root refuses; without a root nobody asks", async () => {
    const broken = (bundle: object) =>
      JSON.parse(JSON.stringify(bundle).replace(/"signedEntryTimestamp":"..../, '"signedEntryTimestamp":"AAAA'));
    expect((await judge(authority({ root }), {}, broken)).passed).toBe(false);
    expect((await judge(authority({}), {}, broken)).passed).toBe(true);
  });

  it("are not proved by a stranger's key because a log knows it", async () => {
    const stranger = authority({ keys: [newSigner().publicKey], root });
    await expect(judge(stranger, {})).rejects.toMatchObject({ code: "SIGNER_NOT_TRUSTED" });
  });
});
