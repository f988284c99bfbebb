import type { Cluster, ClusterObject } from "../cluster/cluster.ts";
import { type ComposedObjects, createObjectComposer, type ObjectSources } from "../policy/objects.ts";
import type { ReadSecret } from "../policy/secret-keys.ts";
import { boundingObjects } from "./bounded.ts";
import { policyResources, secretResource } from "./kinds.ts";
import { entryOf } from "./secret-entries.ts";
import { atServedVersions } from "./served.ts";

export interface ReadObjects extends ComposedObjects {
  /** As far as they are read, in the order of the states. */
  readonly objects: readonly ClusterObject[];
}

/**
 * The policies that a cluster has now, as they would be in force in its webhook; kinds that the server does not know have no
 * objects. `openRoot` is asked for plain names only, never for what could be a path. Throws what the cluster throws where a kind may not be listed; a Secret that
 * may not be read makes the policies unusable that name it.
 */
export async function readPolicyObjects(
  cluster: Cluster,
  { openRoot }: Pick<ObjectSources, "openRoot">,
  signal?: AbortSignal,
): Promise<ReadObjects> {
  const served = boundingObjects(atServedVersions(cluster));
  const lists = await Promise.all(policyResources.map((resource) => served.list(resource, { signal })));
  const objects = lists.flatMap((list) => list?.items ?? []);
  const compose = createObjectComposer({ openRoot, readSecret: readingOnce(cluster, signal) });
  return { ...(await compose(objects)), objects };
}

/** Each Secret is asked for once, however many policies name it. */
function readingOnce(cluster: Cluster, signal: AbortSignal | undefined): ReadSecret {
  const secrets = new Map<string, Promise<ClusterObject | undefined>>();
  return async ({ name, namespace = cluster.namespace, entry }) => {
    const key = `${namespace}/${name}`;
    const known = secrets.get(key) ?? cluster.get(secretResource, name, { namespace, signal });
    secrets.set(key, known);
    const found = entryOf({ namespace, name, entry }, await known);
    if ("error" in found) throw found.error;
    return found.text;
  };
}
