import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { TrustError } from "../../src/errors.ts";
import type { HighWaterMarks } from "../../src/policy/marks.ts";
import { formatMarks, parseMarks } from "../../src/policy/marks-text.ts";
import { configMapResource, followStoredMarks } from "../../src/policy-objects/stored-marks.ts";
import { createMemoryCluster, kindKey, type MemoryCluster } from "../support/memory-cluster.ts";

let cluster: MemoryCluster;
let closing: AbortController;
const troubles: TrustError[] = [];
const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "trust-state", namespace: "trust-system" } };
const timing = { gather: 5, firstPause: 5, maxPause: 10, batch: 1, relist: 50 };

beforeEach(() => {
  cluster = createMemoryCluster();
  closing = new AbortController();
  troubles.length = 0;
});
afterEach(() => closing.abort());

const begin = () =>
  followStoredMarks({
    ...{ cluster, name: "trust-state", signal: closing.signal, timing },
    onTrouble: (error) => troubles.push(error),
  });

async function open(): Promise<HighWaterMarks> {
  const { marks, ready } = begin();
  expect(await ready).toBe(true);
  return marks;
}

const stored = (): ReadonlyMap<string, number> => {
  const text = Reflect.get(cluster.find(object)?.["data"] ?? {}, "marks.json");
  return new Map(typeof text === "string" ? parseMarks(text, "x") : []);
};

async function until(holds: () => boolean): Promise<void> {
  for (const start = Date.now(); !holds(); await sleep(5))
    if (Date.now() - start > 10_000) throw new Error("it never came");
}

it("marks are known to another verifier, and to the next one", async () => {
  const [one, two] = [await open(), await open()];
  one.raise("p reg.io/app:1", 1000);
  await until(() => two.get("p reg.io/app:1") === 1000);
  expect((await open()).get("p reg.io/app:1")).toBe(1000);
});

it("without marks nothing is written", async () => {
  await open();
  expect(cluster.requests.filter((request) => /^(?:create|update)/.test(request))).toEqual([]);
});

it("no mark of many verifiers at once is lost, and none is lowered", async () => {
  const verifiers = await Promise.all(Array.from({ length: 6 }, open));
  for (const [index, verifier] of verifiers.entries()) {
    verifier.raise(`own ${index}`, index + 1);
    verifier.raise("shared", 1000 - index);
  }
  await until(() => stored().size === 7);
  await until(() => stored().get("shared") === 1000);
  for (const verifier of verifiers) await until(() => verifier.get("shared") === 1000 && verifier.get("own 5") === 6);
});

it("what else is in the ConfigMap stays there", async () => {
  cluster.put({ ...object, data: { note: "ours" } });
  (await open()).raise("p", 1);
  await until(() => stored().size === 1);
  expect(cluster.find(object)?.["data"]).toMatchObject({ note: "ours" });
});

it("something else in the place of marks is refused at the start, and is not written over later", async () => {
  const marks = await open();
  marks.raise("p", 1);
  await until(() => stored().size === 1);
  const broken = { ...object, data: { "marks.json": "{}" } };
  cluster.put(broken);
  await until(() => troubles.length > 0);
  expect(troubles[0]?.code).toBe("CONFIG_INVALID");
  marks.raise("q", 2);
  await sleep(50);
  expect(cluster.find(object)?.["data"]).toEqual(broken.data);
  expect([marks.get("p"), marks.get("q")]).toEqual([1, 2]);
  const { marks: later, ready } = begin();
  expect(await Promise.race([ready, sleep(50, "waiting")])).toBe("waiting");
  cluster.put({ ...object, data: {} });
  expect(await ready).toBe(true);
  expect(later.get("q")).toBeUndefined();
  await until(() => stored().get("q") === 2);
});

it("marks that could not be saved are saved after an outage", async () => {
  const marks = await open();
  cluster.stop();
  marks.raise("p", 1);
  await until(() => troubles.some(({ code }) => code === "CLUSTER_UNREACHABLE"));
  expect(marks.get("p")).toBe(1);
  cluster.start();
  await until(() => stored().get("p") === 1);
});

it("a right that is missing is told at the start", async () => {
  cluster.denied.add(kindKey(configMapResource));
  const { ready } = begin();
  await until(() => troubles.some(({ code }) => code === "CLUSTER_ACCESS_DENIED"));
  expect(await Promise.race([ready, sleep(50, "waiting")])).toBe("waiting");
  closing.abort();
  expect(await ready).toBe(false);
});

it("of more marks than an object can hold the youngest are kept", () => {
  const marks = new Map(
    Array.from({ length: 1000 }, (_, index) => [`policy registry.example.com/app${index}:1`, index]),
  );
  const text = formatMarks(marks, { maxBytes: 10_000 });
  expect(Buffer.byteLength(text)).toBeLessThanOrEqual(10_000);
  const kept = parseMarks(text, "x").map(([, created]) => created);
  expect(Math.min(...kept)).toBe(1000 - kept.length);
  expect(kept.length).toBeGreaterThan(50);
});
