import type { Cluster, KeepObject, ObjectList, ObjectQuery, Resource } from "../cluster/cluster.ts";
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
    async list(resource: Resource, query?: ObjectQuery, keep?: KeepObject) {
      const found = await firstOf(versionsOf(resource), (version) => cluster.list(version, query, keep));
      if (found === undefined) served.delete(keyOf(resource));
      else served.set(keyOf(resource), found.version);
      return found?.list;
    },
    watch: (resource, query) => cluster.watch(servedAs(resource), query),
    get: (resource, name, query) => cluster.get(servedAs(resource), name, query),
    mergeStatus: (resource, object, status, signal) => cluster.mergeStatus(servedAs(resource), object, status, signal),
  };
}

interface Listed {
  readonly version: Resource;
  readonly list: ObjectList;
}

/**
 * The first version that can be listed. One that is made of another by a conversion webhook cannot be while that does not run. Throws
 * what the first version failed with where no other can be listed either.
 */
async function firstOf(
  versions: readonly Resource[],
  listAt: (version: Resource) => Promise<ObjectList | undefined>,
): Promise<Listed | undefined> {
  const errors: unknown[] = [];
  for (const version of versions) {
    try {
      const list = await listAt(version);
      if (list !== undefined) return { version, list };
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
  return undefined;
}
