import { describe, expect, test } from "vitest";
import type { ClusterObject, Resource } from "../../src/cluster/cluster.ts";
import { readAll } from "../oci/server.ts";
import { codeOfRejection } from "../support/errors.ts";
import { configMap, configMaps, sendJson, serveApi, statusOf } from "./api-server.ts";

const policies: Resource = {
  group: "imagetrust.dev",
  version: "v1alpha1",
  plural: "clustertrustpolicies",
  kind: "ClusterTrustPolicy",
  namespaced: false,
};
const policy: ClusterObject = {
  apiVersion: "imagetrust.dev/v1alpha1",
  kind: "ClusterTrustPolicy",
  metadata: { name: "a", uid: "u", resourceVersion: "1" },
};

describe("one object", () => {
  test("is got by its name, in its namespace or in none", async () => {
    const { cluster, requests } = await serveApi((request, response) =>
      sendJson(response, 200, request.url?.startsWith("/api/") ? configMap("a:b", 1) : policy),
    );
    expect(await cluster.get(configMaps, "a:b", { namespace: "prod" })).toEqual(configMap("a:b", 1));
    expect(await cluster.get(policies, "a")).toEqual(policy);
    expect(requests).toEqual([
      "GET /api/v1/namespaces/prod/configmaps/a%3Ab",
      "GET /apis/imagetrust.dev/v1alpha1/clustertrustpolicies/a",
    ]);
  });

  test.each(["", ".", "..", "a/b", "a%2fb", "a b", "a\n", "x".repeat(254)])(
    "is never asked for by the name %j",
    async (name) => {
      const { cluster, requests } = await serveApi(() => {});
      expect(await codeOfRejection(cluster.get(configMaps, name, { namespace: "prod" }))).toBe("CONFIG_INVALID");
      expect(await codeOfRejection(cluster.get(configMaps, "a", { namespace: name }))).toBe("CONFIG_INVALID");
      expect(await codeOfRejection(cluster.list(configMaps, { namespace: name }))).toBe("CONFIG_INVALID");
      expect(requests).toEqual([]);
    },
  );

  test("may not be there", async () => {
    const { cluster } = await serveApi((_, response) => sendJson(response, 404, statusOf(404)));
    expect(await cluster.get(policies, "a")).toBeUndefined();
  });

  test.each<[string, object]>([
    ["another name", { metadata: { ...policy.metadata, name: "b" } }],
    ["another kind", { kind: "TrustPolicy" }],
    ["no kind", { kind: undefined }],
    ["a namespace that its kind cannot have", { metadata: { ...policy.metadata, namespace: "prod" } }],
  ])("with %s is not the one that was asked for", async (_, change) => {
    const { cluster } = await serveApi((_request, response) => sendJson(response, 200, { ...policy, ...change }));
    expect(await codeOfRejection(cluster.get(policies, "a"))).toBe("CLUSTER_ANSWER_INVALID");
  });
});

describe("a status", () => {
  test("is merged, in the name of trust", async () => {
    const sent: unknown[] = [];
    const { cluster, requests } = await serveApi(async (request, response) => {
      sent.push([request.headers["content-type"], JSON.parse(String(await readAll(request)))]);
      sendJson(response, 200, policy);
    });
    await cluster.mergeStatus(policies, policy, { ready: true, reason: null });
    expect(requests).toEqual(["PATCH /apis/imagetrust.dev/v1alpha1/clustertrustpolicies/a/status?fieldManager=trust"]);
    const { apiVersion, kind } = policy;
    const { resourceVersion } = policy.metadata;
    expect(sent).toEqual([
      [
        "application/merge-patch+json",
        { apiVersion, kind, metadata: { resourceVersion }, status: { ready: true, reason: null } },
      ],
    ]);
  });

  test.each([404, 409])("of an object that is gone or being changed (%d) is left alone", async (status) => {
    const { cluster } = await serveApi((_, response) => sendJson(response, status, statusOf(status)));
    await cluster.mergeStatus(policies, policy, {});
  });

  test.each([
    [403, "CLUSTER_ACCESS_DENIED"],
    [422, "CLUSTER_ANSWER_INVALID"],
    [500, "CLUSTER_UNREACHABLE"],
  ])("that is refused with %d is %s", async (status, code) => {
    const { cluster } = await serveApi((_, response) => sendJson(response, status, statusOf(status)));
    expect(await codeOfRejection(cluster.mergeStatus(policies, policy, {}))).toBe(code);
  });
});
