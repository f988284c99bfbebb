import type { ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import type { ClusterObject } from "../../src/cluster/cluster.ts";
import { type FollowTiming, follow } from "../../src/cluster/follow.ts";
import type { TrustError } from "../../src/errors.ts";
import {
  configMap,
  configMaps,
  line,
  listOf,
  queryOf,
  sendJson,
  serveKind,
  statusOf,
  type TestApi,
} from "./api-server.ts";

const quick: Partial<FollowTiming> = { firstPause: 20, maxPause: 60, batch: 5, unknownKind: 30, lostKind: 150 };

interface Follower {
  /** What was told, each as `KEY@VERSION …` in order. */
  readonly told: string[];
  readonly troubles: TrustError[];
  readonly ready: Promise<boolean>;
  readonly ended: Promise<void>;
  seen(): number;
  stop(): void;
}

function start({ cluster }: Pick<TestApi, "cluster">, timing: Partial<FollowTiming> = {}): Follower {
  const controller = new AbortController();
  onTestFinished(() => controller.abort());
  const [told, troubles]: [string[], TrustError[]] = [[], []];
  let seen = 0;
  const { ready, ended } = follow({
    cluster,
    resource: configMaps,
    onChange: (objects) => told.push(shown(objects)),
    onTrouble: (error) => troubles.push(error),
    onSeen: () => seen++,
    signal: controller.signal,
    timing: { ...quick, ...timing },
  });
  return { told, troubles, ready, ended, seen: () => seen, stop: () => controller.abort() };
}

const shown = (objects: ReadonlyMap<string, ClusterObject>) =>
  [...objects].map(([key, { metadata }]) => `${key}@${metadata.resourceVersion}`).join(" ");

/** Waits for what must come. */
const until = (check: () => boolean) => expect.poll(check, { timeout: 5_000, interval: 5 }).toBe(true);

/** One after the other, the last for ever. */
function turns<T>(items: readonly T[]): () => T {
  let at = 0;
  return () => items[Math.min(at++, items.length - 1)] as T;
}

const holds = (response: ServerResponse) => response.flushHeaders();
const answer =
  (body: object, status = 200) =>
  (response: ServerResponse) =>
    sendJson(response, status, body);
const writes =
  (...texts: string[]) =>
  (response: ServerResponse) =>
    response.write(texts.join(""));
const ends =
  (...texts: string[]) =>
  (response: ServerResponse) =>
    response.end(texts.join(""));

/** An answer that breaks off. */
const breaksOff = (response: ServerResponse) => response.write("\n", () => response.destroy());

type Answer = (response: ServerResponse) => unknown;

function serveTurns(lists: readonly Answer[], watches: readonly Answer[]): Promise<TestApi> {
  const [list, watch] = [turns(lists), turns(watches)];
  return serveKind({ list: (response) => list()(response), watch: (response) => watch()(response) });
}

describe("what is told", () => {
  test("is the first list, then each change, with the objects that did not change", async () => {
    const api = await serveTurns(
      [answer(listOf([configMap("a", 3), configMap("b", 4)], 5))],
      [
        writes(
          line("ADDED", configMap("c", 6)),
          line("MODIFIED", configMap("a", 7)),
          line("DELETED", configMap("b", 8)),
        ),
      ],
    );
    const { told, ready } = start(api);
    expect(await ready).toBe(true);
    await until(() => told.length === 2);
    expect(told).toEqual(["prod/a@3 prod/b@4", "prod/a@7 prod/c@6"]);
  });

  test("is an empty cluster too, once", async () => {
    const api = await serveTurns([answer(listOf([], 5))], [ends(line("BOOKMARK", configMap("x", 6)))]);
    const { told, seen } = start(api);
    await until(() => seen() > 3);
    expect(told).toEqual([""]);
  });

  test("is nothing where the same objects are listed again", async () => {
    const api = await serveTurns([answer(listOf([configMap("a", 3)], 5))], [holds]);
    const { told, seen } = start(api, { relist: 20 });
    await until(() => seen() > 4);
    expect(told).toEqual(["prod/a@3"]);
  });

  test("is an object that was made anew under its name and version", async () => {
    const again = configMap("a", 3, {
      metadata: { name: "a", namespace: "prod", uid: "other", resourceVersion: "3" },
    });
    const api = await serveTurns([answer(listOf([configMap("a", 3)], 5)), answer(listOf([again], 6))], [holds]);
    const { told } = start(api, { relist: 20 });
    await until(() => told.length === 2);
    expect(told).toEqual(["prod/a@3", "prod/a@3"]);
  });

  test("does not change under the listener's hands", async () => {
    const api = await serveTurns([answer(listOf([], 5))], [writes(line("ADDED", configMap("c", 6)))]);
    const kept: ReadonlyMap<string, ClusterObject>[] = [];
    const controller = new AbortController();
    onTestFinished(() => controller.abort());
    follow({
      cluster: api.cluster,
      resource: configMaps,
      onChange: (objects) => kept.push(objects),
      onTrouble: () => {},
      signal: controller.signal,
    });
    await until(() => kept.length === 2);
    expect(kept.map(({ size }) => size)).toEqual([0, 1]);
  });

  test("comes also to a listener that throws", async () => {
    const api = await serveTurns([answer(listOf([], 5))], [writes(line("ADDED", configMap("c", 6)))]);
    const controller = new AbortController();
    onTestFinished(() => controller.abort());
    const troubles: string[] = [];
    let calls = 0;
    follow({
      cluster: api.cluster,
      resource: configMaps,
      onChange: () => {
        calls++;
        throw new Error("a bug");
      },
      onTrouble: ({ code }) => {
        troubles.push(code);
        throw new Error("another");
      },
      onSeen: () => {
        throw new Error("a third");
      },
      signal: controller.signal,
    });
    await until(() => calls === 2);
    expect(troubles).toEqual(["INTERNAL", "INTERNAL"]);
  });
});

describe("a watch", () => {
  test("that ends goes on from its last version, without another list", async () => {
    const versions: (string | null)[] = [];
    const api = await serveKind({
      list: answer(listOf([], 5)),
      watch: (response, request) => {
        const version = queryOf(request).get("resourceVersion");
        versions.push(version);
        const next = Number(version) + 1;
        response.end(
          versions.length === 2 ? line("BOOKMARK", configMap("x", 20)) : line("ADDED", configMap(`n${next}`, next)),
        );
      },
    });
    const { told, troubles } = start(api);
    await until(() => versions.length >= 4);
    expect(versions.slice(0, 4)).toEqual(["5", "6", "20", "21"]);
    expect(told.slice(0, 3)).toEqual(["", "prod/n6@6", "prod/n6@6 prod/n21@21"]);
    expect(troubles).toEqual([]);
    expect(api.requests.filter((request) => !request.includes("watch"))).toHaveLength(1);
  });

  test("that ends at once, again and again, is trouble and no busy loop", async () => {
    const api = await serveTurns([answer(listOf([], 5))], [ends()]);
    const { troubles } = start(api, { firstPause: 50, maxPause: 10_000 });
    await until(() => troubles.length === 2);
    expect(troubles.map(({ code }) => code)).toEqual(["CLUSTER_UNREACHABLE", "CLUSTER_UNREACHABLE"]);
    expect(api.requests.length).toBeLessThan(8);
  });

  test.each<[string, Answer]>([
    ["before its first event", answer(statusOf(410), 410)],
    ["as an event", ends(line("ERROR", statusOf(410)))],
  ])("whose version is gone %s leads to a list at once, and is no trouble", async (_, gone) => {
    const api = await serveTurns([answer(listOf([], 5)), answer(listOf([configMap("a", 8)], 9))], [gone, holds]);
    const { told, troubles } = start(api, { firstPause: 60_000, maxPause: 60_000 });
    await until(() => told.length === 2);
    expect(told).toEqual(["", "prod/a@8"]);
    expect(troubles).toEqual([]);
  });

  test("whose version is gone always is trouble", async () => {
    const api = await serveTurns([answer(listOf([], 5))], [ends(line("ERROR", statusOf(410)))]);
    const { troubles } = start(api, { firstPause: 5_000, maxPause: 5_000 });
    await until(() => troubles.length === 1);
    expect(troubles[0]?.code).toBe("CLUSTER_VERSION_GONE");
    expect(api.requests.length).toBeLessThanOrEqual(4);
  });

  test.each([
    ["garbage", "this is no JSON\n", "CLUSTER_ANSWER_INVALID"],
    ["half an event", line("ADDED", configMap("b", 7)).slice(0, 40), "CLUSTER_ANSWER_INVALID"],
    ["a line of 10 MB", `${"x".repeat(10_000_000)}\n`, "CLUSTER_ANSWER_INVALID"],
    ["another kind", line("ADDED", { ...configMap("b", 7), kind: "Secret" }), "CLUSTER_ANSWER_INVALID"],
    ["an event of another type", line("CHANGED", configMap("b", 7)), "CLUSTER_ANSWER_INVALID"],
    ["an older version", line("ADDED", configMap("b", 4)), "CLUSTER_ANSWER_INVALID"],
    ["an outage", line("ERROR", statusOf(500)), "CLUSTER_UNREACHABLE"],
    ["a refusal", line("ERROR", statusOf(403)), "CLUSTER_ACCESS_DENIED"],
    ["an error without a code", line("ERROR", {}), "CLUSTER_ANSWER_INVALID"],
  ])("that tells %s keeps what came before, and lists again", async (_, text, code) => {
    const api = await serveTurns(
      [answer(listOf([configMap("a", 3)], 5)), answer(listOf([configMap("z", 9)], 9))],
      [ends(line("ADDED", configMap("c", 6)), text), holds],
    );
    const { told, troubles } = start(api);
    await until(() => told.at(-1) === "prod/z@9");
    expect(told).toEqual(["prod/a@3", "prod/a@3 prod/c@6", "prod/z@9"]);
    expect(troubles.map((error) => error.code)).toEqual([code]);
  });

  test("that is silent is left when it is time to list again", async () => {
    const api = await serveTurns([answer(listOf([], 5)), answer(listOf([configMap("a", 3)], 6))], [holds]);
    const { told } = start(api, { relist: 50 });
    await until(() => told.length === 2);
    expect(told.at(-1)).toBe("prod/a@3");
  });

  test("that tells not even that nothing changed is left before that, and is no trouble", async () => {
    const api = await serveTurns([answer(listOf([], 5)), answer(listOf([configMap("a", 3)], 6))], [holds]);
    const { told, troubles } = start(api, { silence: 50 });
    await until(() => told.length === 2);
    expect(told.at(-1)).toBe("prod/a@3");
    expect(troubles).toEqual([]);
  });
});

describe("trouble", () => {
  test("with the first list is told, and the list is tried until it is there", async () => {
    const api = await serveTurns(
      [
        answer(statusOf(403), 403),
        answer(statusOf(500), 500),
        breaksOff,
        (response) => response.end("<html>"),
        answer(listOf([configMap("a", 3)], 5)),
      ],
      [holds],
    );
    const { told, troubles, ready } = start(api);
    expect(await ready).toBe(true);
    expect(told).toEqual(["prod/a@3"]);
    expect(troubles.map(({ code }) => code)).toEqual([
      "CLUSTER_ACCESS_DENIED",
      "CLUSTER_UNREACHABLE",
      "CLUSTER_UNREACHABLE",
      "CLUSTER_ANSWER_INVALID",
    ]);
  });

  test("later on takes nothing away", async () => {
    const api = await serveTurns(
      [answer(listOf([configMap("a", 3)], 5)), answer(statusOf(401), 401), answer(listOf([configMap("a", 3)], 5))],
      [breaksOff, holds],
    );
    const { told, troubles, seen } = start(api);
    await until(() => seen() === 2);
    expect(told).toEqual(["prod/a@3"]);
    expect(troubles.map(({ code }) => code)).toEqual(["CLUSTER_UNREACHABLE"]);
  });

  test("is waited out for as long as the server asks", async () => {
    const times: number[] = [];
    const api = await serveTurns(
      [
        (response) => {
          times.push(performance.now());
          sendJson(response, 429, statusOf(429), { "Retry-After": "1" });
        },
        (response) => {
          times.push(performance.now());
          sendJson(response, 200, listOf([], 5));
        },
      ],
      [holds],
    );
    const { ready, troubles } = start(api);
    expect(await ready).toBe(true);
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThan(990);
    expect(troubles.map(({ code }) => code)).toEqual(["CLUSTER_UNREACHABLE"]);
  });
});

describe("a kind that the server does not know", () => {
  const unknown = (response: ServerResponse) =>
    response.writeHead(404, { "Content-Type": "text/plain" }).end("404 page not found\n");

  test("has no objects, and is asked for until it is there", async () => {
    const api = await serveTurns([unknown, unknown, answer(listOf([configMap("a", 3)], 5))], [holds]);
    const { told, troubles } = start(api);
    await until(() => told.length === 2);
    expect(told).toEqual(["", "prod/a@3"]);
    expect(troubles).toEqual([]);
  });

  test("keeps its objects for a while, as a server that starts may not know it yet", async () => {
    const known = answer(listOf([configMap("a", 3)], 5));
    const api = await serveTurns([known, unknown, unknown, known], [breaksOff, holds]);
    const { told, seen } = start(api, { lostKind: 60_000 });
    await until(() => seen() === 2);
    expect(told).toEqual(["prod/a@3"]);
  });

  test("loses its objects when it stays unknown", async () => {
    const api = await serveTurns([answer(listOf([configMap("a", 3)], 5)), unknown], [breaksOff, holds]);
    const { told } = start(api);
    await until(() => told.length === 2);
    expect(told).toEqual(["prod/a@3", ""]);
  });

  test("is not one that something else answers 404 for", async () => {
    const api = await serveTurns([(response) => response.writeHead(404).end("<h1>Not Found</h1>")], [holds]);
    const { told, troubles } = start(api);
    await until(() => troubles.length === 2);
    expect(troubles[0]?.code).toBe("CLUSTER_ANSWER_INVALID");
    expect(told).toEqual([]);
  });
});

describe("the signal", () => {
  test.each<[string, Answer, Answer]>([
    ["a list", holds, holds],
    ["a watch", answer(listOf([], 5)), holds],
    ["a pause", answer(statusOf(500), 500), holds],
  ])("ends it during %s", async (_, list, watch) => {
    const api = await serveTurns([list], [watch]);
    const { ended, stop, ready } = start(api, { firstPause: 60_000, maxPause: 60_000 });
    await until(() => api.requests.length > 0);
    await sleep(30);
    stop();
    await ended;
    expect(await ready).toBe(list !== holds && api.requests.length === 2);
  });

  test("that came before leaves nothing to do", async () => {
    const api = await serveTurns([answer(listOf([], 5))], [holds]);
    const { ended } = follow({
      cluster: api.cluster,
      resource: configMaps,
      onChange: () => {},
      onTrouble: () => {},
      signal: AbortSignal.abort(),
    });
    await ended;
    expect(api.requests).toEqual([]);
  });
});
