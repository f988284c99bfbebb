import type { Cluster, ObjectQuery, Resource } from "../cluster/cluster.ts";
import { versionsOf } from "./kinds.ts";

/**
 * The same cluster, where each kind is listed at the best version that the server has at the time, and otherwise asked at the one it
 * was last listed at.
 */
export function atServedVersions(cluster: Cluster): Cluster {
  const served = new Map<string, Resource>();
  const keyOf = ({ group, plural }: Resource) => `${plural}.${group}`;
  const servedAs = (resource: Resource) => served.get(keyOf(resource)) ?? resource;
  return {
    ...cluster,
    async list(resource: Resource, query?: ObjectQuery) {
      for (const version of versionsOf(resource)) {
        const list = await cluster.list(version, query);
        if (list === undefined) continue;
        served.set(keyOf(resource), version);
        return list;
      }
      served.delete(keyOf(resource));
      return undefined;
    },
    watch: (resource, query) => cluster.watch(servedAs(resource), query),
    get: (resource, name, query) => cluster.get(servedAs(resource), name, query),
    mergeStatus: (resource, object, status, signal) => cluster.mergeStatus(servedAs(resource), object, status, signal),
  };
}
