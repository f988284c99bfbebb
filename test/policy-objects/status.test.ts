import { afterAll, describe, expect, it } from "vitest";
import { TrustError } from "../../src/errors.ts";
import type { ObjectState } from "../../src/policy/objects.ts";
import { policyResources } from "../../src/policy-objects/kinds.ts";
import { createStatusWriter, type StatusWriterOptions } from "../../src/policy-objects/status.ts";
import { createMemoryCluster, type MemoryCluster, type WrittenObject } from "../support/memory-cluster.ts";
import { keyPolicy, until } from "../support/policy-objects.ts";

const running = new AbortController();
afterAll(() => running.abort());

const policy = keyPolicy("first", { data: "key" });
const good = { usable: true, problems: [], warnings: [] };
const bad = { usable: false, problems: ["spec.images: empty"], warnings: [] };

function open(options: Partial<StatusWriterOptions> = {}) {
  const cluster = createMemoryCluster();
  const failures: string[] = [];
  const clock = { now: Date.UTC(2026, 0, 1) };
  const writer = createStatusWriter({
    cluster,
    now: () => clock.now,
    onFailure: ({ code }, { kind, name = "" }) => void failures.push(`${code} ${kind} ${name}`),
    signal: running.signal,
    retryAfter: 20,
    pause: 0,
    ...options,
  });
  const tell = (state: Omit<ObjectState, "object">, written: WrittenObject = policy) => {
    const object = cluster.find(written);
    const resource = policyResources.find(
      ({ kind, group }) => kind === written.kind && written.apiVersion.startsWith(group),
    );
    if (object === undefined || resource === undefined) throw new Error("no such object");
    const name = { apiVersion: written.apiVersion, kind: written.kind, name: written.metadata.name };
    writer.tell([{ resource, object, state: { object: name, ...state } }]);
  };
  const patches = () => cluster.requests.filter((request) => request.startsWith("patch")).length;
  return { cluster, clock, failures, writer, tell, patches };
}

type Condition = Readonly<Record<string, unknown>>;

function readyOf(cluster: MemoryCluster, written: WrittenObject = policy): Condition | undefined {
  const status = cluster.find(written)?.["status"] as { readonly conditions?: readonly Condition[] } | undefined;
  return status?.conditions?.find(({ type }) => type === "Ready");
}

describe("the status of an object", () => {
  it("says whether it is in force and why not, for the generation that was read", async () => {
    const { cluster, tell } = open();
    cluster.put(policy);
    tell(bad);
    await until(() => readyOf(cluster) !== undefined);
    expect(cluster.find(policy)?.["status"]).toEqual({
      observedGeneration: 1,
      conditions: [
        {
          type: "Ready",
          status: "False",
          reason: "Unusable",
          message: "spec.images: empty",
          observedGeneration: 1,
          lastTransitionTime: "2026-01-01T00:00:00Z",
        },
      ],
    });
  });

  it("says by itself when an exception is over", async () => {
    const { cluster, clock, tell } = open();
    const exception: WrittenObject = { ...policy, kind: "TrustException", metadata: { name: "incident" } };
    cluster.put(exception);
    const state = { ...good, until: clock.now + 200 };
    tell(state, exception);
    await until(() => readyOf(cluster, exception)?.["status"] === "True");
    tell(state, exception);
    clock.now += 200;
    await until(() => readyOf(cluster, exception)?.["reason"] === "Expired");
    expect(readyOf(cluster, exception)).toMatchObject({
      status: "False",
      message: expect.stringContaining("2026-01-01"),
    });
  });

  it("is not written where it is said already, and keeps the time since which it is so", async () => {
    const { cluster, clock, tell, patches } = open();
    cluster.put(policy);
    tell(good);
    await until(() => readyOf(cluster)?.["status"] === "True");
    clock.now += 60_000;
    tell(good);
    expect(patches()).toBe(1);
    tell({ ...good, warnings: ["spec.exclude matches nothing"] });
    await until(() => readyOf(cluster)?.["message"] === "spec.exclude matches nothing");
    expect(readyOf(cluster)?.["lastTransitionTime"]).toBe("2026-01-01T00:00:00Z");
    clock.now += 60_000;
    tell(bad);
    await until(() => readyOf(cluster)?.["status"] === "False");
    expect(readyOf(cluster)?.["lastTransitionTime"]).toBe("2026-01-01T00:02:00Z");
  });

  it("keeps the conditions of others", async () => {
    const { cluster, tell } = open();
    cluster.put({ ...policy, status: { conditions: [{ type: "Reviewed", status: "True" }] } });
    tell(good);
    await until(() => readyOf(cluster) !== undefined);
    expect(cluster.find(policy)?.["status"]).toMatchObject({ conditions: [{ type: "Reviewed" }, { type: "Ready" }] });
  });

  it("is left alone where it speaks of a newer generation than the one seen here", () => {
    const { cluster, tell, patches } = open();
    cluster.put({ ...policy, status: { observedGeneration: 2, conditions: [] } });
    tell(good);
    expect(patches()).toBe(0);
  });

  it("is not said of another object that has its name by now", async () => {
    const { cluster, tell, writer } = open();
    const [resource] = policyResources;
    const object = cluster.put(policy);
    cluster.remove(policy);
    cluster.put(policy);
    const name = { apiVersion: policy.apiVersion, kind: policy.kind, name: "first" };
    if (resource !== undefined) writer.tell([{ resource, object, state: { object: name, ...good } }]);
    await until(() => cluster.requests.includes("patch clustertrustpolicies/first"));
    expect(readyOf(cluster)).toBeUndefined();
    tell(bad);
    await until(() => readyOf(cluster)?.["status"] === "False");
  });

  it("is bounded, and says how much it leaves out", async () => {
    const { cluster, tell } = open();
    cluster.put(policy);
    tell({ ...bad, problems: Array.from({ length: 500 }, (_, index) => `problem ${index}`) });
    await until(() => readyOf(cluster) !== undefined);
    const message = String(readyOf(cluster)?.["message"]);
    expect(message.length).toBeLessThanOrEqual(1024);
    expect(message).toMatch(/^problem 0\nproblem 1\n[\s\S]*\nand \d+ more$/);
  });
});

describe("an object that changes again and again", () => {
  it("is written to now and then", async () => {
    const { cluster, clock, tell, patches } = open({ pause: 1000 });
    cluster.put(policy);
    for (let i = 0; i < 100; i++) {
      cluster.put({ ...policy, spec: { turn: i } });
      tell(i % 2 === 0 ? good : bad);
      await new Promise((done) => setImmediate(done));
      clock.now += 100;
    }
    expect(patches()).toBeGreaterThan(5);
    expect(patches()).toBeLessThan(15);
  });
});

describe("several that write the same", () => {
  it("write once in all", async () => {
    const first = open();
    const second = createStatusWriter({
      cluster: first.cluster,
      now: () => first.clock.now + 7000,
      onFailure: () => undefined,
      signal: running.signal,
    });
    const object = first.cluster.put(policy);
    const [resource] = policyResources;
    const name = { apiVersion: policy.apiVersion, kind: policy.kind, name: "first" };
    const tellSecond = () => {
      const now = first.cluster.find(policy) ?? object;
      if (resource !== undefined) second.tell([{ resource, object: now, state: { object: name, ...good } }]);
    };
    first.tell(good);
    tellSecond();
    await until(() => readyOf(first.cluster) !== undefined);
    const { resourceVersion } = first.cluster.find(policy)?.metadata ?? {};
    for (let i = 0; i < 5; i++) {
      first.tell(good);
      tellSecond();
    }
    expect(first.cluster.find(policy)?.metadata.resourceVersion).toBe(resourceVersion);
  });

  it("that disagree do not fight: each says its own again after ever longer times", async () => {
    const { cluster, clock, tell, patches } = open({ retryAfter: 1000 });
    cluster.put(policy);
    for (let i = 0; i < 200; i++) {
      tell(good);
      await new Promise((done) => setImmediate(done));
      cluster.put({ ...policy, status: { conditions: [] } });
      clock.now += 1000;
    }
    expect(patches()).toBeGreaterThan(5);
    expect(patches()).toBeLessThan(12);
  });
});

describe("a status that cannot be written", () => {
  it("is told once, and tried again until it can", async () => {
    const { cluster, failures, tell } = open({ now: Date.now });
    cluster.put(policy);
    const { mergeStatus } = cluster;
    let tries = 0;
    Object.assign(cluster, {
      async mergeStatus(...args: Parameters<typeof mergeStatus>) {
        if (++tries <= 3) throw new TrustError("CLUSTER_UNREACHABLE", "away");
        return mergeStatus(...args);
      },
    });
    tell(good);
    await until(() => readyOf(cluster) !== undefined);
    expect(failures).toEqual(["CLUSTER_UNREACHABLE ClusterTrustPolicy first"]);
  });

  it("for lack of the right is told once for all of its kind, and not tried with each of them", async () => {
    const { cluster, failures, writer } = open();
    const [resource] = policyResources;
    const names = Array.from({ length: 50 }, (_, index) => `policy-${index}`);
    const objects = names.map((name) => cluster.put(keyPolicy(name, { data: "k" })));
    cluster.denied.add("clustertrustpolicies.v1alpha1.imagetrust.dev");
    const tell = () =>
      writer.tell(
        objects.flatMap((object) =>
          resource === undefined ? [] : [{ resource, object, state: { object: { ...object, name: "" }, ...good } }],
        ),
      );
    tell();
    await until(() => failures.length > 0);
    tell();
    await new Promise((done) => setImmediate(done));
    expect(failures).toEqual(["CLUSTER_ACCESS_DENIED ClusterTrustPolicy "]);
    expect(cluster.requests.filter((request) => request.startsWith("patch")).length).toBeLessThan(10);
  });
});

describe("objects of policy-controller", () => {
  const foreign: WrittenObject = {
    apiVersion: "policy.sigstore.dev/v1beta1",
    kind: "ClusterImagePolicy",
    metadata: { name: "cip" },
    spec: {},
  };

  it("get a status where nobody else writes it", async () => {
    const { cluster, tell } = open();
    cluster.put(foreign);
    tell(bad, foreign);
    await until(() => readyOf(cluster, foreign)?.["status"] === "False");
    tell(good, foreign);
    await until(() => readyOf(cluster, foreign)?.["status"] === "True");
  });

  it("are written once although their conditions have no place for a generation", () => {
    const { cluster, tell, patches } = open();
    const condition = { type: "Ready", status: "True", reason: "InForce", message: "in force as it is written" };
    cluster.put({ ...foreign, status: { observedGeneration: 1, conditions: [condition] } });
    tell(good, foreign);
    expect(patches()).toBe(0);
  });

  it("keep the one that policy-controller writes", () => {
    const { cluster, tell, patches } = open();
    const conditions = [
      { type: "KeysInlined", status: "True" },
      { type: "Ready", status: "True" },
    ];
    cluster.put({ ...foreign, status: { observedGeneration: 1, conditions } });
    tell(bad, foreign);
    expect(patches()).toBe(0);
  });
});
