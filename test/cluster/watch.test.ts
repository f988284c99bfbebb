import { once } from "node:events";
import { describe, expect, test } from "vitest";
import type { WatchEvent } from "../../src/cluster/cluster.ts";
import { collect } from "../oci/server.ts";
import { codeOfRejection } from "../support/errors.ts";
import { configMap, configMaps, line, sendJson, serveApi, statusOf } from "./api-server.ts";

const from = { resourceVersion: "5" };

describe("a watch", () => {
  test("asks for bookmarks and an end, and tells what comes, however it is cut", async () => {
    const text = `${line("ADDED", configMap("ä", 6))}\r\n\n${line("BOOKMARK", { kind: "ConfigMap", metadata: { resourceVersion: "9" } })}${line("DELETED", configMap("ä", 10)).trimEnd()}`;
    const { cluster, requests } = await serveApi(
      async (_, response) => {
        for (const byte of Buffer.from(text)) {
          response.write(Buffer.of(byte));
          if (byte === 0x0a) await new Promise(setImmediate);
        }
        response.end();
      },
      { random: () => 0.5 },
    );
    const events = await collect(cluster.watch(configMaps, { ...from, namespace: "prod", labelSelector: "a=b" }));
    expect(events).toEqual<WatchEvent[]>([
      { type: "added", object: configMap("ä", 6) },
      { type: "bookmark", resourceVersion: "9" },
      { type: "deleted", object: configMap("ä", 10) },
    ]);
    expect(requests).toEqual([
      "GET /api/v1/namespaces/prod/configmaps?watch=true&allowWatchBookmarks=true&timeoutSeconds=270&resourceVersion=5&labelSelector=a%3Db",
    ]);
  });

  test.each([
    ["a bookmark without a version", line("BOOKMARK", { metadata: {} })],
    ["an object of another namespace", line("ADDED", configMap("a", 6)).replaceAll("prod", "dev")],
    ["an object that says not what it is", line("ADDED", configMap("a", 6, { kind: undefined }))],
    ["nothing but a type", '{"type":"ADDED"}\n'],
    ["a list", "[]\n"],
  ])("that tells %s is no answer of an API server", async (_, text) => {
    const { cluster } = await serveApi((_request, response) => response.end(text));
    expect(await codeOfRejection(collect(cluster.watch(configMaps, { ...from, namespace: "prod" })))).toBe(
      "CLUSTER_ANSWER_INVALID",
    );
  });

  test("that is cut is an outage", async () => {
    const { cluster } = await serveApi((_, response) => {
      response.write(line("ADDED", configMap("a", 6)), () => response.destroy());
    });
    const told: string[] = [];
    const watching = async () => {
      for await (const event of cluster.watch(configMaps, from)) told.push(event.type);
    };
    expect(await codeOfRejection(watching())).toBe("CLUSTER_UNREACHABLE");
    expect(told).toEqual(["added"]);
  });

  test.each<[string, (write: () => void) => void]>([
    ["is silent", () => {}],
    ["drips a line that never ends", (write) => setInterval(write, 20).unref()],
  ])("that %s ends after its time", async (_, go) => {
    const { cluster } = await serveApi(
      (_request, response) => {
        response.flushHeaders();
        go(() => response.write("x"));
      },
      { watchLimits: { seconds: [0, 0], grace: 150 } },
    );
    expect(await codeOfRejection(collect(cluster.watch(configMaps, from)))).toBe("CLUSTER_UNREACHABLE");
  });

  test.each([
    [410, "CLUSTER_VERSION_GONE"],
    [403, "CLUSTER_ACCESS_DENIED"],
    [404, "CLUSTER_ANSWER_INVALID"],
    [504, "CLUSTER_UNREACHABLE"],
  ])("that is refused with %d throws %s", async (status, code) => {
    const { cluster } = await serveApi((_, response) => sendJson(response, status, statusOf(status)));
    expect(await codeOfRejection(collect(cluster.watch(configMaps, from)))).toBe(code);
  });

  test.each(["by the signal", "by nobody reading on"])("that is left %s gives its connection back", async (how) => {
    const closed = Promise.withResolvers<void>();
    const { cluster } = await serveApi((request, response) => {
      once(request.socket, "close").then(() => closed.resolve());
      response.write(line("ADDED", configMap("a", 6)));
    });
    const controller = new AbortController();
    const watching = async () => {
      for await (const _event of cluster.watch(configMaps, { ...from, signal: controller.signal }))
        if (how === "by the signal") controller.abort();
        else break;
    };
    await watching();
    await closed.promise;
  });
});
