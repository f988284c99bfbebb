import type { Cluster, ClusterObject, ObjectQuery, Resource, WatchEvent } from "../cluster/cluster.ts";

/** The same cluster, of whose objects only what `trim` leaves is ever kept. It must leave the metadata that all objects have. */
export function trimming(cluster: Cluster, trim: (object: ClusterObject) => ClusterObject): Cluster {
  const trimmed = (event: WatchEvent): WatchEvent =>
    event.type === "bookmark" ? event : { ...event, object: trim(event.object) };
  return {
    ...cluster,
    async list(resource: Resource, query?: ObjectQuery) {
      const list = await cluster.list(resource, query);
      return list === undefined ? undefined : { ...list, items: list.items.map(trim) };
    },
    async *watch(resource, query) {
      for await (const event of cluster.watch(resource, query)) yield trimmed(event);
    },
    async get(resource, name, query) {
      const object = await cluster.get(resource, name, query);
      return object === undefined ? undefined : trim(object);
    },
  };
}
