import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from "vitest";
import type { ClientOptions } from "../../src/cluster/client.ts";
import type { Cluster, ClusterObject, Resource } from "../../src/cluster/cluster.ts";
import { type FollowTiming, follow } from "../../src/cluster/follow.ts";
import { openCluster } from "../../src/cluster/kube-config.ts";
import type { TrustError } from "../../src/errors.ts";
import { codeOfRejection } from "../support/errors.ts";
import { describeKubernetes, type Kubernetes, startKubernetes } from "../support/kubernetes.ts";

const core = (plural: string, kind: string): Resource => ({ group: "", version: "v1", plural, kind, namespaced: true });
const configMaps = core("configmaps", "ConfigMap");
const secrets = core("secrets", "Secret");
const widgets: Resource = {
  group: "test.example",
  version: "v1",
  plural: "widgets",
  kind: "Widget",
  namespaced: false,
};

const crd = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "widgets.test.example" },
  spec: {
    group: "test.example",
    names: { plural: "widgets", singular: "widget", kind: "Widget", listKind: "WidgetList" },
    scope: "Cluster",
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } },
        subresources: { status: {} },
      },
    ],
  },
};
const widget = (name: string, size: number) => ({
  apiVersion: "test.example/v1",
  kind: "Widget",
  metadata: { name },
  spec: { size },
});
const eventually = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 30_000, interval: 50 });
const timing: Partial<FollowTiming> = { firstPause: 200, maxPause: 1_000, unknownKind: 500, lostKind: 3_000 };

describeKubernetes("the client of a real API server", () => {
  let kubernetes: Kubernetes;
  let cluster: Cluster;
  beforeAll(async () => {
    // So that versions are forgotten within seconds.
    const flags = ["--etcd-compaction-interval=1s", "--feature-gates=ListFromCacheSnapshot=false"];
    kubernetes = await startKubernetes({ apiServerFlags: flags });
    cluster = await openCluster({ kubeconfig: kubernetes.kubeconfig, env: {} });
    await apply(crd);
    await eventually(async () => expect(await cluster.list(widgets)).toBeDefined());
  }, 120_000);
  afterAll(async () => {
    cluster?.close();
    await kubernetes?.close();
  });

  const apply = async (...items: readonly object[]): Promise<void> => {
    const input = JSON.stringify({ apiVersion: "v1", kind: "List", items });
    expect(await kubernetes.kubectl(["apply", "-f", "-"], { input })).toMatchObject({ code: 0 });
  };
  const remove = async (...args: readonly string[]): Promise<void> => {
    expect(await kubernetes.kubectl(["delete", ...args])).toMatchObject({ code: 0 });
  };
  const open = async (kubeconfig: string, options: ClientOptions = {}): Promise<Cluster> => {
    const opened = await openCluster({ ...options, kubeconfig, env: {} });
    onTestFinished(() => opened.close());
    return opened;
  };
  const inNamespace = async (name: string): Promise<string> => {
    await apply({ apiVersion: "v1", kind: "Namespace", metadata: { name } });
    return name;
  };

  /** What a follower has been told last, and all it had trouble with. */
  const following = (of: Cluster, resource: Resource, namespace?: string) => {
    const controller = new AbortController();
    const state = { objects: new Map<string, ClusterObject>() as ReadonlyMap<string, ClusterObject>, told: 0 };
    const troubles: TrustError[] = [];
    const { ready, ended } = follow({
      cluster: of,
      resource,
      query: { namespace },
      onChange: (objects) => {
        state.objects = objects;
        state.told++;
      },
      onTrouble: (error) => troubles.push(error),
      signal: controller.signal,
      timing,
    });
    onTestFinished(async () => {
      controller.abort();
      await ended;
    });
    return { state, troubles, ready, names: () => [...state.objects.keys()].toSorted() };
  };

  const post = (path: string, body: object): Promise<number> => {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const { ca, admin, server } = kubernetes;
    const sent = request(new URL(path, server), {
      method: "POST",
      ca,
      ...admin,
      headers: { "Content-Type": "application/json" },
    });
    sent.on("response", (response) => response.resume().on("end", () => resolve(response.statusCode ?? 0)));
    sent.on("error", reject).end(JSON.stringify(body));
    return promise;
  };

  it("lists 1,200 objects page by page, and anew where the pages are forgotten meanwhile", async () => {
    const namespace = await inNamespace("many");
    const names = Array.from({ length: 1_200 }, (_, place) => `map-${String(place).padStart(4, "0")}`);
    const queue = [...names];
    const worker = async () => {
      for (let name = queue.pop(); name !== undefined; name = queue.pop())
        await post(`/api/v1/namespaces/${namespace}/configmaps`, { metadata: { name }, data: { name } });
    };
    await Promise.all(Array.from({ length: 8 }, worker));
    const list = await cluster.list(configMaps, { namespace });
    expect(list?.items.map(({ metadata }) => metadata.name).sort()).toEqual(names);
    expect(list?.items[7]).toMatchObject({ apiVersion: "v1", kind: "ConfigMap", data: { name: names[7] } });
    const thorough = await open(kubernetes.kubeconfig, { listLimits: { pageItems: 5 } });
    expect((await thorough.list(configMaps, { namespace }))?.items).toHaveLength(1_200);
    const { url, stall } = await throughStall(kubernetes.server);
    const kubeconfig = join(kubernetes.folder, "stalled.kubeconfig");
    writeFileSync(kubeconfig, readFileSync(kubernetes.kubeconfig, "utf8").replaceAll(kubernetes.server, url));
    const stalled = await open(kubeconfig, { listLimits: { pageItems: 50 } });
    await stalled.list(configMaps, { namespace });
    // What the first pages came from is compacted before the last are asked for.
    const until = stall();
    const listing = stalled.list(configMaps, { namespace });
    await until.reached;
    await post(`/api/v1/namespaces/${namespace}/configmaps`, { metadata: { name: "z-late" } });
    await sleep(5_000);
    until.go();
    expect((await listing)?.items.map(({ metadata }) => metadata.name).toSorted()).toEqual([...names, "z-late"]);
    await remove("namespace", namespace, "--wait=false");
  });

  it("lists by field and label, gets one, and knows what is not there", async () => {
    const namespace = await inNamespace("some");
    const labelled = (name: string, app: string) => ({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name, namespace, labels: { app } },
    });
    await apply(labelled("a", "x"), labelled("b", "y"));
    const namesOf = async (query: object) =>
      (await cluster.list(configMaps, { namespace, ...query }))?.items.map(({ metadata }) => metadata.name);
    expect(await namesOf({ labelSelector: "app=y" })).toEqual(["b"]);
    expect(await namesOf({ fieldSelector: "metadata.name=a" })).toEqual(["a"]);
    expect(await cluster.get(configMaps, "a", { namespace })).toMatchObject({
      kind: "ConfigMap",
      metadata: { namespace },
    });
    expect(await cluster.get(configMaps, "none", { namespace })).toBeUndefined();
    expect(await cluster.list({ ...widgets, plural: "gadgets", kind: "Gadget" })).toBeUndefined();
    expect(await cluster.list({ ...widgets, group: "none.example" })).toBeUndefined();
    expect(await cluster.get({ ...widgets, group: "none.example" }, "a")).toBeUndefined();
    expect(await codeOfRejection(cluster.list(configMaps, { namespace, labelSelector: "a===b=" }))).toBe(
      "CLUSTER_ANSWER_INVALID",
    );
  });

  it("follows what is created, changed and deleted", async () => {
    const namespace = await inNamespace("followed");
    const [maps, keys] = [following(cluster, widgets), following(cluster, secrets, namespace)];
    await Promise.all([maps.ready, keys.ready]);
    const secret = (key: string) => ({
      ...{ apiVersion: "v1", kind: "Secret", metadata: { name: "key", namespace } },
      stringData: { key },
    });
    await apply(widget("one", 1), widget("two", 1), secret("old"));
    await eventually(async () => {
      expect(maps.names()).toEqual(["one", "two"]);
      expect(keys.names()).toEqual(["followed/key"]);
    });
    await apply(widget("one", 2), secret("new"));
    await eventually(async () => {
      expect(maps.state.objects.get("one")).toMatchObject({ spec: { size: 2 }, metadata: { generation: 2 } });
      expect(keys.state.objects.get("followed/key")).toMatchObject({ data: { key: btoa("new") } });
    });
    await remove("widget", "two");
    await remove("secret", "key", "-n", namespace);
    await eventually(async () => {
      expect(maps.names()).toEqual(["one"]);
      expect(keys.names()).toEqual([]);
    });
    expect([...maps.troubles, ...keys.troubles]).toEqual([]);
  });

  it("merges a status, which is no change of the specification, and lets be what is gone", async () => {
    await apply(widget("stated", 1));
    const found = async () => {
      const object = await cluster.get(widgets, "stated");
      if (object === undefined) throw new Error("not there");
      return object;
    };
    await cluster.mergeStatus(widgets, await found(), { ready: true, reason: "x" });
    const object = await found();
    await cluster.mergeStatus(widgets, object, { reason: null });
    const after = await cluster.get(widgets, "stated");
    expect(after).toMatchObject({ spec: { size: 1 }, status: { ready: true }, metadata: { generation: 1 } });
    expect(after?.["status"]).not.toHaveProperty("reason");
    await remove("widget", "stated");
    await cluster.mergeStatus(widgets, object, { ready: false });
    expect(await cluster.get(widgets, "stated")).toBeUndefined();
    await apply(widget("stated", 2));
    await cluster.mergeStatus(widgets, object, { ready: false });
    expect(await found()).not.toHaveProperty("status");
  });

  it("stores an object, and takes no place that somebody else took", async () => {
    const namespace = await inNamespace("stored");
    const map = (x: string) => ({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "a", namespace },
      data: { x },
    });
    const first = await cluster.store(configMaps, map("1"));
    if (first === undefined) throw new Error("not stored");
    expect(await cluster.store(configMaps, map("2"))).toBeUndefined();
    const second = await cluster.store(configMaps, { ...first, data: { x: "3" } });
    expect(second).toMatchObject({ data: { x: "3" }, metadata: { uid: first.metadata.uid } });
    expect(await cluster.store(configMaps, { ...first, data: { x: "4" } })).toBeUndefined();
    await remove("configmap", "a", "-n", namespace);
    expect(await cluster.store(configMaps, { ...second, metadata: second?.metadata ?? { name: "a" } })).toBeUndefined();
    expect(await cluster.get(configMaps, "a", { namespace })).toBeUndefined();
    const nowhere = { ...map("5"), metadata: { name: "a", namespace: "no-such-namespace" } };
    expect(await codeOfRejection(cluster.store(configMaps, nowhere))).toBe("CLUSTER_ANSWER_INVALID");
  });

  it("says so when a version is gone", async () => {
    const watch = async () => {
      for await (const _ of cluster.watch(widgets, { resourceVersion: "1" })) return;
    };
    expect(await codeOfRejection(watch())).toBe("CLUSTER_VERSION_GONE");
  });

  it("follows over the ends of watches without another list, until a version is gone", async () => {
    const short = await open(kubernetes.kubeconfig, { watchLimits: { seconds: [1, 1] } });
    const asked = { lists: 0, watches: 0, from: undefined as string | undefined };
    const counting: Cluster = {
      ...short,
      list: (...args) => {
        asked.lists++;
        return short.list(...args);
      },
      watch: (resource, query) => {
        asked.watches++;
        return short.watch(resource, { ...query, resourceVersion: asked.from ?? query.resourceVersion });
      },
    };
    const followed = following(counting, widgets);
    await followed.ready;
    await apply(widget("end-a", 1));
    await eventually(async () => expect(asked.watches).toBeGreaterThan(3));
    await apply(widget("end-b", 1));
    await eventually(async () => expect(followed.names()).toContain("end-b"));
    expect(asked.lists).toBe(1);
    asked.from = "1";
    await eventually(async () => expect(asked.lists).toBe(2));
    asked.from = undefined;
    await apply(widget("end-c", 1));
    await eventually(async () => expect(followed.names()).toContain("end-c"));
    expect(followed.troubles.filter(({ code }) => code !== "CLUSTER_VERSION_GONE")).toEqual([]);
  });

  it("goes on after an outage, and knows what happened meanwhile", async () => {
    await apply(widget("before", 1));
    const followed = following(cluster, widgets);
    await followed.ready;
    await kubernetes.stopApiServer();
    await eventually(async () => expect(followed.troubles.length).toBeGreaterThan(1));
    expect(followed.names()).toContain("before");
    expect(new Set(followed.troubles.map(({ code }) => code))).toEqual(new Set(["CLUSTER_UNREACHABLE"]));
    await kubernetes.startApiServer();
    await remove("widget", "before");
    await apply(widget("after", 1));
    await eventually(async () => {
      expect(followed.names()).toContain("after");
      expect(followed.names()).not.toContain("before");
    });
  });

  it("names the right that a user lacks, and follows once it is granted", async () => {
    const limited = await open(kubernetes.kubeconfigFor("limited"));
    await expect(limited.list(widgets)).rejects.toMatchObject({
      code: "CLUSTER_ACCESS_DENIED",
      expected: "the right to list widgets.test.example",
      hint: expect.stringContaining("kubectl auth can-i list widgets.test.example"),
    });
    const followed = following(limited, widgets);
    await eventually(async () => expect(followed.troubles.at(-1)?.code).toBe("CLUSTER_ACCESS_DENIED"));
    expect(followed.state.told).toBe(0);
    const name = "limited";
    const rbac = "rbac.authorization.k8s.io";
    await apply(
      {
        ...{ apiVersion: `${rbac}/v1`, kind: "ClusterRole", metadata: { name } },
        rules: [{ apiGroups: ["test.example"], resources: ["widgets"], verbs: ["list", "watch"] }],
      },
      {
        ...{ apiVersion: `${rbac}/v1`, kind: "ClusterRoleBinding", metadata: { name } },
        roleRef: { apiGroup: rbac, kind: "ClusterRole", name },
        subjects: [{ apiGroup: rbac, kind: "User", name }],
      },
    );
    expect(await followed.ready).toBe(true);
    await apply(widget("granted", 1));
    await eventually(async () => expect(followed.names()).toContain("granted"));
    const object = followed.state.objects.get("granted");
    if (object === undefined) throw new Error("not there");
    await expect(limited.mergeStatus(widgets, object, {})).rejects.toMatchObject({
      code: "CLUSTER_ACCESS_DENIED",
      expected: "the right to patch widgets.test.example/status granted",
    });
  });

  it("is the service account of a Pod, whose token is read anew", async () => {
    const folder = join(kubernetes.folder, "pod");
    mkdirSync(folder);
    writeFileSync(join(folder, "ca.crt"), kubernetes.ca);
    writeFileSync(join(folder, "namespace"), "default");
    writeFileSync(join(folder, "token"), "no.token.here");
    await kubernetes.kubectl(["create", "serviceaccount", "reader"]);
    await kubernetes.kubectl([
      ...[
        "create",
        "clusterrolebinding",
        "reader",
        "--clusterrole=system:aggregate-to-view",
        "--serviceaccount=default:reader",
      ],
    ]);
    const { hostname, port } = new URL(kubernetes.server);
    const own = await openCluster({
      env: { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port },
      home: "/nowhere",
      serviceAccountFolder: folder,
    });
    onTestFinished(() => own.close());
    expect(own.namespace).toBe("default");
    await expect(own.list(configMaps)).rejects.toMatchObject({
      code: "CLUSTER_ACCESS_DENIED",
      found: expect.stringMatching(/^401/),
    });
    const { stdout } = await kubernetes.kubectl(["create", "token", "reader"]);
    writeFileSync(join(folder, "token"), stdout);
    expect(await own.list(configMaps)).toBeDefined();
    expect(await codeOfRejection(own.list(secrets))).toBe("CLUSTER_ACCESS_DENIED");
  });

  it("follows a kind from before its definition until after it", async () => {
    const followed = following(cluster, widgets);
    await followed.ready;
    expect(followed.names()).not.toEqual([]);
    await remove("crd", "widgets.test.example");
    await eventually(async () => expect(followed.names()).toEqual([]));
    await apply(crd);
    await eventually(async () => expect(await cluster.list(widgets)).toBeDefined());
    await apply(widget("late", 1));
    await eventually(async () => expect(followed.names()).toEqual(["late"]));
  });
});

/** Another port of a server, on which the tenth and all further answers can be made to wait. */
async function throughStall(server: string) {
  const { hostname, port } = new URL(server);
  let stalled: { seen: number; readonly reached: () => void; readonly open: Promise<void> } | undefined;
  const forward = createServer((near) => {
    const far = connect(Number(port), hostname);
    far.pipe(near);
    near.on("data", async (piece: Buffer) => {
      near.pause();
      if (stalled !== undefined && ++stalled.seen >= 10) {
        stalled.reached();
        await stalled.open;
      }
      far.write(piece);
      near.resume();
    });
    const end = (one: Socket, other: Socket) =>
      one.on("error", () => other.destroy()).on("close", () => other.destroy());
    end(near, far);
    end(far, near);
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  forward.listen(0, "127.0.0.1", resolve);
  await promise;
  onTestFinished(() => {
    forward.close();
  });
  const address = forward.address();
  const own = typeof address === "object" && address !== null ? address.port : 0;
  return {
    url: `https://127.0.0.1:${own}`,
    stall() {
      const [reached, open] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      stalled = { seen: 0, reached: reached.resolve, open: open.promise };
      const go = () => {
        stalled = undefined;
        open.resolve();
      };
      return { reached: reached.promise, go };
    },
  };
}
