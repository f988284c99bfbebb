import { describe, expect, it } from "vitest";
import { parseReference } from "../../../src/oci/reference.ts";
import { evaluatePolicy } from "../../../src/policy/evaluate.ts";
import { type Imported, importPolicies } from "../../../src/policy/import/import.ts";
import { matchPolicies } from "../../../src/policy/match.ts";
import { parsePolicies } from "../../../src/policy/parse.ts";
import type { PolicySet } from "../../../src/policy/policy.ts";
import { toPolicySet } from "../../../src/policy/policy-set.ts";
import { foreignRoot, foreignSet, imagePolicy, pem, sigstoreKeysOf } from "../../support/foreign.ts";
import { attestationBy, signatureBy, subject } from "../../support/proofs.ts";
import { newSigner } from "../../support/signers.ts";
import { createWorld } from "../../support/sigstore/world.ts";

const [alice, bob, eve] = [newSigner(), newSigner(), newSigner()];
const vuln = "https://cosign.sigstore.dev/attestation/vuln/v1";

const importing = (...documents: readonly unknown[]): Promise<Imported> =>
  importPolicies([{ name: "source.yaml", text: documents.map((one) => JSON.stringify(one, null, 1)).join("\n---\n") }]);

/** What was written, as it loads from one file. */
async function loaded({ conversions }: Imported): Promise<PolicySet> {
  return toPolicySet([await parsePolicies(conversions.map(({ text }) => `---\n${text}`).join(""), "made.yaml")]);
}

/** Whether a set lets an image pass; no match denies. */
async function admits(
  set: PolicySet,
  image: string,
  evidence: {
    readonly proofs?: readonly Awaited<ReturnType<typeof signatureBy>>[];
    readonly attestations?: readonly Awaited<ReturnType<typeof attestationBy>>[];
  } = {},
): Promise<boolean> {
  const ref = parseReference(image);
  const matched = matchPolicies(set, ref);
  const facts = { ref, now: 0, subject, proofs: [], attestations: [], findings: [], ...evidence };
  return (
    matched.length > 0 &&
    matched.every(({ policy, excluded }) => policy.mode !== "enforce" || evaluatePolicy(policy, excluded, facts).passed)
  );
}

const app = "registry.example.com/acme/app:1";
const byKey = (name: string, signer = alice, more: object = {}) => ({ name, key: { data: pem(signer) }, ...more });

describe("an imported ClusterImagePolicy", () => {
  it("says the same where everything has an equivalent", async () => {
    const images = [{ glob: "registry.example.com/**" }, { glob: "*" }, { glob: "ghcr.io/acme/app:v1*" }];
    const result = await importing(imagePolicy({ images, authorities: [byKey("a"), byKey("b", bob)] }));
    expect(result.losses).toEqual([]);
    const set = await loaded(result);
    expect(await admits(set, app, { proofs: [await signatureBy(bob)] })).toBe(true);
    expect(await admits(set, app, { proofs: [await signatureBy(eve)] })).toBe(false);
    const matches = (image: string) => matchPolicies(set, parseReference(image)).length > 0;
    expect([
      matches("nginx"),
      matches("ghcr.io/acme/app:v1.2"),
      matches("ghcr.io/acme/app:v2"),
      matches("acme/x"),
    ]).toEqual([true, true, false, false]);
  });

  it("keeps the attestations of its only authority", async () => {
    const attestations = [{ name: "scan", predicateType: "vuln" }];
    const result = await importing(imagePolicy({ authorities: [byKey("a", alice, { attestations })] }));
    expect(result.losses).toEqual([]);
    const set = await loaded(result);
    expect(await admits(set, app, { attestations: [await attestationBy(alice, {}, { type: vuln })] })).toBe(true);
    expect(await admits(set, app, { proofs: [await signatureBy(alice)] })).toBe(false);
  });

  it("leaves out who attests beside others who sign, and says where", async () => {
    const attestations = [{ name: "scan", predicateType: "vuln" }];
    const result = await importing(
      imagePolicy({ authorities: [byKey("a", alice, { attestations }), byKey("b", bob)] }),
    );
    expect(result.losses).toMatchObject([{ place: expect.stringMatching(/^source\.yaml:\d+:\d+$/) }]);
    const set = await loaded(result);
    expect(await admits(set, app, { proofs: [await signatureBy(bob)] })).toBe(true);
    expect(await admits(set, app, { attestations: [await attestationBy(alice, {}, { type: vuln })] })).toBe(false);
  });

  it.each([
    ["a rule in CUE", { authorities: [byKey("a")], policy: { type: "cue", data: "x" } }],
    ["keys elsewhere", { authorities: [{ key: { kms: "hashivault://k" } }] }],
    [
      "a digest in a glob",
      { images: [{ glob: `${app.split(":")[0]}@sha256:${"5".repeat(64)}` }], authorities: [byKey("a")] },
    ],
    ["a glob over parts of hosts", { images: [{ glob: "regis**" }], authorities: [byKey("a")] }],
    ["roots that are not there", { authorities: [byKey("a", alice, { ctlog: { trustRootRef: "gone" } })] }],
  ])("refuses what has no equivalent: %s", async (_what, spec) => {
    const result = await importing(imagePolicy(spec));
    expect(result.losses.length).toBeGreaterThan(0);
    const set = await loaded(result);
    expect(set.policies.length).toBeGreaterThan(0);
    expect(await admits(set, app, { proofs: [await signatureBy(alice)] })).toBe(false);
    expect(matchPolicies(set, parseReference(app)).length).toBeGreaterThan(0);
  });

  it("has expressions match anywhere, and what is no expression by itself never loads", async () => {
    const identities = [{ issuerRegExp: "github", subjectRegExp: "acme|eve" }];
    const result = await importing(imagePolicy({ authorities: [{ keyless: { identities } }] }));
    expect(result.losses).toEqual([]);
    const { policies } = await loaded(result);
    expect(policies[0]?.authorities[0]).toMatchObject({
      kind: "keyless",
      root: { name: "public-good", require: { log: 1 } },
      identities: [{ subjectRegex: "(?s:.*)(?:acme|eve)(?s:.*)" }],
    });
  });

  it("takes its TrustRoot along", async () => {
    const root = foreignRoot("own", { sigstoreKeys: sigstoreKeysOf(createWorld()) });
    const keyless = { trustRootRef: "own", identities: [{ issuer: "i", subject: "s" }] };
    const result = await importing(root, imagePolicy({ authorities: [{ keyless, ctlog: { trustRootRef: "own" } }] }));
    expect(result.losses).toEqual([]);
    expect(result.conversions.map(({ kind }) => kind)).toEqual(["TrustRoot", "ClusterTrustPolicy"]);
    const { policies } = await loaded(result);
    expect(policies[0]?.authorities[0]).toMatchObject({ root: { name: "own", require: { log: 1, sct: 1 } } });
  });

  it("never admits what the source refuses", async () => {
    const attestations = [{ name: "scan", predicateType: "vuln" }];
    const authorities = [
      [byKey("a")],
      [byKey("a"), byKey("b", bob)],
      [byKey("a", alice, { attestations })],
      [byKey("a", alice, { attestations }), byKey("b", bob, { attestations })],
      [byKey("a"), { name: "s", static: { action: "fail" } }],
      [{ name: "s", static: { action: "pass" } }],
      [{ key: { secretRef: { name: "x" } } }, byKey("b", bob)],
    ];
    const globs = [
      "**",
      "registry.example.com/**",
      "registry.example.com/acme/app",
      "registry.example.com/*/app:1",
      "*",
      "*/**",
    ];
    const evidence = [
      {},
      { proofs: [await signatureBy(alice)] },
      { proofs: [await signatureBy(bob)] },
      { proofs: [await signatureBy(eve)] },
      { attestations: [await attestationBy(alice, {}, { type: vuln })] },
    ];
    let admitted = 0;
    for (const glob of globs)
      for (const list of authorities) {
        const document = imagePolicy({ images: [{ glob }], authorities: list });
        const [source, made] = [await foreignSet(document), await loaded(await importing(document))];
        for (const facts of evidence)
          for (const image of [app, "registry.example.com/acme/app", "nginx"]) {
            if (!(await admits(made, image, facts))) continue;
            admitted++;
            expect(await admits(source, image, facts), `${glob} ${JSON.stringify(list)} ${image}`).toBe(true);
          }
      }
    expect(admitted).toBeGreaterThan(20);
  });
});

const kyverno = (verifyImages: readonly object[], more: object = {}, rule: object = {}) => ({
  apiVersion: "kyverno.io/v1",
  kind: "ClusterPolicy",
  metadata: { name: "check" },
  spec: {
    validationFailureAction: "Enforce",
    rules: [{ name: "signed", match: { any: [{ resources: { kinds: ["Pod"] } }] }, verifyImages, ...rule }],
    ...more,
  },
});
const noLog = { rekor: { ignoreTlog: true } };
const entry = (...signers: readonly (typeof alice)[]) => ({
  keys: { publicKeys: signers.map(pem).join(""), ...noLog },
});
const imageReferences = ["registry.example.com/*"];

describe("an imported verifyImages rule of Kyverno", () => {
  it("asks for all entries of a set, and for all sets", async () => {
    const attestors = [{ entries: [entry(alice), entry(bob)] }];
    const both = await importing(kyverno([{ imageReferences, attestors }]));
    expect(both.losses).toEqual([]);
    const [a, b] = [await signatureBy(alice), await signatureBy(bob)];
    const set = await loaded(both);
    expect(await admits(set, app, { proofs: [a] })).toBe(false);
    expect(await admits(set, app, { proofs: [a, b] })).toBe(true);
    const sets = await loaded(
      await importing(
        kyverno([{ imageReferences, attestors: [{ entries: [entry(alice)] }, { entries: [entry(bob)] }] }]),
      ),
    );
    expect(await admits(sets, app, { proofs: [a] })).toBe(false);
    expect(await admits(sets, app, { proofs: [a, b] })).toBe(true);
  });

  it("asks for `count` of the entries, and takes each key of a text for one", async () => {
    const attestors = [{ count: 1, entries: [entry(alice, bob)] }];
    const one = await loaded(await importing(kyverno([{ imageReferences, attestors }])));
    expect(await admits(one, app, { proofs: [await signatureBy(bob)] })).toBe(true);
    const all = await loaded(
      await importing(kyverno([{ imageReferences, attestors: [{ entries: [entry(alice, bob)] }] }])),
    );
    expect(await admits(all, app, { proofs: [await signatureBy(bob)] })).toBe(false);
  });

  it("asks for an entry in the public log where the rule does not say otherwise", async () => {
    const attestors = [
      { entries: [{ keys: { publicKeys: pem(alice) } }, { keyless: { issuer: "https://i", subject: "*@acme.com" } }] },
    ];
    const { policies } = await loaded(await importing(kyverno([{ imageReferences, attestors }])));
    expect(policies[0]).toMatchObject({
      threshold: 2,
      authorities: [
        { kind: "key", require: { log: true } },
        { kind: "keyless", root: { require: { log: 1 } }, identities: [{ subjectRegex: "(?s:.*)@acme\\.com" }] },
      ],
    });
  });

  it.each([
    ["a key in a Secret", { attestors: [{ entries: [{ keys: { secret: { name: "a", namespace: "b" } } }] }] }],
    ["one expressible entry of two", { attestors: [{ entries: [entry(alice), { certificates: { cert: "x" } }] }] }],
    ["Notary", { type: "Notary", attestors: [{ entries: [entry(alice)] }] }],
    [
      "conditions",
      { attestors: [{ entries: [entry(alice)] }], attestations: [{ type: vuln, conditions: [{ all: [] }] }] },
    ],
    ["nobody", {}],
    [
      "an expression that closes a group",
      { attestors: [{ entries: [{ keyless: { issuer: "i", subjectRegExp: "a)|(b" } }] }] },
    ],
    ["the same key twice", { attestors: [{ entries: [entry(alice), entry(alice)] }] }],
  ])("refuses what has no equivalent: %s", async (_what, verify) => {
    const result = await importing(kyverno([{ imageReferences, ...verify }]));
    expect(result.losses.length).toBeGreaterThan(0);
    const set = await loaded(result);
    expect(matchPolicies(set, parseReference(app)).length).toBeGreaterThan(0);
    expect(await admits(set, app, { proofs: [await signatureBy(alice)] })).toBe(false);
  });

  it("asks for attestations by their attestors", async () => {
    const attestations = [{ type: vuln, attestors: [{ entries: [entry(bob)] }] }];
    const result = await importing(
      kyverno([{ imageReferences, attestors: [{ entries: [entry(alice)] }], attestations }]),
    );
    expect(result.losses).toEqual([]);
    const set = await loaded(result);
    const proofs = [await signatureBy(alice)];
    expect(await admits(set, app, { proofs })).toBe(false);
    expect(await admits(set, app, { proofs, attestations: [await attestationBy(bob, {}, { type: vuln })] })).toBe(true);
    expect(await admits(set, app, { proofs, attestations: [await attestationBy(eve, {}, { type: vuln })] })).toBe(
      false,
    );
  });

  it("applies more widely where it is narrowed in ways that have no equivalent, and says so", async () => {
    const attestors = [{ entries: [entry(alice)] }];
    const narrow = { exclude: { any: [{ resources: { namespaces: ["kube-system"] } }] }, preconditions: { all: [] } };
    const skipImageReferences = ["registry.example.com/skip*", "registry.example.com/one:1"];
    const verify = { imageReferences: ["registry.example.com/ap?/*"], skipImageReferences, attestors };
    const result = await importing(kyverno([verify], {}, narrow));
    expect(result.losses).toHaveLength(4);
    const [policy] = (await loaded(result)).policies;
    expect(policy).toMatchObject({
      images: [{ glob: "registry.example.com/ap**/**" }],
      exclude: ["registry.example.com/skip**"],
      match: [],
      mode: "enforce",
    });
  });

  it("only watches where the rule only audits", async () => {
    const rule = kyverno([{ imageReferences, attestors: [{ entries: [entry(alice)] }] }], {
      validationFailureAction: "Audit",
    });
    expect((await loaded(await importing(rule))).policies[0]?.mode).toBe("audit");
  });
});

describe("an imported ImageValidatingPolicy", () => {
  const key = { data: pem(alice) };
  const policy = (expressions: readonly string[], more: object = {}) => ({
    apiVersion: "policies.kyverno.io/v1",
    kind: "ImageValidatingPolicy",
    metadata: { name: "check" },
    spec: {
      matchImageReferences: [{ glob: "registry.example.com/*" }],
      attestors: [
        { name: "a", cosign: { key, ctlog: { insecureIgnoreTlog: true } } },
        { name: "b", cosign: { key: { data: pem(bob) }, ctlog: { insecureIgnoreTlog: true } } },
      ],
      attestations: [{ name: "scan", intoto: { type: vuln } }],
      validations: expressions.map((expression) => ({ expression })),
      ...more,
    },
  });
  const signed = "images.containers.map(image, verifyImageSignatures(image, [attestors.a, attestors.b])).all(e, e > 0)";

  it("understands signatures and attestations as Kyverno's documentation writes them", async () => {
    const scanned =
      "images.containers.map(image, verifyAttestationSignatures(image, attestations.scan, [attestors.a])).all(e, e > 0)";
    const result = await importing(policy([signed, scanned]));
    expect(result.losses).toEqual([]);
    const set = await loaded(result);
    const attestations = [await attestationBy(alice, {}, { type: vuln })];
    expect(await admits(set, app, { proofs: [await signatureBy(bob)], attestations })).toBe(true);
    expect(await admits(set, app, { proofs: [await signatureBy(bob)] })).toBe(false);
    expect(await admits(set, app, { attestations })).toBe(false);
  });

  it("asks for as many as the validation counts", async () => {
    const set = await loaded(await importing(policy([signed.replace("e > 0", "e >= 2")])));
    expect(await admits(set, app, { proofs: [await signatureBy(bob)] })).toBe(false);
    expect(await admits(set, app, { proofs: [await signatureBy(bob), await signatureBy(alice)] })).toBe(true);
  });

  it.each([
    ["another condition", `${signed} || true`],
    ["none of them", signed.replace("e > 0", "e == 0")],
    ["an unknown attestor", signed.replace("attestors.b", "attestors.c").replace("e > 0", "e >= 2")],
    ["other images", signed.replace("images.containers", "images.foo")],
  ])("refuses every image for a validation that it does not understand: %s", async (_what, expression) => {
    const result = await importing(policy([expression]));
    expect(result.losses.length).toBeGreaterThan(0);
    const set = await loaded(result);
    expect(await admits(set, app, { proofs: [await signatureBy(alice)] })).toBe(false);
    expect(matchPolicies(set, parseReference(app))).toHaveLength(1);
  });
});

describe("an imported policy.json of containers", () => {
  const data = (signer = alice) => Buffer.from(pem(signer)).toString("base64");
  const signedBy = (signer = alice, more: object = {}) => ({
    type: "sigstoreSigned",
    keyData: data(signer),
    signedIdentity: { type: "matchRepository" },
    ...more,
  });
  const reject = [{ type: "reject" }];

  it("lets the narrowest scope decide", async () => {
    const docker = {
      "registry.example.com": [{ type: "insecureAcceptAnything" }],
      "registry.example.com/acme": reject,
      "*.corp.example": [{ type: "insecureAcceptAnything" }],
      "a.b.corp.example": reject,
    };
    const result = await importing({ default: reject, transports: { docker } });
    expect(result.losses).toEqual([]);
    const set = await loaded(result);
    for (const [image, expected] of [
      ["registry.example.com/other:1", true],
      ["registry.example.com/acme:1", false],
      ["registry.example.com/acme/app:1", false],
      ["registry.example.com/acmes:1", true],
      ["a.corp.example/x:1", true],
      ["a.b.corp.example/x:1", false],
      ["ghcr.io/x:1", false],
      ["nginx", false],
    ] as const)
      expect(await admits(set, image), image).toBe(expected);
  });

  it("asks more, and says so, of a scope that no glob takes out of a wider one", async () => {
    const docker = { "ghcr.io/acme/app:1": [{ type: "insecureAcceptAnything" }], "ghcr.io/acme": reject };
    const result = await importing({ default: reject, transports: { docker } });
    expect(result.losses.length).toBeGreaterThan(0);
    expect(await admits(await loaded(result), "ghcr.io/acme/app:1")).toBe(false);
  });

  it("takes any key of one requirement, and needs every requirement", async () => {
    const docker = { "registry.example.com": [signedBy(), signedBy(bob)] };
    const { policies } = await loaded(await importing({ default: reject, transports: { docker } }));
    expect(policies.filter(({ signedIdentity }) => signedIdentity === "repository")).toHaveLength(2);
    const either = { ...signedBy(), keyData: undefined, keyDatas: [data(alice), data(bob)] };
    const [first] = (await loaded(await importing({ default: [either] }))).policies;
    expect(first).toMatchObject({ threshold: 1, authorities: [{ name: "key-0" }, { name: "key-1" }] });
  });

  it("compares names by default as containers/image does", async () => {
    const { policies } = await loaded(await importing({ default: [signedBy(alice, { signedIdentity: undefined })] }));
    expect(policies[0]?.signedIdentity).toBe("exact");
  });

  it("asks for an entry in the log whose key is given, and for certificates of the Fulcio that is given", async () => {
    const world = createWorld();
    const keys = sigstoreKeysOf(world) as Record<string, readonly Record<string, string>[]>;
    const rekorPublicKeyData = keys["tLogs"]?.[0]?.["publicKey"];
    const caData = keys["certificateAuthorities"]?.[0]?.["certChain"];
    const logged = await loaded(await importing({ default: [signedBy(alice, { rekorPublicKeyData })] }));
    expect(logged.policies[0]?.authorities[0]).toMatchObject({
      kind: "key",
      require: { log: true },
      root: { logs: [{}] },
    });
    const fulcio = { caData, oidcIssuer: "https://i", subjectEmail: "a@example.com" };
    const made = await importing({ default: [{ type: "sigstoreSigned", fulcio, rekorPublicKeyData }] });
    expect(made.losses).toEqual([]);
    expect((await loaded(made)).policies[0]?.authorities[0]).toMatchObject({
      kind: "keyless",
      root: { require: { log: 1 } },
      identities: [{ issuer: "https://i", subject: "a@example.com" }],
    });
  });

  it.each([
    ["GPG", { type: "signedBy", keyType: "GPGKeys", keyPath: "/a" }],
    [
      "another name inside",
      signedBy(alice, { signedIdentity: { type: "remapIdentity", prefix: "a", signedPrefix: "b" } }),
    ],
    ["the exact name by digest", signedBy(alice, { signedIdentity: { type: "matchExact" } })],
    ["files that are not read", signedBy(alice, { keyData: undefined, keyPath: "/etc/key.pub" })],
    [
      "a certificate of two names",
      { type: "sigstoreSigned", pki: { caRootsData: "eA==", subjectEmail: "a@b", subjectHostname: "b" } },
    ],
    ["what is no key", signedBy(alice, { keyData: "eA==" })],
  ])("refuses what has no equivalent: %s", async (_what, requirement) => {
    const result = await importing({ default: [requirement] });
    expect(result.losses.length).toBeGreaterThan(0);
    expect(await admits(await loaded(result), app, { proofs: [await signatureBy(alice)] })).toBe(false);
  });

  it("reads the files that it names", async () => {
    const policy = { default: [signedBy(alice, { keyData: undefined, keyPath: "/etc/key.pub" })] };
    const read: string[] = [];
    const readFile = async (path: string) => {
      read.push(path);
      return pem(alice);
    };
    const result = await importPolicies([{ name: "policy.json", text: JSON.stringify(policy) }], { readFile });
    expect(read).toEqual(["/etc/key.pub"]);
    expect(result.losses).toEqual([]);
    expect((await loaded(result)).policies[0]?.authorities[0]).toMatchObject({ kind: "key" });
  });

  it("says which transports it leaves to others", async () => {
    const result = await importing({
      default: reject,
      transports: { "docker-daemon": { "": [{ type: "insecureAcceptAnything" }] } },
    });
    expect(result.losses).toMatchObject([{ what: expect.stringContaining("docker-daemon") }]);
  });
});
