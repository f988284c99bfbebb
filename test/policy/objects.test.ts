import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { JsonObject } from "../../src/crypto/json.ts";
import { formatPublicKey } from "../../src/crypto/public-key.ts";
import { TrustError } from "../../src/errors.ts";
import type { VerifiedSignature } from "../../src/formats/format.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { verdictFromFacts } from "../../src/policy/from-facts.ts";
import { createObjectComposer, type ObjectSources } from "../../src/policy/objects.ts";
import type { ObjectContext, PolicySet } from "../../src/policy/policy.ts";
import { parseTrustRoot } from "../../src/trust/parse.ts";
import { keyed, setOf, signatureBy, subject } from "../support/proofs.ts";
import { newSigner } from "../support/signers.ts";

const [alice, bob] = [newSigner(), newSigner()];
const now = Date.parse("2026-06-01T00:00:00Z");
const trustedRoot: unknown = JSON.parse(
  readFileSync(join(import.meta.dirname, "../fixtures/sigstore/trusted_root.json"), "utf8"),
);
let signed: VerifiedSignature;

beforeAll(async () => {
  signed = await signatureBy(alice);
});

let versions = 0;

/** An object as the API server keeps it. */
function stored(kind: string, name: string, spec: unknown, more: object = {}): JsonObject {
  const metadata = { name, uid: `${kind}-${name}`, resourceVersion: `${++versions}`, generation: 1, ...more };
  return { apiVersion: "imagetrust.dev/v1alpha1", kind, metadata, spec };
}

const foreign = (kind: string, name: string, spec: unknown): JsonObject => ({
  ...stored(kind, name, spec),
  apiVersion: kind === "TrustRoot" ? "policy.sigstore.dev/v1alpha1" : "policy.sigstore.dev/v1beta1",
});

const byAlice = (more: object = {}) => ({ images: [{ glob: "**" }], authorities: [keyed("a", alice)], ...more });
const broken = (more: object = {}) => ({ ...byAlice(more), authorities: [{ name: "a", key: { data: "no key" } }] });
const keyless = (trustRoot: string) => ({
  images: [{ glob: "**" }],
  authorities: [{ name: "ci", keyless: { trustRoot, identities: [{ issuer: "https://issuer", subject: "ci" }] } }],
});

const compose = (objects: readonly JsonObject[], sources: ObjectSources = {}) => createObjectComposer(sources)(objects);
const pod = (namespace: string): ObjectContext => ({
  apiGroup: "",
  resource: "pods",
  kind: "Pod",
  namespace,
  labels: {},
});

function decide(set: PolicySet, image: string, namespace = "prod") {
  const facts = { ref: parseReference(image), now, object: pod(namespace), subject, findings: [] };
  return verdictFromFacts(set, { ...facts, proofs: [signed], attestations: [] }, { image });
}
const outcome = (set: PolicySet, image: string, namespace?: string) => decide(set, image, namespace).outcome;

describe("objects that load", () => {
  it("mean what they mean in a file", async () => {
    const spec = byAlice({ mode: "warn" });
    const { set, states } = await compose([
      stored("TrustPolicy", "t", spec, { namespace: "prod" }),
      stored("ClusterTrustPolicy", "c", spec),
      stored("TrustException", "e", { images: [{ glob: "**" }], expires: "2026-12-01T00:00:00Z", reason: "x" }),
    ]);
    const file = await setOf(
      { kind: "ClusterTrustPolicy", metadata: { name: "c" }, spec },
      { kind: "TrustPolicy", metadata: { name: "t", namespace: "prod" }, spec },
      {
        kind: "TrustException",
        metadata: { name: "e" },
        spec: { images: [{ glob: "**" }], expires: "2026-12-01T00:00:00Z", reason: "x" },
      },
    );
    expect(set.revision).toBe(file.revision);
    expect(states.map(({ usable }) => usable)).toEqual([true, true, true]);
  });

  it("carry what the server writes into metadata and status", async () => {
    const object = stored("ClusterTrustPolicy", "c", byAlice(), {
      creationTimestamp: "2026-01-01T00:00:00Z",
      managedFields: [{ manager: "kubectl", fieldsV1: { "f:spec": {} } }],
      finalizers: ["x"],
    });
    const { states } = await compose([{ ...object, status: { conditions: [] } }]);
    expect(states[0]?.problems).toEqual([]);
  });

  it("of both languages may have one name, and both hold", async () => {
    const data = formatPublicKey(bob.publicKey);
    const objects = [
      stored("ClusterTrustPolicy", "p", byAlice()),
      foreign("ClusterImagePolicy", "p", { images: [{ glob: "**" }], authorities: [{ key: { data } }] }),
    ];
    const { set, states } = await compose(objects);
    expect(states.every(({ usable }) => usable)).toBe(true);
    expect(decide(set, "reg.io/app:1").policies.map(({ passed }) => passed)).toEqual([true, false]);
  });
});

describe("an object that does not load", () => {
  it("refuses what it matches, and nothing else", async () => {
    const { set, states } = await compose([
      stored("ClusterTrustPolicy", "good", byAlice()),
      stored("ClusterTrustPolicy", "bad", broken({ images: [{ glob: "reg.io/bad/**" }], exclude: ["reg.io/bad/not"] })),
    ]);
    expect(states.map(({ usable }) => usable)).toEqual([true, false]);
    expect(states[1]?.problems[0]).toContain("spec.authorities[0].key.data");
    expect(outcome(set, "reg.io/app:1")).toBe("allow");
    expect(outcome(set, "reg.io/bad/not:1")).toBe("allow");
    const [finding] = decide(set, "reg.io/bad/app:1").policies.find(({ name }) => name === "bad")?.findings ?? [];
    expect(finding?.code).toBe("POLICY_UNUSABLE");
    expect(finding?.hint).toContain("kubectl describe clustertrustpolicy/bad");
    expect(outcome(set, "reg.io/bad/app:1")).toBe("deny");
  });

  it.each([
    ["images", { images: [{ glob: "reg.io/[bad" }] }],
    ["images of the wrong type", { images: "reg.io/bad/**" }],
    ["no images", { images: [] }],
  ])("refuses every image where its scope cannot be read: %s", async (_, more) => {
    const { set } = await compose([
      stored("ClusterTrustPolicy", "good", byAlice()),
      stored("ClusterTrustPolicy", "bad", byAlice(more)),
    ]);
    expect(outcome(set, "reg.io/app:1")).toBe("deny");
  });

  it("excludes nothing where its images cannot be read: of images that it may not speak about, that would be a match", async () => {
    const { set } = await compose([
      stored("ClusterTrustPolicy", "bad", byAlice({ images: [{ glob: "reg.io/[bad" }], exclude: ["**/debug/**"] })),
    ]);
    expect(outcome(set, "elsewhere.io/debug/app:1")).toBe("deny");
  });

  it("applies to every object where its match cannot be read, and only to those it names where it can", async () => {
    const match = [{ namespaces: ["dev"] }];
    const readable = await compose([
      stored("ClusterTrustPolicy", "good", byAlice()),
      stored("ClusterTrustPolicy", "bad", broken({ match })),
    ]);
    expect([outcome(readable.set, "reg.io/a:1", "prod"), outcome(readable.set, "reg.io/a:1", "dev")]).toEqual([
      "allow",
      "deny",
    ]);
    const unreadable = await compose([
      stored("ClusterTrustPolicy", "good", byAlice()),
      stored("ClusterTrustPolicy", "bad", byAlice({ match: [...match, { namespace: "dev" }] })),
    ]);
    expect(outcome(unreadable.set, "reg.io/a:1", "prod")).toBe("deny");
  });

  it.each([
    ["warn", "warn"],
    ["audit", "allow"],
    ["loud", "deny"],
  ])("keeps its mode where that can be read: %s", async (mode, expected) => {
    const { set } = await compose([
      stored("ClusterTrustPolicy", "good", byAlice()),
      stored("ClusterTrustPolicy", "bad", broken({ mode })),
    ]);
    expect(outcome(set, "reg.io/a:1")).toBe(expected);
  });

  it("keeps and tells no more of what is wrong with it than people read", async () => {
    const junk = Object.fromEntries(Array.from({ length: 400 }, (_, index) => [`field${index}`, 1]));
    const { states } = await compose([stored("TrustPolicy", "bad", { ...byAlice(), ...junk }, { namespace: "prod" })]);
    expect(states[0]?.problems).toHaveLength(21);
    expect(states[0]?.problems.at(-1)).toBe("and 380 more");
  });

  it("without any specification refuses everything", async () => {
    for (const spec of [undefined, null, [], "x", { images: null }]) {
      const { set } = await compose([
        stored("ClusterTrustPolicy", "good", byAlice()),
        stored("ClusterTrustPolicy", "bad", spec),
      ]);
      expect(outcome(set, "reg.io/a:1")).toBe("deny");
    }
  });

  it("of one namespace stays there", async () => {
    const { set } = await compose([
      stored("ClusterTrustPolicy", "good", byAlice()),
      stored("TrustPolicy", "bad", "nonsense", { namespace: "tenant" }),
    ]);
    expect([outcome(set, "reg.io/a:1", "tenant"), outcome(set, "reg.io/a:1", "prod")]).toEqual(["deny", "allow"]);
  });

  it("takes no exception", async () => {
    const exception = { images: [{ glob: "**" }], expires: "2026-12-01T00:00:00Z", reason: "x" };
    const { set } = await compose([
      stored("ClusterTrustPolicy", "bad", broken()),
      stored("TrustException", "e", exception),
    ]);
    expect(outcome(set, "reg.io/a:1")).toBe("deny");
  });

  it("and is an exception lets nothing pass", async () => {
    const { set, states } = await compose([
      stored("ClusterTrustPolicy", "p", { ...byAlice(), authorities: [keyed("b", bob)] }),
      stored("TrustException", "e", { images: [{ glob: "**" }], reason: "for ever" }),
    ]);
    expect(states[1]?.usable).toBe(false);
    expect(outcome(set, "reg.io/a:1")).toBe("deny");
  });

  it("and is an exception on its way out lets nothing pass, though a policy on its way out still holds", async () => {
    const deletionTimestamp = "2026-05-31T00:00:00Z";
    const spec = { images: [{ glob: "**" }], expires: "2026-12-01T00:00:00Z", reason: "x" };
    const policy = stored("ClusterTrustPolicy", "p", { ...byAlice(), authorities: [keyed("b", bob)] });
    const leavingPolicy = stored("ClusterTrustPolicy", "q", byAlice(), { deletionTimestamp });
    const before = await compose([policy, leavingPolicy, stored("TrustException", "e", spec)]);
    const after = await compose([policy, leavingPolicy, stored("TrustException", "e", spec, { deletionTimestamp })]);
    expect([outcome(before.set, "reg.io/a:1"), outcome(after.set, "reg.io/a:1")]).toEqual(["allow", "deny"]);
    expect(after.states.map(({ usable }) => usable)).toEqual([true, true, false]);
    expect(after.set.policies).toHaveLength(2);
  });

  it("of policy-controller's language refuses what its names match", async () => {
    const objects = [
      stored("ClusterTrustPolicy", "good", byAlice()),
      foreign("ClusterImagePolicy", "bad", { images: [{ glob: "reg.io/bad/**" }], authorities: [] }),
    ];
    const { set } = await compose(objects);
    expect([outcome(set, "reg.io/bad/a:1"), outcome(set, "reg.io/a:1")]).toEqual(["deny", "allow"]);
    const wide = await compose([objects[0] ?? {}, foreign("ClusterImagePolicy", "bad", { images: [{ glob: "a[b" }] })]);
    expect(outcome(wide.set, "reg.io/a:1")).toBe("deny");
  });

  it("is told with a file of keys, which no object may name", async () => {
    const { states } = await compose([
      stored("ClusterTrustPolicy", "p", byAlice({ authorities: [{ name: "a", key: { file: "/etc/passwd" } }] })),
    ]);
    expect(states[0]?.usable).toBe(false);
  });
});

describe("trust roots", () => {
  const opened: string[] = [];
  const sources: ObjectSources = {
    async openRoot(name) {
      opened.push(name);
      throw new TrustError("TRUST_ROOT_NOT_FOUND", `there is no ${name}`);
    },
  };

  it("are those of the cluster, whatever the order", async () => {
    const { states } = await compose(
      [stored("ClusterTrustPolicy", "p", keyless("acme")), stored("TrustRoot", "acme", { trustedRoot })],
      sources,
    );
    expect(states.map(({ usable }) => usable)).toEqual([true, true]);
  });

  it("that cannot be used are replaced by none of the same name elsewhere", async () => {
    const broken = stored("TrustRoot", "acme", { trustedRoot: { mediaType: "x" } });
    const other = foreign("TrustRoot", "acme", { trustedRootJSON: JSON.stringify(trustedRoot) });
    const { set, states } = await compose([stored("ClusterTrustPolicy", "p", keyless("acme")), broken, other], {
      openRoot: async (name) =>
        parseTrustRoot(Buffer.from(JSON.stringify(trustedRoot)), { name, source: { kind: "file" } }),
    });
    expect(states.map(({ usable }) => usable)).toEqual([false, false, true]);
    expect(outcome(set, "reg.io/a:1")).toBe("deny");
  });

  it("of policy-controller may be called as GitHub's own, for its policies alone", async () => {
    const known = { openRoot: async () => Promise.reject(new TrustError("TRUST_ROOT_NOT_FOUND", "never fetched")) };
    const foreignPolicy = foreign("ClusterImagePolicy", "p", {
      images: [{ glob: "**" }],
      authorities: [{ keyless: { trustRootRef: "github", identities: [{ issuer: "https://i", subject: "s" }] } }],
    });
    const root = foreign("TrustRoot", "github", { trustedRootJSON: JSON.stringify(trustedRoot) });
    const { set, states } = await compose(
      [stored("ClusterTrustPolicy", "p", keyless("github")), foreignPolicy, root],
      known,
    );
    expect(states.map(({ usable }) => usable)).toEqual([false, true, true]);
    expect(set.warnings).toBeUndefined();
  });

  it("are never files", async () => {
    opened.length = 0;
    const policy = foreign("ClusterImagePolicy", "p", {
      images: [{ glob: "**" }],
      authorities: [
        { keyless: { trustRootRef: "/etc/root.json", identities: [{ issuer: "https://i", subject: "s" }] } },
        { keyless: { trustRootRef: "../root.json", identities: [{ issuer: "https://i", subject: "s" }] } },
      ],
    });
    const { set } = await compose([policy], sources);
    expect(opened).toEqual([]);
    expect(outcome(set, "reg.io/a:1")).toBe("deny");
  });

  it("make a policy usable when they come, and unusable when they go", async () => {
    const composer = createObjectComposer(sources);
    const policy = stored("ClusterTrustPolicy", "p", keyless("acme"));
    const root = stored("TrustRoot", "acme", { trustedRoot });
    const usable = async (...objects: JsonObject[]) => (await composer(objects)).states[0]?.usable;
    expect([await usable(policy), await usable(policy, root), await usable(policy)]).toEqual([false, true, false]);
  });
});

describe("what did not change", () => {
  it("is the same policy as before", async () => {
    const composer = createObjectComposer({});
    const [one, two] = [stored("ClusterTrustPolicy", "one", byAlice()), stored("ClusterTrustPolicy", "two", byAlice())];
    const before = await composer([one, two]);
    const after = await composer([one, stored("ClusterTrustPolicy", "two", byAlice({ mode: "warn" }))]);
    expect(after.set.policies[0]).toBe(before.set.policies[0]);
    expect(after.set.policies[1]).not.toBe(before.set.policies[1]);
    expect(after.set.revision).not.toBe(before.set.revision);
  });

  it("is known by its version alone, so that what has none is always read", async () => {
    const composer = createObjectComposer({});
    const plain = (spec: object) => ({ ...stored("ClusterTrustPolicy", "p", spec), metadata: { name: "p" } });
    await composer([plain(byAlice())]);
    const { states } = await composer([plain(broken())]);
    expect(states[0]?.usable).toBe(false);
  });

  it("is read again when a root that it names is another", async () => {
    let fetched = 0;
    const composer = createObjectComposer({
      openRoot: async (name) =>
        parseTrustRoot(Buffer.from(JSON.stringify(trustedRoot)), {
          name,
          source: { kind: "tuf", mirror: "https://m", fetched, expires: fetched },
        }),
    });
    const policy = stored("ClusterTrustPolicy", "p", keyless("acme"));
    const first = await composer([policy]);
    const same = await composer([policy]);
    fetched = 1000;
    const renewed = await composer([policy]);
    expect(same.set.policies[0]).toBe(first.set.policies[0]);
    expect(renewed.set.policies[0]).not.toBe(first.set.policies[0]);
  });
});

describe("too many objects", () => {
  it("of one namespace refuse everything there, and nothing elsewhere", async () => {
    const composer = createObjectComposer({}, { cluster: 10, namespace: 2, signers: 10 });
    const tenants = ["c", "a", "b"].map((name) => stored("TrustPolicy", name, byAlice(), { namespace: "tenant" }));
    const { set, states } = await composer([stored("ClusterTrustPolicy", "p", byAlice()), ...tenants]);
    expect(states.map(({ usable }) => usable)).toEqual([true, false, true, true]);
    expect([outcome(set, "reg.io/a:1", "tenant"), outcome(set, "reg.io/a:1")]).toEqual(["deny", "allow"]);
  });

  it("and too many signers of one namespace refuse everything there, and nothing elsewhere", async () => {
    const composer = createObjectComposer({}, { cluster: 10, namespace: 10, signers: 3 });
    const two = { authorities: [keyed("a", alice), keyed("b", bob)], threshold: 1 };
    const tenants = ["a", "b", "c"].map((name) => stored("TrustPolicy", name, byAlice(two), { namespace: "tenant" }));
    const other = stored("TrustPolicy", "a", byAlice(two), { namespace: "prod" });
    const { set, states } = await composer([stored("ClusterTrustPolicy", "p", byAlice(two)), ...tenants, other]);
    expect(states.map(({ usable }) => usable)).toEqual([true, true, false, false, true]);
    expect(states[2]?.problems.join()).toContain("more than 3 keys");
    expect([outcome(set, "reg.io/a:1", "tenant"), outcome(set, "reg.io/a:1")]).toEqual(["deny", "allow"]);
    const fewer = await composer(tenants.slice(2));
    expect(fewer.states.map(({ usable }) => usable)).toEqual([true]);
  });

  it("of the cluster refuse everything, and are one refusal", async () => {
    const composer = createObjectComposer({}, { cluster: 2, namespace: 2, signers: 10 });
    const many = ["a", "b", "c", "d", "e"].map((name) => stored("ClusterTrustPolicy", name, byAlice()));
    const { set } = await composer(many);
    expect(set.policies).toHaveLength(3);
    expect(outcome(set, "reg.io/a:1")).toBe("deny");
  });

  it("and too large ones are not looked into", async () => {
    const { states } = await compose([
      stored("ClusterTrustPolicy", "large", { ...byAlice(), more: Array.from({ length: 50_000 }, () => 0) }),
    ]);
    expect(states[0]?.usable).toBe(false);
  });
});
