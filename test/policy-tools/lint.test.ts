import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { loadPolicies } from "../../src/policy/load.ts";
import { checkPolicies } from "../../src/policy-tools/check.ts";
import { tempDir } from "../support/process.ts";
import { newSigner } from "../support/signers.ts";

const folder = tempDir("lint");
afterAll(() => folder.cleanup());
const now = Date.parse("2026-11-20T00:00:00Z");
const [alice, bob] = [newSigner(), newSigner()];
let serial = 0;

const keyOf = (signer = alice, more: object = {}) => ({
  key: { data: signer.publicKey.keyObject.export({ type: "spki", format: "pem" }).toString(), ...more },
});
const release = { name: "release", ...keyOf() };
const policy = (spec: object, name = "production", metadata: object = {}) => ({
  apiVersion: "imagetrust.dev/v1alpha1",
  kind: "ClusterTrustPolicy",
  metadata: { name, ...metadata },
  spec: { images: [{ glob: "registry.example.com/**" }], authorities: [release], ...spec },
});
const keyless = (identity: object) => policy({ authorities: [{ name: "ci", keyless: { identities: [identity] } }] });
const exception = (spec: object) => ({
  ...policy({}),
  kind: "TrustException",
  metadata: { name: "incident" },
  spec: { images: [{ glob: "registry.example.com/app" }], expires: "2026-12-01T00:00:00Z", reason: "because", ...spec },
});

/** What is found in these documents: `CODE LINE`, by the line of the pretty JSON that it points to. */
async function lint(...documents: readonly object[]) {
  const name = `${serial++}.yaml`;
  const text = documents.map((document) => JSON.stringify(document, undefined, 1)).join("\n---\n");
  writeFileSync(join(folder.path, name), text);
  const { lints, problems } = await checkPolicies({
    load: () => loadPolicies([name], folder.path),
    cwd: folder.path,
    now,
  });
  expect(problems).toEqual([]);
  const lines = text.split("\n");
  return lints.map(({ code, place, message, advice }) => {
    expect(place).toMatch(/^\d+\.yaml:\d+:\d+$/);
    return { code, at: lines[Number(place.split(":")[1]) - 1]?.trim() ?? "", message, advice };
  });
}
const codes = async (...documents: readonly object[]) => (await lint(...documents)).map(({ code }) => code);

describe("a policy that means what it says", () => {
  it("gets no remark", async () => {
    expect(await lint(policy({}))).toEqual([]);
    expect(await lint(policy({ exclude: ["registry.example.com/base/*"], threshold: 1 }))).toEqual([]);
    const subject = "https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main";
    const issuer = "https://token.actions.githubusercontent.com";
    expect(await lint(keyless({ issuer, subject }))).toEqual([]);
    const subjectRegex = "https://github\\.com/acme/[^/]+/\\.github/workflows/release\\.yml@refs/tags/v.*";
    expect(await lint(keyless({ issuer, subjectRegex }))).toEqual([]);
  });
});

describe("images", () => {
  it("that exclude covers are never judged", async () => {
    const images = [{ glob: "registry.example.com/prod/**" }, { glob: "registry.example.com/base/*" }];
    expect(await lint(policy({ images, exclude: ["registry.example.com/base/**"] }))).toMatchObject([
      { code: "image-excluded", at: expect.stringContaining("base/*") },
    ]);
  });

  it("that another pattern covers add nothing", async () => {
    const images = [{ glob: "registry.example.com/prod/app" }, { glob: "registry.example.com/**" }];
    expect(await lint(policy({ images }))).toMatchObject([
      { code: "image-covered", at: expect.stringContaining("prod/app") },
    ]);
    const tagged = [{ glob: "registry.example.com/**", tags: ["v*"] }, { glob: "registry.example.com/prod/app" }];
    expect(await codes(policy({ images: tagged }))).toEqual([]);
    const twice = [{ glob: "registry.example.com/**" }, { glob: "registry.example.com/**" }];
    expect(await codes(policy({ images: twice }))).toEqual(["image-covered"]);
  });

  it("are not excluded by a glob of elsewhere", async () => {
    expect(await codes(policy({ exclude: ["other.example.com/**"] }))).toEqual(["exclude-for-nothing"]);
  });

  it("without a registry are Docker Hub's, which is said", async () => {
    const found = await lint(
      policy({ images: [{ glob: "nginx" }, { glob: "acme/*" }, { glob: "docker.io/library/redis" }] }),
    );
    expect(found).toMatchObject([
      { code: "glob-docker-hub", message: expect.stringContaining("docker.io/library/nginx") },
      { code: "glob-docker-hub", message: expect.stringContaining("docker.io/acme/*") },
    ]);
  });

  it("have no tags that start with a dot or a dash", async () => {
    const images = [{ glob: "registry.example.com/**", tags: ["v*", "-rc*"] }];
    expect(await lint(policy({ images }))).toMatchObject([
      { code: "glob-never-matches", at: expect.stringContaining("-rc") },
    ]);
  });
});

describe("match", () => {
  it.each([
    ["a resource without images", { resources: ["services"] }],
    ["a resource of another group", { apiGroups: ["apps"], resources: ["pods"] }],
    ["a group without images", { apiGroups: ["networking.k8s.io"] }],
    [
      "a label with and without a value",
      {
        objectSelector: { matchLabels: { a: "x" }, matchExpressions: [{ key: "a", operator: "NotIn", values: ["x"] }] },
      },
    ],
    [
      "a label that is there and is not",
      {
        namespaceSelector: {
          matchExpressions: [
            { key: "a", operator: "Exists" },
            { key: "a", operator: "DoesNotExist" },
          ],
        },
      },
    ],
  ])("never holds for %s", async (_, match) => {
    expect(await codes(policy({ match: [{ resources: ["deployments"] }, match] }))).toEqual(["match-never-matches"]);
  });
});

describe("signers", () => {
  it("decide nothing beside one that passes everything", async () => {
    const open = { name: "legacy", static: { action: "pass" } };
    expect(await codes(policy({ authorities: [release, open] }))).toEqual(["authority-never-used"]);
  });

  it("decide nothing where no signature is asked for and no attestation by them", async () => {
    const authorities = [release, { name: "ci", ...keyOf(bob) }];
    const attestations = [{ name: "p", predicateType: "https://slsa.dev/provenance/v1", authorities: ["ci"] }];
    expect(await lint(policy({ authorities, threshold: 0, attestations }))).toMatchObject([
      { code: "authority-never-used", message: expect.stringContaining("release") },
    ]);
  });

  it("with a key in common are one", async () => {
    const authorities = [release, { name: "again", ...keyOf() }];
    expect(await codes(policy({ authorities }))).toEqual(["key-shared"]);
  });

  it("have keys that end", async () => {
    const until = (validUntil: string) =>
      policy({ authorities: [{ name: "release", ...keyOf(alice, { validUntil }) }] });
    expect(await codes(until("2026-11-01T00:00:00Z"))).toEqual(["key-expired"]);
    expect(await codes(until("2026-12-01T00:00:00Z"))).toEqual(["key-expires-soon"]);
    expect(await codes(until("2027-12-01T00:00:00Z"))).toEqual([]);
    const revoked = { revoked: { at: "2026-01-01T00:00:00Z", reason: "lost" } };
    expect(await codes(policy({ authorities: [{ name: "release", ...keyOf(alice, revoked) }] }))).toEqual([
      "key-expired",
    ]);
  });

  it.each([
    ["https://slsa.dev/provenance/V1", "https://slsa.dev/provenance/v1"],
    ["http://spdx.dev/Document", "https://spdx.dev/Document"],
    ["cosign:slsaprovenance1", "https://slsa.dev/provenance/v1"],
  ])("attest no type %s", async (predicateType, advice) => {
    const found = await lint(policy({ attestations: [{ name: "a", predicateType }] }));
    expect(found).toMatchObject([{ code: "predicate-type-unknown", advice }]);
  });

  it("may attest types of their own, and versions of known ones", async () => {
    for (const predicateType of [
      "https://acme.example/scan/v1",
      "https://slsa.dev/provenance/v0.2",
      "https://slsa.dev/provenance/v2",
    ])
      expect(await codes(policy({ attestations: [{ name: "a", predicateType }] }))).toEqual([]);
  });
});

describe("identities", () => {
  const issuer = "https://token.actions.githubusercontent.com";
  const subject = "https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main";
  it.each([
    ["everybody", { issuer, subjectRegex: ".*" }, "regex-matches-all"],
    ["everybody, in other words", { issuer, subjectRegex: "^(?s:.+)$" }, "regex-matches-all"],
    ["every issuer", { issuerRegex: ".*", subject }, "regex-matches-all"],
    ["every host in front", { issuer, subjectRegex: ".*github\\.com/acme/.*" }, "regex-too-wide"],
    [
      "a host with a dot for anything",
      { issuer, subjectRegex: "https://github.com/acme/app/[a-z]+" },
      "regex-too-wide",
    ],
    ["longer names of others", { issuer, subjectRegex: "https://github\\.com/acme.*" }, "regex-too-wide"],
    ["nobody: a wildcard in an exact name", { issuer, subject: "https://github.com/acme/*" }, "identity-never-matches"],
    ["nobody: an issuer with a slash too many", { issuer: `${issuer}/`, subject }, "identity-never-matches"],
    ["nobody: an issuer that is no URL", { issuer: "accounts.google.com", subject }, "identity-never-matches"],
  ])("that are %s", async (_, identity, code) => {
    expect(await codes(keyless(identity))).toEqual([code]);
  });
});

describe("exceptions", () => {
  it("that are over, and that except nothing", async () => {
    expect(await codes(policy({}), exception({}))).toEqual([]);
    expect(await codes(policy({}), exception({ expires: "2026-11-01T00:00:00Z" }))).toEqual(["exception-expired"]);
    expect(await lint(policy({}), exception({ policies: ["prodution"] }))).toMatchObject([
      { code: "exception-for-nothing", message: expect.stringContaining("did you mean production?") },
    ]);
    expect(await codes(policy({}), exception({ images: [{ glob: "other.example.com/**" }] }))).toEqual([
      "exception-for-nothing",
    ]);
  });
});

describe("policies together", () => {
  it("shadow one that asks for no more", async () => {
    const narrow = policy({ images: [{ glob: "registry.example.com/prod/**" }] }, "narrow");
    expect(await lint(policy({}), narrow)).toMatchObject([
      { code: "policy-shadowed", message: expect.stringMatching(/^narrow /) },
    ]);
    expect(await codes(policy({}), policy({}, "twin"))).toEqual(["policy-shadowed"]);
  });

  it("shadow none that asks for more, or that reaches further", async () => {
    const images = [{ glob: "registry.example.com/prod/**" }];
    const others = [
      policy({ images, threshold: 2, authorities: [release, { name: "ci", ...keyOf(bob) }] }, "more-signers"),
      policy({ images, authorities: [{ name: "ci", ...keyOf(bob) }] }, "other-signer"),
      policy({ images, freshness: { maxAge: "30d" } }, "fresh"),
      policy({ images: [{ glob: "**" }] }, "wider"),
    ];
    for (const other of others)
      expect((await codes(policy({}), other)).filter((code) => code === "policy-shadowed").length).toBe(
        other.metadata.name === "wider" ? 1 : 0,
      );
    expect(await codes(policy({ exclude: ["registry.example.com/prod/base"] }), policy({ images }, "narrow"))).toEqual(
      [],
    );
  });

  it("enforce, or everything falls to the default", async () => {
    expect(await codes(policy({ mode: "warn" }))).toEqual(["nobody-enforces"]);
  });
});

describe("policies of policy-controller", () => {
  const foreign = (authority: object, more: object = {}) => ({
    apiVersion: "policy.sigstore.dev/v1beta1",
    kind: "ClusterImagePolicy",
    metadata: { name: "foreign" },
    spec: { images: [{ glob: "registry.example.com/**" }], authorities: [authority], ...more },
  });
  const issuer = "https://token.actions.githubusercontent.com";
  const keylessBy = (identity: object) =>
    foreign({ keyless: { url: "https://fulcio.sigstore.dev", identities: [identity] } });

  it("get no remarks about what only native policies do", async () => {
    const { data } = keyOf().key as { data: string };
    expect(await codes(foreign({ key: { data } }, { images: [{ glob: "nginx" }, { glob: "nginx*" }] }))).toEqual([]);
  });

  it("have expressions that match anywhere, which is said", async () => {
    expect(await codes(keylessBy({ issuer, subjectRegExp: "https://github\\.com/acme/" }))).toEqual(["regex-too-wide"]);
    expect(await codes(keylessBy({ issuer, subjectRegExp: "^https://github\\.com/acme/.*$" }))).toEqual([]);
    expect(await codes(keylessBy({ issuer, subjectRegExp: "." }))).toEqual(["regex-matches-all"]);
  });

  it("have constructs that are not judged here, which is said", async () => {
    const rule = { type: "cue", data: "x: 1" };
    expect(await codes(foreign({ static: { action: "pass" } }, { policy: rule }))).toEqual(["foreign-construct"]);
  });
});
