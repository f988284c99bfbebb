import type { Cluster, Resource } from "../cluster/cluster.ts";
import { isJsonObject, type JsonObject } from "../crypto/json.ts";
import { asTrustError } from "../errors.ts";
import { mapLimit } from "../oci/parallel.ts";
import type { ObjectContext, PolicySet } from "../policy/policy.ts";
import type { CommandContext } from "./command.ts";
import { isCluster, type LazyCluster } from "./policy-paths.ts";
import { plain } from "./print.ts";

export const namespaceResource: Resource = {
  group: "",
  version: "v1",
  plural: "namespaces",
  kind: "Namespace",
  namespaced: false,
};

export type Labels = Readonly<Record<string, string>>;

const atOnce = 8;

/** Whether a policy asks for labels of namespaces; where none does, nobody needs the right to read them. */
export function selectNamespaces({ policies }: PolicySet): boolean {
  return policies.some(({ match }) => match.some(({ namespaceSelector }) => namespaceSelector !== undefined));
}

/** The labels of an object; what is no text is none that a selector could name. */
export function labelsOf({ metadata }: JsonObject): Labels {
  const labels = isJsonObject(metadata) ? metadata["labels"] : undefined;
  const entries = isJsonObject(labels) ? Object.entries(labels) : [];
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => typeof entry[1] === "string"));
}

/** The labels of a namespace; undefined where there is none of that name. Throws `CLUSTER_*`. */
export async function readNamespaceLabels(
  cluster: Cluster,
  name: string,
  signal: AbortSignal,
): Promise<Labels | undefined> {
  const found = await cluster.get(namespaceResource, name, { signal });
  return found === undefined ? undefined : labelsOf(found);
}

interface Judged {
  readonly object?: ObjectContext | undefined;
}

/**
 * Completes objects from elsewhere, such as manifests, with the labels that their namespaces have in the cluster, where `paths`
 * name its policies and one of those that were read asks for labels. What may not be read, or is not there yet, stays unknown; the
 * former is told. Throws `CLUSTER_UNREACHABLE`, `CLUSTER_ANSWER_INVALID`.
 */
export async function withNamespaceLabels<T extends Judged>(
  context: CommandContext,
  { paths, sets, cluster }: { paths: readonly string[]; sets: readonly PolicySet[]; cluster: LazyCluster },
  items: readonly T[],
): Promise<readonly T[]> {
  const isOpen = ({ object }: Judged) => object?.namespace !== undefined && object.namespaceLabels === undefined;
  const names = new Set(items.filter(isOpen).flatMap(({ object }) => object?.namespace ?? []));
  if (names.size === 0 || !paths.some(isCluster) || !sets.some(selectNamespaces)) return items;
  const opened = await cluster.open();
  const known = new Map<string, Labels>();
  try {
    await mapLimit([...names], atOnce, async (name) => {
      const labels = await readNamespaceLabels(opened, name, context.io.signal);
      if (labels !== undefined) known.set(name, labels);
    });
  } catch (thrown) {
    const error = asTrustError(thrown);
    if (error.code !== "CLUSTER_ACCESS_DENIED") throw thrown;
    context.note(`warning: the labels of namespaces are not known: ${plain(error.message)}`);
  }
  return items.map((item) => {
    const labels = isOpen(item) ? known.get(item.object?.namespace ?? "") : undefined;
    return labels === undefined ? item : { ...item, object: { ...item.object, namespaceLabels: labels } };
  });
}
