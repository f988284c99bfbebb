import type { Cluster, ClusterObject, KeepObject, ObjectQuery, Resource } from "../cluster/cluster.ts";
import type { JsonObject } from "../crypto/json.ts";
import { maxTenantObject } from "../policy/object-problems.ts";

/** In characters of JSON. */
export interface KeptLimits {
  /** Of one object of a namespace. */
  readonly object: number;
  /** Of all objects of a kind in one namespace. */
  readonly namespace: number;
  /** Of the status of any object. */
  readonly status: number;
}

/** What the server adds to an object is little. */
const added = 1024;

const defaultLimits: KeptLimits = { object: maxTenantObject + added, namespace: 1024 * 1024, status: 16 * 1024 };

interface Room {
  readonly sizes: Map<string, number>;
  taken: number;
}

/** What is kept of policy objects, so that nobody who may write some in a namespace fills the memory that all need. */
export interface ObjectBounds {
  /** The object without what no decision needs; in the place of a specification that is too much, a text that says so. */
  keep(object: ClusterObject): ClusterObject;
  /** Gives back the room of an object that is gone. */
  forget(object: ClusterObject): void;
}

/** Bounds for the objects of one kind, none of which is known yet. Those that come first have the room. */
export function createObjectBounds(limits: KeptLimits = defaultLimits): ObjectBounds {
  const rooms = new Map<string, Room>();
  const leave = (room: Room | undefined, name: string) => {
    if (room === undefined) return;
    room.taken -= room.sizes.get(name) ?? 0;
    room.sizes.delete(name);
  };
  return {
    keep(object) {
      const { name, namespace } = object.metadata;
      const bare = bareOf(object, limits.status);
      if (namespace === undefined) return bare;
      const { status: _, ...written } = bare;
      const size = JSON.stringify(written).length;
      const room = rooms.get(namespace) ?? { sizes: new Map<string, number>(), taken: 0 };
      rooms.set(namespace, room);
      leave(room, name);
      if (size > limits.object) return without(bare, `more than ${limits.object} characters, which is not read`);
      if (room.taken + size > limits.namespace)
        return without(
          bare,
          `not read, as such objects of the namespace have more than ${limits.namespace} characters`,
        );
      room.sizes.set(name, size);
      room.taken += size;
      return bare;
    },
    forget({ metadata: { name, namespace } }) {
      if (namespace !== undefined) leave(rooms.get(namespace), name);
    },
  };
}

/** Labels and annotations say nothing here, and may be large. */
function bareOf({ metadata, status, ...rest }: ClusterObject, mostStatus: number): ClusterObject {
  const { name, namespace, uid, resourceVersion, generation, deletionTimestamp } = metadata;
  const isSmall = status !== undefined && JSON.stringify(status).length <= mostStatus;
  return {
    ...rest,
    metadata: {
      ...{ name, uid, resourceVersion },
      ...(namespace === undefined ? {} : { namespace }),
      ...(generation === undefined ? {} : { generation }),
      ...(typeof deletionTimestamp === "string" ? { deletionTimestamp } : {}),
    },
    ...(isSmall ? { status } : {}),
  };
}

function without({ apiVersion, kind, metadata, status }: ClusterObject, spec: string): ClusterObject {
  const kept: JsonObject = status === undefined ? {} : { status };
  return { apiVersion, kind, metadata, spec, ...kept };
}

/** The same cluster, of whose policy objects only what {@link createObjectBounds} keeps is ever held. */
export function boundingObjects(cluster: Cluster, limits?: KeptLimits): Cluster {
  const kinds = new Map<string, ObjectBounds>();
  const keyOf = ({ group, plural }: Resource) => `${plural}.${group}`;
  return {
    ...cluster,
    async list(resource: Resource, query?: ObjectQuery, keep: KeepObject = (object) => object) {
      const bounds = createObjectBounds(limits);
      const list = await cluster.list(resource, query, (object) => keep(bounds.keep(object)));
      kinds.set(keyOf(resource), bounds);
      return list;
    },
    async *watch(resource, query) {
      const bounds = kinds.get(keyOf(resource)) ?? createObjectBounds(limits);
      kinds.set(keyOf(resource), bounds);
      for await (const event of cluster.watch(resource, query)) {
        if (event.type === "bookmark") yield event;
        else if (event.type === "deleted") {
          bounds.forget(event.object);
          yield event;
        } else yield { ...event, object: bounds.keep(event.object) };
      }
    },
  };
}
