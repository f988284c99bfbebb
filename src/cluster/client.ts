import type { JsonObject } from "../crypto/json.ts";
import type { RequestEvent } from "../oci/transport.ts";
import type { Access } from "./access.ts";
import { type Intent, invalidAnswer } from "./answers.ts";
import type { Cluster, ClusterObject, ObjectQuery, Resource } from "./cluster.ts";
import { defaultListLimits, type ListLimits, listObjects, readNotFound, readObject, readRefusal } from "./list.ts";
import { apiVersionOf, objectOf, pathOf } from "./objects.ts";
import { type ClusterTimeouts, createSender, defaultTimeouts, readAll, type Sender } from "./request.ts";
import { storeObject } from "./store.ts";
import { defaultWatchLimits, type WatchLimits, watchObjects } from "./watch.ts";

/** How an API server is spoken to. Whatever is left out has a default. */
export interface ClientOptions {
  readonly userAgent?: string | undefined;
  readonly timeouts?: Partial<ClusterTimeouts> | undefined;
  readonly listLimits?: Partial<ListLimits> | undefined;
  readonly watchLimits?: Partial<WatchLimits> | undefined;
  /** Hears of each request, as `onRequest` of a registry does. */
  readonly onRequest?: ((event: RequestEvent) => void) | undefined;
  /** From 0 up to 1. */
  readonly random?: (() => number) | undefined;
}

/** An object is one of a page. */
const maxObjectBytes = 8 * 1024 * 1024;

/** A {@link Cluster} behind an API server; nothing is sent yet. */
export function createCluster(access: Access, options: ClientOptions = {}): Cluster {
  const { userAgent = "trust", random = Math.random, onRequest } = options;
  const sender = createSender(access, { timeouts: { ...defaultTimeouts, ...options.timeouts }, userAgent, onRequest });
  const listLimits = { ...defaultListLimits, ...options.listLimits };
  const watchLimits = { ...defaultWatchLimits, ...options.watchLimits };
  return {
    server: sender.server,
    namespace: access.namespace,
    list: (resource, query = {}, keep) => listObjects(sender, resource, query, listLimits, keep),
    watch: (resource, query) => watchObjects(sender, resource, query, watchLimits, random),
    get: (resource, name, query = {}) => getObject(sender, resource, name, query),
    mergeStatus: (resource, object, status, signal) => mergeStatus(sender, resource, object, status, signal),
    store: (resource, object, signal) => storeObject(sender, resource, object, signal),
    close: sender.close,
  };
}

async function getObject(
  sender: Sender,
  resource: Resource,
  name: string,
  { namespace, signal }: ObjectQuery,
): Promise<ClusterObject | undefined> {
  const intent: Intent = { verb: "get", resource, namespace, name };
  const path = pathOf(resource, namespace, name);
  const answer = await sender.send({ intent, method: "GET", path, query: {}, signal });
  if (answer.status === 404) {
    await readNotFound(sender, answer, intent);
    return undefined;
  }
  const value = await readObject(sender, answer, intent, maxObjectBytes);
  const object = objectOf(value, resource, { namespace });
  if (typeof object === "string") throw invalidAnswer(intent, sender.server, `a ${resource.kind}`, object);
  if (object.metadata.name === name) return object;
  throw invalidAnswer(intent, sender.server, `the ${resource.kind} ${name}`, "another one");
}

/** Of an object that is gone or is being changed, whoever follows it hears soon enough. */
async function mergeStatus(
  sender: Sender,
  resource: Resource,
  { metadata }: ClusterObject,
  status: JsonObject,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { name, namespace } = metadata;
  const intent: Intent = { verb: "patch", resource, namespace, name, subresource: "status" };
  const answer = await sender.send({
    intent,
    method: "PATCH",
    path: pathOf(resource, namespace, name, "status"),
    query: { fieldManager: "trust" },
    body: {
      type: "application/merge-patch+json",
      // Of that version: what was seen of one object is not said of another that has its name now.
      text: JSON.stringify({
        apiVersion: apiVersionOf(resource),
        kind: resource.kind,
        metadata: { resourceVersion: metadata.resourceVersion },
        status,
      }),
    },
    signal,
  });
  if (answer.status === 200) {
    // Read, so that the connection can be used again.
    await readAll(sender, answer, intent, maxObjectBytes);
    return;
  }
  const error = await readRefusal(sender, answer, intent);
  if (answer.status === 404 || answer.status === 409) return;
  throw error;
}
