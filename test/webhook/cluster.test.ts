import { afterEach, describe, expect, it } from "vitest";
import { type ClusterFollowing, type ClusterFollowingOptions, followCluster } from "../../webhook/cluster.ts";
import type { Log } from "../../webhook/log.ts";
import { createMetrics } from "../../webhook/metrics.ts";
import { codeOfRejection } from "../support/errors.ts";
import { createMemoryCluster, type MemoryCluster } from "../support/memory-cluster.ts";
import { keyPolicy, pemOfKey, until } from "../support/policy-objects.ts";
import { newPrivateKey } from "../support/signers.ts";

const pem = pemOfKey(newPrivateKey());
const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

type Line = Readonly<Record<string, unknown>>;

function start(cluster: MemoryCluster, options: Partial<ClusterFollowingOptions> = {}) {
  const lines: Line[] = [];
  const note = (level: string) => (fields: object, message: string) =>
    void lines.push({ ...fields, level, text: message });
  const log: Log = { info: note("info"), warn: note("warn"), error: note("error") };
  const metrics = createMetrics();
  let isDone = false;
  const following = followCluster({
    ...{ cluster, metrics, log, now: Date.now },
    onChange: () => undefined,
    timing: { firstPause: 10, maxPause: 20, batch: 1, unknownKind: 20, lostKind: 50, settle: 1 },
    ...options,
  }).finally(() => {
    isDone = true;
  });
  following.then(
    ({ close }) => closing.push(close),
    () => undefined,
  );
  const told = (message: RegExp) => lines.filter((line) => message.test(String(line["text"])));
  return { following, lines, told, metrics, isDone: () => isDone };
}

const names = (following: ClusterFollowing) => following.policies().policies.map(({ name }) => name);

describe("a cluster", () => {
  it("is followed when all its policies and namespaces are known, not before", async () => {
    const cluster = createMemoryCluster();
    cluster.put(keyPolicy("first", { data: pem }));
    cluster.denied.add("namespaces.v1.");
    const { following, isDone, told } = start(cluster);
    await until(() => told(/cannot be followed/).length > 0);
    expect(isDone()).toBe(false);
    cluster.denied.clear();
    expect(names(await following)).toEqual(["first"]);
  });

  it("is not waited for after the signal", async () => {
    const cluster = createMemoryCluster();
    cluster.stop();
    const stopping = new AbortController();
    const { following } = start(cluster, { signal: stopping.signal });
    stopping.abort();
    expect(await codeOfRejection(following)).toBe("CLUSTER_UNREACHABLE");
    const already = start(cluster, { signal: stopping.signal });
    expect(await codeOfRejection(already.following)).toBe("CLUSTER_UNREACHABLE");
  });

  it("that is away is told of when it begins and when it ends, and counted meanwhile", async () => {
    const cluster = createMemoryCluster();
    cluster.put(keyPolicy("first", { data: pem }));
    const { following, told, metrics } = start(cluster);
    const known = await following;
    cluster.stop();
    const failures = async () => Number(/^trust_cluster_watch_failures_total (\d+)/m.exec(await metrics.render())?.[1]);
    await until(async () => (await failures()) > 20);
    expect(told(/cannot be followed/).filter(({ kind }) => kind === "TrustPolicy")).toHaveLength(1);
    expect(names(known)).toEqual(["first"]);
    cluster.start();
    await until(() => told(/followed again/).some(({ kind }) => kind === "TrustPolicy"));
  });
});

describe("policy objects", () => {
  it("that cannot be used are told once for what they are, and when they are well again", async () => {
    const cluster = createMemoryCluster();
    cluster.put(keyPolicy("first", { data: "no key" }, "prod"));
    const { following, told, metrics } = start(cluster);
    await following;
    expect(told(/unusable/)).toMatchObject([{ level: "error", kind: "TrustPolicy", name: "first", namespace: "prod" }]);
    expect(await metrics.render()).toContain('trust_policy_objects{kind="TrustPolicy",state="unusable"} 1');
    cluster.put({ ...keyPolicy("first", { data: "no key" }, "prod"), status: { note: "changed" } });
    cluster.put(keyPolicy("other", { data: pem }));
    await until(async () => /ClusterTrustPolicy",state="in_force"} 1/.test(await metrics.render()));
    expect(told(/unusable/)).toHaveLength(1);
    cluster.put(keyPolicy("first", { data: pem }, "prod"));
    await until(() => told(/in force again/).length === 1);
    expect(await metrics.render()).toContain('trust_policy_objects{kind="TrustPolicy",state="unusable"} 0');
  });

  it("get their status", async () => {
    const cluster = createMemoryCluster();
    cluster.put(keyPolicy("first", { data: pem }));
    await start(cluster).following;
    await until(() => cluster.find(keyPolicy("first", {}))?.["status"] !== undefined);
    expect(cluster.find(keyPolicy("first", {}))?.["status"]).toMatchObject({ conditions: [{ status: "True" }] });
  });

  it("whose status may not be written take effect all the same", async () => {
    const cluster = createMemoryCluster();
    cluster.put(keyPolicy("first", { data: pem }));
    const { mergeStatus } = cluster;
    Object.assign(cluster, {
      async mergeStatus(...args: Parameters<typeof mergeStatus>) {
        cluster.denied.add("clustertrustpolicies.v1alpha1.imagetrust.dev");
        return mergeStatus(...args).finally(() => cluster.denied.clear());
      },
    });
    const { following, told } = start(cluster);
    const known = await following;
    await until(() => told(/status of a policy object not written/).length === 1);
    cluster.put(keyPolicy("second", { data: pem }));
    await until(() => names(known).includes("second"));
    expect(told(/status of a policy object not written/)).toHaveLength(1);
  });
});
