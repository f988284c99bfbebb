import { writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { ClientOptions } from "../../src/cluster/client.ts";
import type { Cluster, Resource } from "../../src/cluster/cluster.ts";
import { openCluster } from "../../src/cluster/kube-config.ts";
import { type Handler, sendJson, serve, type TestServer } from "../oci/server.ts";
import { tempDir } from "../support/process.ts";

export const configMaps: Resource = {
  group: "",
  version: "v1",
  plural: "configmaps",
  kind: "ConfigMap",
  namespaced: true,
};

/** A ConfigMap as an API server writes it. */
export function configMap(name: string, resourceVersion: number | string, more: object = {}) {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, namespace: "prod", uid: `uid-${name}`, resourceVersion: String(resourceVersion) },
    ...more,
  };
}

export function listOf(items: readonly unknown[], resourceVersion: number | string, next?: string) {
  const metadata = { resourceVersion: String(resourceVersion), ...(next === undefined ? {} : { continue: next }) };
  return { kind: "ConfigMapList", apiVersion: "v1", metadata, items };
}

export function statusOf(code: number, message = "made by a test", more: object = {}) {
  return { kind: "Status", apiVersion: "v1", status: "Failure", message, code, ...more };
}

export const line = (type: string, object: unknown) => `${JSON.stringify({ type, object })}\n`;

export interface TestApi extends TestServer {
  readonly cluster: Cluster;
}

/** A server on loopback that answers as the test says, and a client of it. Both end with the test. */
export async function serveApi(handler: Handler, options: ClientOptions = {}): Promise<TestApi> {
  const server = await serve(handler);
  const cluster = await openCluster({ ...options, kubeconfig: kubeconfigOf({ server: server.origin }), env: {} });
  onTestFinished(() => cluster.close());
  return { ...server, cluster };
}

export interface TwoHandlers {
  readonly list: (response: ServerResponse, request: IncomingMessage) => unknown;
  readonly watch: (response: ServerResponse, request: IncomingMessage) => unknown;
}

/** The same, with lists and watches apart. */
export function serveKind({ list, watch }: TwoHandlers, options: ClientOptions = {}): Promise<TestApi> {
  return serveApi((request, response) => {
    const answer = queryOf(request).has("watch") ? watch : list;
    return answer(response, request);
  }, options);
}

export function queryOf(request: IncomingMessage): URLSearchParams {
  return new URL(request.url ?? "", "http://none").searchParams;
}

export { sendJson };

/** The path of a kubeconfig with one cluster and one user, gone with the test. */
export function kubeconfigOf(cluster: object, user: object = {}, more: object = {}): string {
  const config = {
    apiVersion: "v1",
    kind: "Config",
    "current-context": "one",
    contexts: [{ name: "one", context: { cluster: "there", user: "me", namespace: "prod" } }],
    clusters: [{ name: "there", cluster }],
    users: [{ name: "me", user }],
    ...more,
  };
  return fileOf("config", JSON.stringify(config));
}

/** A file of a test, in a folder of its own. */
export function fileOf(name: string, text: string): string {
  const { path, cleanup } = tempDir("kubeconfig");
  onTestFinished(cleanup);
  const file = join(path, name);
  writeFileSync(file, text);
  return file;
}
