import { describe, expect, test } from "vitest";
import { readAll } from "../oci/server.ts";
import { codeOfRejection } from "../support/errors.ts";
import { configMap, configMaps, sendJson, serveApi, statusOf } from "./api-server.ts";

const isNew = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a", namespace: "prod" }, data: { x: "y" } };
const old = configMap("a", 3, { data: { x: "y" } });

describe("an object that is stored", () => {
  test("is created where it has no version, else takes the place of the one that has it", async () => {
    const sent: unknown[] = [];
    const { cluster, requests } = await serveApi(async (request, response) => {
      sent.push(JSON.parse(String(await readAll(request))));
      sendJson(response, request.method === "POST" ? 201 : 200, configMap("a", 4));
    });
    expect(await cluster.store(configMaps, isNew)).toEqual(configMap("a", 4));
    expect(await cluster.store(configMaps, old)).toEqual(configMap("a", 4));
    expect(requests).toEqual([
      "POST /api/v1/namespaces/prod/configmaps?fieldManager=trust",
      "PUT /api/v1/namespaces/prod/configmaps/a?fieldManager=trust",
    ]);
    expect(sent).toEqual([isNew, old]);
  });

  test.each([
    [409, isNew],
    [409, old],
    [404, old],
  ])("is not where the server says %d to it", async (status, object) => {
    const { cluster } = await serveApi((_, response) => sendJson(response, status, statusOf(status)));
    expect(await cluster.store(configMaps, object)).toBeUndefined();
  });

  test.each([
    [404, isNew, "CLUSTER_ANSWER_INVALID"],
    [403, old, "CLUSTER_ACCESS_DENIED"],
    [500, old, "CLUSTER_UNREACHABLE"],
  ])("that is refused with %d is an error", async (status, object, code) => {
    const { cluster } = await serveApi((_, response) => sendJson(response, status, statusOf(status)));
    expect(await codeOfRejection(cluster.store(configMaps, object))).toBe(code);
  });
});
