import { describe, expect, test } from "vitest";
import { codeOfRejection } from "../support/errors.ts";
import { configMap, configMaps, listOf, queryOf, sendJson, serveApi, statusOf } from "./api-server.ts";

/** Serves these bodies in turn, the last for ever; a number is that status. */
function serveBodies(...bodies: readonly (object | string | number)[]) {
  let at = 0;
  return serveApi((_request, response) => {
    const body = bodies[Math.min(at++, bodies.length - 1)] ?? 500;
    if (typeof body === "number") sendJson(response, body, statusOf(body));
    else if (typeof body === "string") response.end(body);
    else sendJson(response, 200, body);
  });
}

describe("a list", () => {
  test("is all pages, with the version of the first, and each item says what it is", async () => {
    const bare = { metadata: { name: "b", namespace: "prod", uid: "u", resourceVersion: "2", managedFields: [{}] } };
    const { cluster, requests } = await serveBodies(listOf([configMap("a", 1)], 7, "next page"), listOf([bare], 8));
    const list = await cluster.list(configMaps, { namespace: "prod", fieldSelector: "f", labelSelector: "l" });
    expect(list).toEqual({
      resourceVersion: "7",
      items: [
        configMap("a", 1),
        {
          apiVersion: "v1",
          kind: "ConfigMap",
          metadata: { name: "b", namespace: "prod", uid: "u", resourceVersion: "2" },
        },
      ],
    });
    expect(requests).toEqual([
      "GET /api/v1/namespaces/prod/configmaps?limit=200&fieldSelector=f&labelSelector=l",
      "GET /api/v1/namespaces/prod/configmaps?limit=200&continue=next+page&fieldSelector=f&labelSelector=l",
    ]);
  });

  test("may say in two ways that it is empty", async () => {
    const { cluster } = await serveBodies(listOf([], 7), { ...listOf([], 8), items: null });
    expect(await cluster.list(configMaps)).toEqual({ items: [], resourceVersion: "7" });
    expect(await cluster.list(configMaps)).toEqual({ items: [], resourceVersion: "8" });
  });

  test("begins anew, once, where its pages are gone", async () => {
    const first = listOf([configMap("a", 1)], 7, "more");
    const { cluster } = await serveBodies(first, 410, listOf([configMap("b", 9)], 9));
    expect((await cluster.list(configMaps))?.items.map(({ metadata }) => metadata.name)).toEqual(["b"]);
    const other = await serveBodies(first, 410, first, 410);
    expect(await codeOfRejection(other.cluster.list(configMaps))).toBe("CLUSTER_VERSION_GONE");
    expect(other.requests).toHaveLength(4);
  });

  test("asks for fewer at a time where they are large", async () => {
    const limits: number[] = [];
    const { cluster } = await serveApi(
      (request, response) => {
        const limit = Number(queryOf(request).get("limit"));
        limits.push(limit);
        const items = Array.from({ length: limit }, (_, place) =>
          configMap(`m${place}`, 1, { data: "x".repeat(1_000) }),
        );
        const next = limits.length < 5 ? `${limits.length}` : undefined;
        sendJson(response, 200, listOf(items, 7, next));
      },
      { listLimits: { pageBytes: 10_000 } },
    );
    expect((await cluster.list(configMaps))?.items).toHaveLength(12);
    expect(limits).toEqual([200, 25, 4, 4, 4]);
  });

  test("asks for large pages again after the large objects, so that many small ones still fit into a list", async () => {
    const all = Array.from({ length: 1000 }, (_, index) =>
      configMap(`${index}`, 1, { data: "x".repeat(index < 4 ? 40_000 : 0) }),
    );
    const limits: number[] = [];
    const { cluster } = await serveApi(
      (request, response) => {
        const query = queryOf(request);
        const [from, limit] = [Number(query.get("continue") ?? 0), Number(query.get("limit"))];
        limits.push(limit);
        const next = from + limit < all.length ? `${from + limit}` : undefined;
        sendJson(response, 200, listOf(all.slice(from, from + limit), 7, next));
      },
      { listLimits: { pageBytes: 100_000, pages: 20 } },
    );
    expect((await cluster.list(configMaps))?.items).toHaveLength(1000);
    expect(limits.at(-1)).toBe(200);
  });

  test("is bounded by what is kept of it, where not all of it is", async () => {
    const pages = [0, 1, 2, 3].map((page) => configMap(`${page}`, 1, { data: "x".repeat(5000) }));
    const { cluster } = await serveApi(
      (request, response) => {
        const page = Number(queryOf(request).get("continue") ?? 0);
        sendJson(response, 200, listOf([pages[page]], 7, page < 3 ? `${page + 1}` : undefined));
      },
      { listLimits: { totalBytes: 10_000 } },
    );
    expect(await codeOfRejection(cluster.list(configMaps))).toBe("CLUSTER_ANSWER_INVALID");
    const kept = await cluster.list(configMaps, {}, ({ apiVersion, kind, metadata }) => ({
      apiVersion,
      kind,
      metadata,
    }));
    expect(kept?.items.map(({ metadata }) => metadata.name)).toEqual(["0", "1", "2", "3"]);
  });
});

describe("a list that is none", () => {
  const wrongItem = (metadata: object) => listOf([configMap("a", 1, { metadata })], 7);
  const whole = { name: "a", namespace: "prod", uid: "u", resourceVersion: "1" };
  test.each<[string, object | string]>([
    ["HTML", "<html>"],
    ["an array", []],
    ["another kind", { ...listOf([], 7), kind: "SecretList" }],
    ["one object", configMap("a", 1)],
    ["without a version", { ...listOf([], 7), metadata: {} }],
    ["with a version that is none", listOf([], "a b")],
    ["with the version that means any", listOf([], 0)],
    ["with items that are no list", { ...listOf([], 7), items: {} }],
    ["with an item that is no object", listOf(["a"], 7)],
    ["with an item of another kind", listOf([configMap("a", 1, { kind: "Secret" })], 7)],
    ["with an item of another group", listOf([configMap("a", 1, { apiVersion: "x/v1" })], 7)],
    ["with an item without metadata", listOf([{}], 7)],
    ["with an item without a name", wrongItem({ ...whole, name: undefined })],
    ["with an item with an empty name", wrongItem({ ...whole, name: "" })],
    ["with an item without a uid", wrongItem({ ...whole, uid: 7 })],
    ["with an item without a version", wrongItem({ ...whole, resourceVersion: 1 })],
    ["with an item without a namespace", wrongItem({ ...whole, namespace: undefined })],
    ["with an item of another namespace", wrongItem({ ...whole, namespace: "dev" })],
    ["with an item whose generation is a text", wrongItem({ ...whole, generation: "1" })],
    ["with a next page that has no name", { ...listOf([], 7), metadata: { resourceVersion: "7", continue: 7 } }],
    ["as deep as a stack", `{"kind":"ConfigMapList","items":${"[".repeat(500_000)}`],
  ])("%s: is refused", async (_, body) => {
    const { cluster } = await serveBodies(body);
    expect(await codeOfRejection(cluster.list(configMaps, { namespace: "prod" }))).toBe("CLUSTER_ANSWER_INVALID");
  });

  test("whose pages never end is refused", async () => {
    let page = 0;
    const { cluster, requests } = await serveApi(
      (_, response) => sendJson(response, 200, listOf([], 7, `p${page++}`)),
      {
        listLimits: { pages: 20 },
      },
    );
    expect(await codeOfRejection(cluster.list(configMaps))).toBe("CLUSTER_ANSWER_INVALID");
    expect(requests).toHaveLength(20);
  });

  test("that leads to the same page again is refused", async () => {
    const { cluster, requests } = await serveBodies(listOf([], 7, "same"));
    expect(await codeOfRejection(cluster.list(configMaps))).toBe("CLUSTER_ANSWER_INVALID");
    expect(requests).toHaveLength(2);
  });

  test("is too large in one object, or in all", async () => {
    const large = configMap("a", 1, { data: "x".repeat(5_000) });
    let page = 0;
    const one = await serveApi((_, response) => sendJson(response, 200, listOf([large], 7, `p${page++}`)), {
      listLimits: { totalBytes: 20_000 },
    });
    expect(await codeOfRejection(one.cluster.list(configMaps))).toBe("CLUSTER_ANSWER_INVALID");
    expect(one.requests).toHaveLength(4);
    const other = await serveApi((_, response) => sendJson(response, 200, listOf([large], 7)), {
      listLimits: { pageBytes: 5_000 },
    });
    expect(await codeOfRejection(other.cluster.list(configMaps))).toBe("CLUSTER_ANSWER_INVALID");
  });
});

describe("a refusal", () => {
  test.each([
    [400, "CLUSTER_ANSWER_INVALID"],
    [401, "CLUSTER_ACCESS_DENIED"],
    [403, "CLUSTER_ACCESS_DENIED"],
    [302, "CLUSTER_ANSWER_INVALID"],
    [204, "CLUSTER_ANSWER_INVALID"],
    [429, "CLUSTER_UNREACHABLE"],
    [500, "CLUSTER_UNREACHABLE"],
    [503, "CLUSTER_UNREACHABLE"],
  ])("with %d is %s", async (status, code) => {
    const { cluster } = await serveBodies(status);
    expect(await codeOfRejection(cluster.list(configMaps))).toBe(code);
  });

  test("tells in one short line what the server says", async () => {
    const { cluster } = await serveApi((_, response) =>
      sendJson(response, 403, statusOf(403, `no\n\u001b[31mway${"y".repeat(1_000)}`)),
    );
    const { found } = (await cluster.list(configMaps).catch((error: { found: string }) => error)) as { found: string };
    expect(found).toMatch(/^403: no \[31mwayy+…$/);
    expect(found.length).toBeLessThan(220);
  });

  test("of a kind that is not known is no error, if it is the API server's", async () => {
    expect(await (await serveBodies(404)).cluster.list(configMaps)).toBeUndefined();
    expect(await codeOfRejection((await serveBodies(listOf([], 7, "more"), 404)).cluster.list(configMaps))).toBe(
      "CLUSTER_ANSWER_INVALID",
    );
    const other = await serveApi((_, response) => response.writeHead(404).end("nothing here"));
    expect(await codeOfRejection(other.cluster.list(configMaps))).toBe("CLUSTER_ANSWER_INVALID");
  });
});
