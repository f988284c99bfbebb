import { afterAll, expect, it } from "vitest";
import { followNamespaces } from "../../webhook/namespaces.ts";
import { createMemoryCluster, type WrittenObject } from "../support/memory-cluster.ts";
import { until } from "../support/policy-objects.ts";

const running = new AbortController();
afterAll(() => running.abort());

const namespace = (name: string, labels: Readonly<Record<string, unknown>>): WrittenObject => ({
  apiVersion: "v1",
  kind: "Namespace",
  metadata: { name, labels },
});

function follow() {
  const cluster = createMemoryCluster();
  const troubles: string[] = [];
  const onTrouble = (kind: string, { code }: { code: string }) => void troubles.push(`${kind} ${code}`);
  const open = () => followNamespaces({ cluster, onTrouble, onSeen: () => undefined, signal: running.signal });
  const asked = () => cluster.requests.filter((request) => request.startsWith("get ")).length;
  return { cluster, open, troubles, asked };
}

it("labels of a namespace are those it has now", async () => {
  const { cluster, open, asked } = follow();
  cluster.put(namespace("prod", { tier: "web" }));
  const namespaces = open();
  expect(await namespaces.ready).toBe(true);
  expect(await namespaces.labels("prod", 1000)).toEqual({ tier: "web" });
  cluster.put(namespace("prod", { tier: "db", odd: 1 }));
  await until(async () => (await namespaces.labels("prod", 1000))?.["tier"] === "db");
  expect(await namespaces.labels("prod", 1000)).toEqual({ tier: "db" });
  expect(asked()).toBe(0);
});

it("a namespace that the list does not have yet is asked for once by all who need it", async () => {
  const { cluster, open, asked } = follow();
  const namespaces = open();
  await namespaces.ready;
  // Behind the back of the watch, as of one that lags.
  const { get } = cluster;
  Object.assign(cluster, {
    async get(...args: Parameters<typeof get>) {
      await get(...args);
      const metadata = { name: "new", uid: "u", resourceVersion: "1", labels: { tier: "web" } };
      return { apiVersion: "v1", kind: "Namespace", metadata };
    },
  });
  const labels = await Promise.all(Array.from({ length: 20 }, () => namespaces.labels("new", 1000)));
  expect(new Set(labels.map((each) => JSON.stringify(each)))).toEqual(new Set(['{"tier":"web"}']));
  expect(asked()).toBe(1);
});

it("labels that cannot be had in time, or of no namespace, are not known", async () => {
  const { cluster, open, troubles } = follow();
  const namespaces = open();
  await namespaces.ready;
  expect(await namespaces.labels("none", 1000)).toBeUndefined();
  const { get } = cluster;
  Object.assign(cluster, { get: () => new Promise(() => {}) });
  expect(await namespaces.labels("slow", 20)).toBeUndefined();
  Object.assign(cluster, { get });
  cluster.denied.add("namespaces.v1.");
  expect(await namespaces.labels("denied", 1000)).toBeUndefined();
  expect(troubles).toContain("Namespace CLUSTER_ACCESS_DENIED");
});
