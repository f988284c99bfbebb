import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { TrustError } from "../../src/errors.ts";
import { followPolicyObjects, type PolicyObjects, type PolicyObjectsOptions } from "../../src/policy-objects/follow.ts";
import { unfetchedRoot } from "../../src/trust/tuf-source.ts";
import { createMemoryCluster, type MemoryCluster } from "../support/memory-cluster.ts";
import { keyPolicy, pemOfKey, rootPolicy, secretObject, until } from "../support/policy-objects.ts";
import { tempDir } from "../support/process.ts";
import { newPrivateKey } from "../support/signers.ts";

const pem = pemOfKey(newPrivateKey());
const folder = tempDir("follow-policies");
const running = new AbortController();
afterAll(() => {
  running.abort();
  folder.cleanup();
});

/** Everything a hundred times as fast. */
const timing = { firstPause: 10, maxPause: 20, batch: 1, unknownKind: 20, lostKind: 50, settle: 1, rootFiles: 10 };

function follow(cluster: MemoryCluster, options: Partial<PolicyObjectsOptions> = {}) {
  const changes: PolicyObjects[] = [];
  const troubles: string[] = [];
  const watch = followPolicyObjects({
    cluster,
    onChange: (now) => void changes.push(now),
    onTrouble: (kind, { code }) => void troubles.push(`${kind} ${code}`),
    onSeen: () => undefined,
    signal: running.signal,
    timing,
    ...options,
  });
  const unusable = () =>
    (watch.current()?.objects ?? []).filter(({ state }) => !state.usable).map(({ object }) => object.metadata.name);
  const names = () => watch.current()?.set.policies.map(({ name }) => name) ?? [];
  const problems = () => (watch.current()?.objects ?? []).flatMap(({ state }) => state.problems).join("\n");
  return { ...watch, changes, troubles, unusable, names, problems };
}

describe("objects", () => {
  it("take effect as they come, change and go, each by itself", async () => {
    const cluster = createMemoryCluster();
    cluster.put(keyPolicy("first", { data: pem }));
    const watch = follow(cluster);
    expect(watch.current()).toBeUndefined();
    expect(await watch.ready).toBe(true);
    expect(watch.names()).toEqual(["first"]);
    const good = watch.current()?.set.policies[0];
    cluster.put(keyPolicy("second", { data: "no key" }, "prod"));
    await until(() => watch.unusable().includes("second"));
    expect(watch.current()?.set.policies[0]).toBe(good);
    cluster.put(keyPolicy("second", { data: pem }, "prod"));
    await until(() => watch.unusable().length === 0);
    cluster.remove(keyPolicy("first", {}));
    await until(() => watch.names().join() === "second");
  });

  it("are all known before any is in force", async () => {
    const cluster = createMemoryCluster();
    cluster.put(keyPolicy("first", { data: pem }));
    cluster.denied.add("trustpolicies.v1alpha1.imagetrust.dev");
    const watch = follow(cluster);
    await until(() => watch.troubles.length > 1 && watch.awaited().length === 1);
    expect(watch.awaited()).toMatchObject([{ kind: "TrustPolicy", trouble: { code: "CLUSTER_ACCESS_DENIED" } }]);
    expect(watch.current()).toBeUndefined();
    cluster.denied.clear();
    expect(await watch.ready).toBe(true);
    expect(watch.awaited()).toEqual([]);
  });

  it("of kinds that the server does not know are none, until it does", async () => {
    const cluster = createMemoryCluster();
    for (const version of ["v1beta1", "v1alpha1"])
      cluster.unknown.add(`clusterimagepolicies.${version}.policy.sigstore.dev`);
    const watch = follow(cluster);
    expect(await watch.ready).toBe(true);
    cluster.unknown.delete("clusterimagepolicies.v1alpha1.policy.sigstore.dev");
    cluster.put({
      apiVersion: "policy.sigstore.dev/v1alpha1",
      kind: "ClusterImagePolicy",
      metadata: { name: "old" },
      spec: { images: [{ glob: "**" }], authorities: [{ static: { action: "pass" } }] },
    });
    await until(() => watch.names().includes("old"));
  });

  it("stay in force while the API server is away, and change when it is back", async () => {
    const cluster = createMemoryCluster();
    cluster.put(keyPolicy("first", { data: pem }));
    const watch = follow(cluster);
    await watch.ready;
    cluster.stop();
    cluster.put(keyPolicy("second", { data: pem }));
    await until(() => watch.troubles.length > 3);
    expect(watch.names()).toEqual(["first"]);
    cluster.start();
    await until(() => watch.names().includes("second"));
  });

  it("whose status alone changes are not read again, but are told as they are", async () => {
    const cluster = createMemoryCluster();
    cluster.put(keyPolicy("first", { data: pem }));
    const watch = follow(cluster);
    await watch.ready;
    const before = watch.current()?.set.policies[0];
    cluster.put({ ...keyPolicy("first", { data: pem }), status: { observedGeneration: 1 } });
    await until(() => watch.current()?.objects[0]?.object["status"] !== undefined);
    expect(watch.current()?.set.policies[0]).toBe(before);
  });

  it("are not waited for after the signal", async () => {
    const cluster = createMemoryCluster();
    cluster.stop();
    const stopping = new AbortController();
    const watch = follow(cluster, { signal: stopping.signal });
    stopping.abort();
    expect(await watch.ready).toBe(false);
    expect(await follow(cluster, { signal: stopping.signal }).ready).toBe(false);
  });
});

describe("keys in Secrets", () => {
  const secretRef = { name: "keys", key: "cosign.pub" };

  it("are followed: one that is rotated, removed or made takes effect", async () => {
    const cluster = createMemoryCluster();
    cluster.put(keyPolicy("first", { secretRef }));
    const watch = follow(cluster);
    await watch.ready;
    expect(watch.unusable()).toEqual(["first"]);
    cluster.put(secretObject("keys", cluster.namespace, { "cosign.pub": pem }));
    await until(() => watch.unusable().length === 0);
    const { revision } = watch.current()?.set ?? {};
    cluster.put(secretObject("keys", cluster.namespace, { "cosign.pub": pemOfKey(newPrivateKey()) }));
    await until(() => watch.current()?.set.revision !== revision);
    expect(watch.unusable()).toEqual([]);
    cluster.remove(secretObject("keys", cluster.namespace, {}));
    await until(() => watch.unusable().includes("first"));
  });

  it("that may not be read make their policy unusable, with the right that is missing, and no other", async () => {
    const cluster = createMemoryCluster();
    cluster.denied.add("secrets.v1.");
    cluster.put(keyPolicy("first", { data: pem }));
    cluster.put(keyPolicy("second", { secretRef }));
    const watch = follow(cluster);
    await watch.ready;
    expect(watch.unusable()).toEqual(["second"]);
    expect(watch.problems()).toContain("may not list secrets");
    cluster.denied.clear();
    cluster.put(secretObject("keys", cluster.namespace, { "cosign.pub": pem }));
    await until(() => watch.unusable().length === 0);
  });

  it("stay in force while the API server is away", async () => {
    const cluster = createMemoryCluster();
    cluster.put(keyPolicy("first", { secretRef }));
    cluster.put(secretObject("keys", cluster.namespace, { "cosign.pub": pem }));
    const watch = follow(cluster);
    await watch.ready;
    cluster.stop();
    await until(() => watch.troubles.includes("Secret CLUSTER_UNREACHABLE"));
    expect(watch.unusable()).toEqual([]);
  });
});

describe("trust roots by name", () => {
  it("take effect again when their file changes, and are in use only while a policy names them", async () => {
    const cluster = createMemoryCluster();
    cluster.put(rootPolicy("first", "acme"));
    const path = join(folder.path, "acme.json");
    const watch = follow(cluster, {
      rootFile: (name) => join(folder.path, `${name}.json`),
      async openRoot(name) {
        opened++;
        if (opened === 1) throw new TrustError("TRUST_ROOT_NOT_FOUND", "there is none");
        return unfetchedRoot({ name, mirror: "https://m.example", target: "t", root: "", id: name });
      },
    });
    let opened = 0;
    await watch.ready;
    expect(watch.unusable()).toEqual(["first"]);
    expect([...watch.roots().keys()]).toEqual(["acme"]);
    writeFileSync(path, "{}");
    await until(() => watch.unusable().length === 0);
    cluster.remove(rootPolicy("first", "acme"));
    await until(() => watch.roots().size === 0);
  });
});
