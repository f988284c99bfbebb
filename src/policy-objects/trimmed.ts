import type { Cluster, KeepObject, ObjectQuery, Resource, WatchEvent } from "../cluster/cluster.ts";

/** The same cluster, of whose objects only what `trim` leaves is ever kept. It must leave the metadata that all objects have. */
export function trimming(cluster: Cluster, trim: KeepObject): Cluster {
  const trimmed = (event: WatchEvent): WatchEvent =>
    event.type === "bookmark" ? event : { ...event, object: trim(event.object) };
  return {
    ...cluster,
    list: (resource: Resource, query?: ObjectQuery, keep: KeepObject = (object) => object) =>
      cluster.list(resource, query, (object) => keep(trim(object))),
    async *watch(resource, query) {
      for await (const event of cluster.watch(resource, query)) yield trimmed(event);
    },
    async get(resource, name, query) {
      const object = await cluster.get(resource, name, query);
      return object === undefined ? undefined : trim(object);
    },
  };
}
