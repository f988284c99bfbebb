import { isObject } from "../../webhook/json.ts";
import { workloads } from "../../webhook/workload.ts";
import type { Cluster, Resource } from "../cluster/cluster.ts";
import { asTrustError, TrustError } from "../errors.ts";
import type { DiffSubject } from "../policy-tools/diff.ts";
import type { CommandContext } from "./command.ts";
import { createProgress } from "./progress.ts";
import { labelsOf, type RunningObject, readRunning, subjectsOf } from "./running.ts";

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

const namespaceResource: Resource = {
  group: "",
  version: "v1",
  plural: "namespaces",
  kind: "Namespace",
  namespaced: false,
};

type Labels = Readonly<Record<string, string>>;

/**
 * Reads what runs in a cluster, kind by kind, and what policies see of it. A kind or namespace that may not be read is among the
 * errors, and the others count all the same; where the cluster gives no answer, or a wrong one, that is thrown.
 */
export async function readClusterSubjects(
  context: CommandContext,
  cluster: Cluster,
  scope: ClusterScope,
): Promise<ClusterSubjects> {
  const errors: TrustError[] = [];
  const attempt = async <T>(read: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await read();
    } catch (error) {
      const told = asTrustError(error);
      if (!isPartial(told)) throw error;
      errors.push(told);
      return undefined;
    }
  };
  const { signal } = context.io;
  const places = scope.namespaces.length === 0 ? [undefined] : scope.namespaces;
  const labels = new Map<string, Labels>();
  for (const place of places) {
    const found = await attempt(() => readNamespaces(cluster, place, scope.needsNamespaceLabels, signal));
    for (const [name, own] of found ?? []) labels.set(name, own);
  }
  const running: RunningObject[] = [];
  const progress = createProgress(context, "listing", workloads.length * places.length);
  for (const namespace of places)
    for (const workload of workloads) {
      const { group, kind, resource: plural } = workload;
      const resource = { group, version: "v1", plural, kind, namespaced: true };
      const list = await attempt(() => cluster.list(resource, { namespace, signal }));
      progress.step(`${plural}${namespace === undefined ? "" : ` of ${namespace}`}`);
      for (const object of list?.items ?? []) {
        const read = await attempt(async () =>
          naming(() => readRunning(workload, object), `${kind} ${nameOf(object)}`),
        );
        if (read !== undefined) running.push(read);
      }
    }
  progress.clear();
  return { subjects: subjectsOf(running, scope.needsNamespaceLabels ? labels : undefined), errors };
}

/** Whether something else may be readable all the same. Who is not known (401) may do nothing at all, which is told once. */
function isPartial({ code, found }: TrustError): boolean {
  if (code === "CLUSTER_ACCESS_DENIED") return found?.startsWith("401") !== true;
  return code === "OBJECT_UNSUPPORTED" || code === "CONFIG_INVALID";
}

/** The labels of a namespace, or of all; of one that is named it matters that it is there, too. */
async function readNamespaces(
  cluster: Cluster,
  name: string | undefined,
  needsLabels: boolean,
  signal: AbortSignal,
): Promise<readonly (readonly [string, Labels])[]> {
  if (name === undefined && !needsLabels) return [];
  if (name === undefined)
    return ((await cluster.list(namespaceResource, { signal }))?.items ?? []).map((object) => [
      object.metadata.name,
      labelsOf(object),
    ]);
  const found = await cluster.get(namespaceResource, name, { signal }).catch((error: unknown) => {
    if (!needsLabels && asTrustError(error).code === "CLUSTER_ACCESS_DENIED") return { metadata: {} };
    throw error;
  });
  if (isObject(found)) return [[name, labelsOf(found)]];
  throw new TrustError("CONFIG_INVALID", `the cluster has no namespace ${JSON.stringify(name)}`, {
    hint: "See which there are with: kubectl get namespaces",
  });
}

function naming<T>(read: () => T, what: string): T {
  try {
    return read();
  } catch (error) {
    const { code, message, expected, found, hint } = asTrustError(error);
    throw new TrustError(code, `${what}: ${message}`, { expected, found, hint, cause: error });
  }
}

function nameOf({
  metadata: { namespace, name },
}: {
  readonly metadata: { namespace?: string; name: string };
}): string {
  return `${namespace ?? ""}/${name}`;
}
