import { type Workload, workloads } from "../../webhook/workload.ts";
import type { Cluster, ClusterObject, Resource } from "../cluster/cluster.ts";
import { asTrustError, TrustError } from "../errors.ts";
import type { DiffSubject } from "../policy-tools/diff.ts";
import type { CommandContext } from "./command.ts";
import { type Labels, labelsOf, namespaceResource, readNamespaceLabels } from "./namespace-labels.ts";
import { createProgress } from "./progress.ts";
import { type RunningObject, readRunning, subjectsOf } from "./running.ts";

/** What is looked at of a cluster. */
export interface ClusterScope {
  /** All of them where none is named. */
  readonly namespaces: readonly string[];
  /** Whether policies ask for labels of namespaces; else nobody needs the right to read them. */
  readonly needsNamespaceLabels: boolean;
}

/** What runs in a cluster, and an error for everything of it that could not be read. */
export interface ClusterSubjects {
  readonly subjects: readonly DiffSubject[];
  readonly errors: readonly TrustError[];
}

/**
 * Reads what runs in a cluster, kind by kind, and what policies see of it. A kind or namespace that may not be read is among the
 * errors, and the others count all the same; where the cluster gives no answer, or a wrong one, that is thrown.
 */
export async function readClusterSubjects(
  context: CommandContext,
  cluster: Cluster,
  { namespaces, needsNamespaceLabels }: ClusterScope,
): Promise<ClusterSubjects> {
  const reading: Reading = { cluster, signal: context.io.signal, errors: [], denials: [] };
  const places = namespaces.length === 0 ? [undefined] : namespaces;
  const progress = createProgress(context, "listing", workloads.length * places.length);
  const labels = new Map<string, Labels>();
  const running: RunningObject[] = [];
  try {
    for (const place of places) {
      for (const [name, own] of await readNamespaces(reading, place, needsNamespaceLabels)) labels.set(name, own);
      for (const workload of workloads) {
        for (const object of await readWorkloads(reading, workload, place)) running.push(object);
        progress.step(`${workload.resource}${place === undefined ? "" : ` of ${place}`}`);
      }
    }
  } finally {
    progress.clear();
  }
  const subjects = subjectsOf(running, needsNamespaceLabels ? labels : undefined);
  return { subjects, errors: [...missingRights(cluster.server, reading.denials), ...reading.errors] };
}

/** A cluster that is read, and what of it could not be. */
interface Reading {
  readonly cluster: Cluster;
  readonly signal: AbortSignal;
  readonly errors: TrustError[];
  readonly denials: Denial[];
}

/** The objects of a kind; none where the server knows no such kind. Of each only what matters is kept. */
async function readWorkloads(
  reading: Reading,
  workload: Workload,
  place: string | undefined,
): Promise<readonly RunningObject[]> {
  const { group, kind, resource: plural } = workload;
  const items = await listItems(reading, { group, version: "v1", plural, kind, namespaced: true }, place);
  return items.flatMap((object) => {
    try {
      return [readRunning(workload, object)];
    } catch (thrown) {
      const { code, message, expected, found, hint } = asTrustError(thrown);
      if (code !== "OBJECT_UNSUPPORTED") throw thrown;
      const { name, namespace = "" } = object.metadata;
      const what = `${kind} ${namespace}/${name}: ${message}`;
      reading.errors.push(new TrustError(code, what, { expected, found, hint, cause: thrown }));
      return [];
    }
  });
}

/** The labels of a namespace, or of all; of one that is named it matters that it is there, too. */
async function readNamespaces(
  reading: Reading,
  name: string | undefined,
  needsLabels: boolean,
): Promise<readonly (readonly [string, Labels])[]> {
  if (name === undefined) {
    const all = needsLabels ? await listItems(reading, namespaceResource, undefined) : [];
    return all.map((object) => [object.metadata.name, labelsOf(object)]);
  }
  try {
    const labels = await readNamespaceLabels(reading.cluster, name, reading.signal);
    if (labels !== undefined) return [[name, labels]];
    const hint = "See which there are with: kubectl get namespaces";
    reading.errors.push(
      new TrustError("CONFIG_INVALID", `the cluster has no namespace ${JSON.stringify(name)}`, { hint }),
    );
  } catch (thrown) {
    if (!isForbidden(thrown)) throw thrown;
    // Who may look into a namespace often may not look at it; that matters only where its labels do.
    if (needsLabels) reading.errors.push(asTrustError(thrown));
  }
  return [];
}

async function listItems(
  { cluster, signal, denials }: Reading,
  resource: Resource,
  place: string | undefined,
): Promise<readonly ClusterObject[]> {
  try {
    return (await cluster.list(resource, { namespace: place, signal }))?.items ?? [];
  } catch (thrown) {
    if (!isForbidden(thrown)) throw thrown;
    const { group, plural } = resource;
    denials.push({ kind: group === "" ? plural : `${plural}.${group}`, place, found: asTrustError(thrown).found });
    return [];
  }
}

/** Who is not known (401) may do nothing at all: that is told once. */
function isForbidden(thrown: unknown): boolean {
  const { code, found } = asTrustError(thrown);
  return code === "CLUSTER_ACCESS_DENIED" && found?.startsWith("401") !== true;
}

/** A kind that may not be listed: `deployments.apps`; where: undefined stands for all namespaces. */
interface Denial {
  readonly kind: string;
  readonly place: string | undefined;
  readonly found: string | undefined;
}

/** One error for each place, with everything that whoever grants rights has to know. */
function missingRights(server: string, denials: readonly Denial[]): readonly TrustError[] {
  return [...Map.groupBy(denials, ({ place }) => place)].map(([place, group]) => {
    const kinds = group.map(({ kind }) => kind);
    const where = place === undefined ? "in all namespaces" : `in namespace ${place}`;
    const role = place === undefined ? "clusterrole" : "role";
    const scope = place === undefined ? "" : ` --namespace ${place}`;
    const what = `list ${kinds.join(", ")} ${where}`;
    return new TrustError("CLUSTER_ACCESS_DENIED", `${server} does not allow to ${what}`, {
      expected: `the right to ${what}`,
      found: group[0]?.found,
      hint: `Bind to the user or service account what is made with: kubectl create ${role} NAME --verb=list --resource=${kinds.join(",")}${scope}`,
    });
  });
}
