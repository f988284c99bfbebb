import type { Cluster, ClusterObject, ObjectQuery, Resource, WatchEvent } from "../../src/cluster/cluster.ts";
import type { JsonObject } from "../../src/crypto/json.ts";
import { TrustError } from "../../src/errors.ts";

/** What a test writes of an object; the rest the cluster completes. */
export interface WrittenObject extends JsonObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly [key: string]: unknown };
}

/** The objects of a cluster, in memory: as quick as a test of what is done with them wants it. */
export interface MemoryCluster extends Cluster {
  /** Stores an object, in the place of the one of that name; the generation counts changes of what is not status. */
  put(object: WrittenObject): ClusterObject;
  remove(object: WrittenObject): void;
  find(object: WrittenObject): ClusterObject | undefined;
  /** Ends all watches, and answers nothing until `start`. */
  stop(): void;
  start(): void;
  /** Kinds, as `PLURAL.VERSION.GROUP`, that the server does not know, and that may not be read. */
  readonly unknown: Set<string>;
  readonly denied: Set<string>;
  /** Every request, as `VERB PLURAL[/NAME]`. */
  readonly requests: string[];
}

/** The key of a kind in the sets of a {@link MemoryCluster}. */
export function kindKey({ plural, version, group }: Pick<Resource, "plural" | "version" | "group">): string {
  return `${plural}.${version}.${group}`;
}

interface Watcher {
  readonly resource: Resource;
  readonly query: ObjectQuery;
  push(event: WatchEvent | "end"): void;
}

/** A cluster without a server. Of field selectors it knows `metadata.name=NAME` alone. */
export function createMemoryCluster(namespace = "trust-system"): MemoryCluster {
  const objects = new Map<string, ClusterObject>();
  const watchers = new Set<Watcher>();
  const [unknown, denied, requests] = [new Set<string>(), new Set<string>(), [] as string[]];
  let version = 1;
  let isDown = false;
  const keyOf = ({ apiVersion, kind, metadata }: WrittenObject) =>
    `${apiVersion.split("/").length === 1 ? "" : apiVersion.split("/")[0]} ${kind} ${metadata.namespace ?? ""}/${metadata.name}`;
  const asked = (verb: string, resource: Resource, name?: string) => {
    requests.push(`${verb} ${resource.plural}${name === undefined ? "" : `/${name}`}`);
    if (isDown) throw new TrustError("CLUSTER_UNREACHABLE", "the API server does not answer");
    if (denied.has(kindKey(resource)))
      throw new TrustError("CLUSTER_ACCESS_DENIED", `may not ${verb} ${resource.plural}`, {
        expected: `${verb} right`,
      });
  };
  const tell = (type: "added" | "modified" | "deleted", object: ClusterObject) => {
    for (const watcher of watchers)
      if (fits(object, watcher)) watcher.push({ type, object: converted(object, watcher.resource) });
  };
  const store = (object: ClusterObject) => {
    const before = objects.get(keyOf(object));
    objects.set(keyOf(object), object);
    tell(before === undefined ? "added" : "modified", object);
    return object;
  };
  return {
    server: "memory:",
    namespace,
    ...{ unknown, denied, requests },
    put(object) {
      const before = objects.get(keyOf(object));
      const { metadata, status = before?.["status"], ...rest } = object;
      const isChanged = JSON.stringify(rest) !== JSON.stringify(withoutHead(before));
      const generation = (before?.metadata.generation ?? 0) + (isChanged ? 1 : 0);
      const uid = before?.metadata.uid ?? `uid-${++version}`;
      const whole = { uid, generation, ...metadata, resourceVersion: String(++version) };
      return store({ ...rest, metadata: whole, ...(status === undefined ? {} : { status }) } as ClusterObject);
    },
    remove(object) {
      const before = objects.get(keyOf(object));
      if (before === undefined || !objects.delete(keyOf(object))) return;
      tell("deleted", { ...before, metadata: { ...before.metadata, resourceVersion: String(++version) } });
    },
    find: (object) => objects.get(keyOf(object)),
    stop() {
      isDown = true;
      for (const watcher of watchers) watcher.push("end");
    },
    start() {
      isDown = false;
    },
    async list(resource, query = {}, keep = (object) => object) {
      asked("list", resource);
      if (unknown.has(kindKey(resource))) return undefined;
      const items = [...objects.values()].filter((object) => fits(object, { resource, query }));
      return { items: items.map((object) => keep(converted(object, resource))), resourceVersion: String(version) };
    },
    async *watch(resource, query) {
      asked("watch", resource);
      const events: (WatchEvent | "end")[] = [...objects.values()]
        .filter((object) => fits(object, { resource, query }))
        .filter(({ metadata }) => Number(metadata.resourceVersion) > Number(query.resourceVersion))
        .map((object) => ({ type: "modified", object: converted(object, resource) }));
      let wake = () => {};
      const push = (event: WatchEvent | "end") => {
        events.push(event);
        wake();
      };
      const watcher: Watcher = { resource, query, push };
      watchers.add(watcher);
      query.signal?.addEventListener("abort", () => watcher.push("end"), { once: true });
      try {
        for (;;) {
          const event = events.shift();
          if (event === "end" || query.signal?.aborted === true) return;
          if (event !== undefined) yield event;
          else {
            const more = Promise.withResolvers<void>();
            wake = more.resolve;
            await more.promise;
          }
        }
      } finally {
        watchers.delete(watcher);
      }
    },
    async get(resource, name, query = {}) {
      asked("get", resource, name);
      if (unknown.has(kindKey(resource))) return undefined;
      const found = [...objects.values()].find(
        (object) => fits(object, { resource, query }) && object.metadata.name === name,
      );
      return found && converted(found, resource);
    },
    async mergeStatus(resource, object, status) {
      asked("patch", resource, object.metadata.name);
      const before = objects.get(keyOf(object as WrittenObject));
      if (before?.metadata.resourceVersion !== object.metadata.resourceVersion) return;
      if (JSON.stringify(before["status"]) === JSON.stringify(status)) return;
      store({ ...before, metadata: { ...before.metadata, resourceVersion: String(++version) }, status });
    },
    async store(resource, object) {
      asked(object.metadata.resourceVersion === undefined ? "create" : "update", resource, object.metadata.name);
      const before = objects.get(keyOf(object as unknown as WrittenObject));
      if (before?.metadata.resourceVersion !== object.metadata.resourceVersion) return undefined;
      return this.put(object as unknown as WrittenObject);
    },
    close() {
      for (const watcher of watchers) watcher.push("end");
    },
  };
}

function withoutHead(object: ClusterObject | undefined): unknown {
  const { metadata: _, status: __, ...rest } = object ?? { metadata: {}, status: {} };
  return rest;
}

/** As a server has one object in all versions of its kind. */
function converted(object: ClusterObject, { group, version }: Resource): ClusterObject {
  return { ...object, apiVersion: group === "" ? version : `${group}/${version}` };
}

function fits(object: ClusterObject, { resource, query }: Pick<Watcher, "resource" | "query">): boolean {
  const [, group = ""] = object.apiVersion.split("/").toReversed();
  const { metadata, kind } = object;
  const name = /^metadata\.name=(.+)$/.exec(query.fieldSelector ?? "")?.[1];
  return (
    kind === resource.kind &&
    group === resource.group &&
    (query.namespace === undefined || metadata.namespace === query.namespace) &&
    (name === undefined || metadata.name === name)
  );
}
