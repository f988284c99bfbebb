import type { JsonObject } from "../crypto/json.ts";

/** A kind of objects, as the API server serves it: `/apis/GROUP/VERSION/PLURAL`, `/api/v1/PLURAL` for the group "". */
export interface Resource {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  /** As objects name it; items of a list need not. */
  readonly kind: string;
  readonly namespaced: boolean;
}

/** One object, as far as every object has the same shape. Nothing else of it has been looked at. */
export interface ClusterObject extends JsonObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMetadata;
}

export interface ObjectMetadata extends JsonObject {
  readonly name: string;
  /** Undefined for objects of the cluster. */
  readonly namespace?: string;
  readonly uid: string;
  /** Changes with every change of the object. */
  readonly resourceVersion: string;
  /** Changes with every change of its specification, where the kind has a status of its own. */
  readonly generation?: number;
}

/** An object to be written: `resourceVersion` of the one whose place it takes, none where it is new. */
export interface WrittenObject extends JsonObject {
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string | undefined;
    readonly resourceVersion?: string | undefined;
  };
}

/** Which objects of a kind; everything given must hold. */
export interface ObjectQuery {
  /** Absent: those of all namespaces. */
  readonly namespace?: string | undefined;
  readonly fieldSelector?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ObjectList {
  readonly items: readonly ClusterObject[];
  /** Where a watch goes on from. */
  readonly resourceVersion: string;
}

/** Takes away what is not needed of an object. Must leave the metadata that all objects have. */
export type KeepObject = (object: ClusterObject) => ClusterObject;

/** What a watch tells. `bookmark`: nothing changed up to that version. */
export type WatchEvent =
  | { readonly type: "added" | "modified" | "deleted"; readonly object: ClusterObject }
  | { readonly type: "bookmark"; readonly resourceVersion: string };

/**
 * The API server of a cluster, as one user sees it. Reads are bounded in size and time. All of it throws
 * `CLUSTER_UNREACHABLE` (no answer, or 429 or one of the 5xx), `CLUSTER_ACCESS_DENIED` (401, 403; says which right is missing),
 * `CLUSTER_ANSWER_INVALID` (what is no answer of an API server, too large a one, or another refusal), `TLS_FAILED`,
 * `CLUSTER_CONFIG_INVALID` (the credentials can no longer be read), `CONFIG_INVALID` (a name that no object can have), and
 * `DEADLINE_EXCEEDED` after the caller's signal. Objects come without `managedFields` and members called `__proto__`.
 */
export interface Cluster {
  /** The URL of the server, for messages. */
  readonly server: string;
  /** Where this program runs, or the namespace of the context; `default` where neither says. */
  readonly namespace: string;
  /**
   * All objects, page by page; undefined where the server knows no such kind. With `keep`, what that makes of each, and the bound
   * of the whole list is on that.
   */
  list(resource: Resource, query?: ObjectQuery, keep?: KeepObject): Promise<ObjectList | undefined>;
  /**
   * What changes after `resourceVersion`, until the server ends it or the signal comes. Throws `CLUSTER_VERSION_GONE` where the
   * server does not remember so far back: list again.
   */
  watch(resource: Resource, query: ObjectQuery & { readonly resourceVersion: string }): AsyncIterable<WatchEvent>;
  /** Undefined where there is no such object. */
  get(
    resource: Resource,
    name: string,
    query?: Omit<ObjectQuery, "fieldSelector" | "labelSelector">,
  ): Promise<ClusterObject | undefined>;
  /**
   * Merges `status` into the status of an object (RFC 7396). Nothing is written, and nothing thrown, where it is not the object any
   * more that was seen: gone, changed, or another of its name (404, 409): whoever follows it hears of that.
   */
  mergeStatus(resource: Resource, object: ClusterObject, status: JsonObject, signal?: AbortSignal): Promise<void>;
  /**
   * Writes an object: a new one where it has no `resourceVersion`, else in the place of the one of that version. Undefined where
   * somebody else was faster, so that it is there already, changed, or gone (409, 404).
   */
  store(resource: Resource, object: WrittenObject, signal?: AbortSignal): Promise<ClusterObject | undefined>;
  /** Ends the connections; what is under way ends with `CLUSTER_UNREACHABLE`. */
  close(): void;
}
