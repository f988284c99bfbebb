import { afterAll, describe, expect, it } from "vitest";
import type { ClusterObject } from "../../src/cluster/cluster.ts";
import { boundingObjects, createObjectBounds } from "../../src/policy-objects/bounded.ts";
import { followPolicyObjects } from "../../src/policy-objects/follow.ts";
import { policyResources } from "../../src/policy-objects/kinds.ts";
import { createMemoryCluster } from "../support/memory-cluster.ts";
import { keyPolicy, pemOfKey, until } from "../support/policy-objects.ts";
import { newPrivateKey } from "../support/signers.ts";

const pem = pemOfKey(newPrivateKey());
const limits = { object: 1000, namespace: 2000, status: 100 };
const running = new AbortController();
afterAll(() => running.abort());

/** Of about that many characters. */
function sized(name: string, characters: number, namespace?: string): ClusterObject {
  return createMemoryCluster().put(keyPolicy(name, { data: "x".repeat(Math.max(0, characters - 300)) }, namespace));
}
const isKept = ({ spec }: ClusterObject) => typeof spec === "object";

describe("what is kept of a policy object", () => {
  it("is not labels, annotations and a status that is large, and nothing less of what is said", () => {
    const { keep } = createObjectBounds(limits);
    const object = sized("one", 500, "prod");
    const metadata = { ...object.metadata, annotations: { note: "x".repeat(10_000) }, labels: { a: "b" } };
    const small = { conditions: [{ type: "Ready" }] };
    expect(keep({ ...object, metadata, status: small })).toEqual({ ...object, status: small });
    expect(keep({ ...object, metadata, status: { conditions: ["x".repeat(200)] } })).toEqual(object);
  });

  it("of a namespace has its bounds, of one object and of all, and room comes back", () => {
    const { keep, forget } = createObjectBounds(limits);
    expect(isKept(keep(sized("large", 1500, "prod")))).toBe(false);
    const [a, b, c] = ["a", "b", "c"].map((name) => sized(name, 900, "prod"));
    const kept = () => [a, b, c].map((object) => object !== undefined && isKept(keep(object)));
    expect(kept()).toEqual([true, true, false]);
    expect(kept()).toEqual([true, true, false]);
    expect(isKept(keep(sized("a", 900, "other")))).toBe(true);
    if (a !== undefined) forget(a);
    expect(c !== undefined && isKept(keep(c))).toBe(true);
  });

  it("of the cluster is what was written, however long", () => {
    expect(isKept(createObjectBounds(limits).keep(sized("large", 5000)))).toBe(true);
  });

  it("is what a watch and a list tell", async () => {
    const cluster = createMemoryCluster();
    const bounded = boundingObjects(cluster, limits);
    const resource = policyResources.find(({ kind }) => kind === "TrustPolicy");
    if (resource === undefined) throw new Error("no such kind");
    cluster.put(keyPolicy("first", { data: "x".repeat(700) }, "prod"));
    const list = await bounded.list(resource);
    expect(list?.items.map(isKept)).toEqual([true]);
    const told: boolean[] = [];
    const watching = (async () => {
      const query = { resourceVersion: list?.resourceVersion ?? "", signal: running.signal };
      for await (const event of bounded.watch(resource, query))
        if (event.type !== "bookmark") told.push(isKept(event.object));
    })();
    cluster.put(keyPolicy("second", { data: "x".repeat(2000) }, "prod"));
    cluster.put(keyPolicy("third", { data: "x".repeat(700) }, "prod"));
    await until(() => told.length === 2);
    expect(told).toEqual([false, true]);
    running.abort();
    await watching;
  });
});

describe("policies of a namespace that are too large", () => {
  it("refuse everything there and say why, and nothing elsewhere", async () => {
    const cluster = createMemoryCluster();
    const stopping = new AbortController();
    cluster.put(keyPolicy("good", { data: pem }, "prod"));
    cluster.put(keyPolicy("large", { data: "x".repeat(300_000) }, "tenant"));
    const watch = followPolicyObjects({
      cluster,
      onChange: () => undefined,
      onTrouble: () => undefined,
      onSeen: () => undefined,
      signal: stopping.signal,
      timing: { settle: 1 },
    });
    await watch.ready;
    const { objects = [], set } = watch.current() ?? {};
    expect(objects.map(({ state }) => state.usable)).toEqual([true, false]);
    expect(objects[1]?.state.problems.join()).toContain("more than 263168 characters");
    expect(set?.policies).toMatchObject([{ namespace: "prod" }, { namespace: "tenant", images: [{ glob: "**" }] }]);
    stopping.abort();
  });

  it("take effect by themselves when there is room again", async () => {
    const cluster = createMemoryCluster();
    const stopping = new AbortController();
    const exclude = Array.from({ length: 1000 }, (_, index) => `reg.io/${"x".repeat(220)}${index}`);
    const large = ["a", "b", "c", "d", "e"].map((name) => {
      const policy = keyPolicy(name, { data: pem }, "tenant");
      return { ...policy, spec: { ...Object(policy["spec"]), exclude } };
    });
    for (const policy of large) cluster.put(policy);
    const watch = followPolicyObjects({
      cluster,
      onChange: () => undefined,
      onTrouble: () => undefined,
      onSeen: () => undefined,
      signal: stopping.signal,
      timing: { settle: 1, relist: 50 },
    });
    await watch.ready;
    const usable = () => watch.current()?.objects.map(({ state }) => state.usable);
    expect(usable()).toEqual([true, true, true, true, false]);
    const [first] = large;
    if (first !== undefined) cluster.remove(first);
    await until(() => usable()?.join() === "true,true,true,true");
    stopping.abort();
  });
});
