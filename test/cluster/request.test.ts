import { writeFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Cluster } from "../../src/cluster/cluster.ts";
import { type ClusterOptions, openCluster } from "../../src/cluster/kube-config.ts";
import { type Handler, listen, serve } from "../oci/server.ts";
import { createAuthority } from "../oci/tls.ts";
import { codeOfRejection } from "../support/errors.ts";
import { configMaps, kubeconfigOf, listOf, sendJson, serveApi, statusOf } from "./api-server.ts";

const ca = createAuthority();
const other = createAuthority();
const base64 = (text: string) => Buffer.from(text).toString("base64");

const open = async (options: Partial<ClusterOptions>): Promise<Cluster> => {
  const cluster = await openCluster({ env: {}, ...options });
  onTestFinished(() => cluster.close());
  return cluster;
};

const empty: Handler = (_, response) => sendJson(response, 200, listOf([], 7));
const serveTls = (handler: Handler, more: object = {}) =>
  serve(handler, { ...ca.issue("server", ["127.0.0.1"]), ...more });
const trusted = { "certificate-authority-data": base64(ca.cert) };

describe("the server", () => {
  test("is known by its authority, and knows the certificate of who asks", async () => {
    const { origin } = await serveTls(
      (request, response) => {
        const { subject } = (
          request.socket as unknown as { getPeerCertificate(): { subject: { CN: string } } }
        ).getPeerCertificate();
        sendJson(response, 200, listOf([], subject.CN === "me" ? 7 : 8));
      },
      { ca: ca.cert, requestCert: true },
    );
    const { cert, key } = ca.issue("me");
    const user = { "client-certificate-data": base64(cert), "client-key-data": base64(key) };
    const cluster = await open({ kubeconfig: kubeconfigOf({ server: origin, ...trusted }, user) });
    expect(await cluster.list(configMaps)).toEqual({ items: [], resourceVersion: "7" });
    expect(cluster.server).toBe(origin);
  });

  test.each([
    ["another authority", { "certificate-authority-data": base64(other.cert) }],
    ["no authority of its own", {}],
    ["another name", { ...trusted, "tls-server-name": "kubernetes.example" }],
  ])("is not trusted with %s, whatever the environment says", async (_, cluster) => {
    const { origin, requests } = await serveTls(empty);
    const before = process.env["NODE_TLS_REJECT_UNAUTHORIZED"];
    process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = "0";
    onTestFinished(() => {
      if (before === undefined) delete process.env["NODE_TLS_REJECT_UNAUTHORIZED"];
      else process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = before;
    });
    const { list } = await open({ kubeconfig: kubeconfigOf({ server: origin, ...cluster }, { token: "secret" }) });
    await expect(list(configMaps)).rejects.toMatchObject({
      code: "TLS_FAILED",
      hint: expect.stringContaining("certificate-authority-data"),
    });
    expect(requests).toEqual([]);
  });

  test("may be behind a path, and hears who asks", async () => {
    let heard: unknown;
    const { origin, requests } = await serveTls((request, response) => {
      heard = [request.headers.authorization, request.headers["user-agent"], request.headers["impersonate-group"]];
      return empty(request, response);
    });
    const user = { token: "t", as: "x", "as-groups": ["a", "b"] };
    const server = `${origin}/k8s/clusters/c-1/`;
    const kubeconfig = kubeconfigOf({ server, ...trusted }, user);
    await (await open({ kubeconfig, userAgent: "trust/1" })).list(configMaps);
    expect(requests).toEqual(["GET /k8s/clusters/c-1/api/v1/configmaps?limit=200"]);
    expect(heard).toEqual(["Bearer t", "trust/1", "a, b"]);
  });

  test("that speaks plain HTTP where HTTPS was expected is refused", async () => {
    const { host } = await serve(empty);
    const { list } = await open({ kubeconfig: kubeconfigOf({ server: `https://${host}` }, { token: "secret" }) });
    expect(await codeOfRejection(list(configMaps))).toBe("INSECURE_TRANSPORT_REFUSED");
  });

  test("is reached through the proxy of its cluster", async () => {
    const { origin } = await serveTls(empty);
    const asked: (string | undefined)[] = [];
    const proxy = createHttpServer();
    proxy.on("connect", (request, socket) => {
      asked.push(request.url);
      const { hostname, port } = new URL(origin);
      const further = connect(Number(port), hostname, () => {
        socket.write("HTTP/1.1 200 OK\r\n\r\n");
        socket.pipe(further).pipe(socket);
      });
      for (const end of [socket, further]) end.on("error", () => end.destroy());
    });
    const { host } = await listen(proxy);
    const kubeconfig = kubeconfigOf({ server: origin, ...trusted, "proxy-url": `http://${host}` });
    expect(await (await open({ kubeconfig })).list(configMaps)).toBeDefined();
    expect(asked).toEqual([new URL(origin).host]);
  });

  test("is told of by each request, without what it selects", async () => {
    const events: unknown[] = [];
    const { cluster, origin } = await serveApi(empty, { onRequest: (event) => events.push(event) });
    await cluster.list(configMaps, { fieldSelector: "metadata.name=a" });
    expect(events).toEqual([
      { method: "GET", url: `${origin}/api/v1/configmaps`, status: 200, ms: expect.any(Number) },
    ]);
  });

  test("that closes a connection which was kept, as it is used again, is asked over another", async () => {
    const sockets = new Set<unknown>();
    const { cluster, requests } = await serveApi((request, response) => {
      if (requests.length === 2) return request.socket.destroy();
      sockets.add(request.socket);
      return empty(request, response);
    });
    await cluster.list(configMaps);
    expect(await cluster.list(configMaps)).toBeDefined();
    expect([sockets.size, requests.length]).toEqual([2, 3]);
  });

  test("keeps its connection, also after a status was written", async () => {
    const sockets = new Set<unknown>();
    const { cluster } = await serveApi((request, response) => {
      sockets.add(request.socket);
      if (request.method === "PATCH") sendJson(response, 200, {});
      else empty(request, response);
    });
    await cluster.list(configMaps);
    const metadata = { name: "a", namespace: "prod", uid: "u", resourceVersion: "1" };
    await cluster.mergeStatus(configMaps, { apiVersion: "v1", kind: "ConfigMap", metadata }, {});
    await cluster.list(configMaps);
    expect(sockets.size).toBe(1);
  });
});

describe("a token that is no longer accepted", () => {
  test("is read again, once", async () => {
    const tokens: (string | undefined)[] = [];
    const { origin } = await serveTls((request, response) => {
      tokens.push(request.headers.authorization);
      if (request.headers.authorization === "Bearer new") return empty(request, response);
      return sendJson(response, 401, statusOf(401, "Unauthorized"));
    });
    const kubeconfig = kubeconfigOf({ server: origin, ...trusted }, { tokenFile: "token" });
    const file = join(dirname(kubeconfig), "token");
    writeFileSync(file, "old");
    const cluster = await open({ kubeconfig });
    await expect(cluster.list(configMaps)).rejects.toMatchObject({
      code: "CLUSTER_ACCESS_DENIED",
      found: "401: Unauthorized",
    });
    expect(tokens).toEqual(["Bearer old", "Bearer old"]);
    writeFileSync(file, "new");
    expect(await cluster.list(configMaps)).toBeDefined();
    expect(tokens.slice(2)).toEqual(["Bearer old", "Bearer new"]);
  });
});

describe("time", () => {
  const quick = { timeouts: { answer: 100, body: 200 } };
  const half = JSON.stringify(listOf([], 7)).slice(0, 20);
  test.each<[string, Handler]>([
    ["no answer", () => {}],
    ["half an answer", (_, response) => response.write(half)],
    ["an answer that drips", (_, response) => setInterval(() => response.write(" "), 20).unref()],
    ["a cut connection", (_, response) => response.destroy()],
    ["half an answer, and a cut connection", (_, response) => response.write(half, () => response.destroy())],
  ])("%s is an outage", async (_, handler) => {
    const { cluster } = await serveApi(handler, quick);
    expect(await codeOfRejection(cluster.list(configMaps))).toBe("CLUSTER_UNREACHABLE");
  });

  test("nobody who listens is an outage", async () => {
    const { cluster, stop } = await serveApi(empty);
    await stop();
    await expect(cluster.list(configMaps)).rejects.toMatchObject({
      code: "CLUSTER_UNREACHABLE",
      found: expect.stringContaining("ECONNREFUSED"),
    });
  });

  test("a signal ends the wait for an answer, and one that came before sends nothing", async () => {
    const { cluster, requests } = await serveApi(() => {});
    const controller = new AbortController();
    const listing = codeOfRejection(cluster.list(configMaps, { signal: controller.signal }));
    await expect.poll(() => requests.length).toBe(1);
    controller.abort();
    expect(await listing).toBe("DEADLINE_EXCEEDED");
    expect(await codeOfRejection(cluster.list(configMaps, { signal: controller.signal }))).toBe("DEADLINE_EXCEEDED");
    expect(requests).toHaveLength(1);
  });

  test("what is no HTTP is no answer of an API server", async () => {
    const { host } = await listen(createRaw());
    const { list } = await open({ kubeconfig: kubeconfigOf({ server: `http://${host}` }) });
    expect(await codeOfRejection(list(configMaps))).toBe("CLUSTER_ANSWER_INVALID");
  });
});

function createRaw() {
  const server = createHttpServer();
  server.removeAllListeners("connection");
  server.on("connection", (socket) => {
    socket.on("error", () => {});
    socket.end("SSH-2.0-OpenSSH\r\n");
  });
  return server;
}
