import { existsSync } from "node:fs";
import type { Cluster } from "../cluster/cluster.ts";
import type { ObjectState } from "../policy/objects.ts";
import type { PolicySet } from "../policy/policy.ts";
import type { Problem } from "../policy/problem.ts";
import type { ReadObjects } from "../policy-objects/read.ts";
import type { TufSource } from "../trust/tuf-source.ts";
import { type ClusterFlags, openClusterOf } from "./cluster.ts";
import type { CommandContext } from "./command.ts";
import { openTrustedRoot } from "./identity-options.ts";
import { plain } from "./print.ts";

/** Where a command takes policies, in the words of its help. */
export const policyPaths = "policy file, folder of policies, or cluster: the policies that the cluster has";

const clusterWord = "cluster";

/** Whether the word stands for the cluster, not for a file. A file or folder of that name is `./cluster`. */
export function isCluster(path: string): boolean {
  return path === clusterWord;
}

/** The cluster of a command: opened when something is asked of it, once. */
export interface LazyCluster {
  /** Throws as {@link openClusterOf} does. */
  open(): Promise<Cluster>;
  close(): Promise<void>;
}

export function lazyCluster(context: CommandContext, flags: ClusterFlags): LazyCluster {
  let opening: Promise<Cluster> | undefined;
  return {
    open() {
      if (opening === undefined && existsSync(context.resolvePath(clusterWord)))
        context.note("warning: cluster means the cluster of the kubeconfig; what is called so here is ./cluster");
      opening ??= openClusterOf(context, flags);
      return opening;
    },
    close: async () => {
      await opening?.then(
        (cluster) => cluster.close(),
        () => undefined,
      );
    },
  };
}

/** The policies of paths. */
export interface PolicyPaths {
  /** In force together. */
  readonly set: PolicySet;
  /** What became of the objects of the cluster, where it is among the paths. */
  readonly states: readonly ObjectState[];
  /** What in files takes effect otherwise than it seems to. */
  readonly warnings: readonly Problem[];
}

/**
 * Reads policies of files and folders, all of them or none, and those of the cluster, object by object; each that cannot be used
 * is told. Throws what `loadPolicies` throws, and `CLUSTER_*`.
 */
export async function readPolicyPaths(
  context: CommandContext,
  paths: readonly string[],
  cluster: LazyCluster,
): Promise<PolicyPaths> {
  const files = paths.filter((path) => !isCluster(path));
  if (files.length === paths.length) {
    const set = await loadFiles(context, files);
    return { set, states: [], warnings: set.warnings ?? [] };
  }
  const composed = await readCluster(context, cluster);
  for (const state of composed.states) for (const line of warningsOf(state)) context.note(`warning: ${line}`);
  if (composed.states.length === 0)
    context.note(`warning: there are no policies in the cluster ${(await cluster.open()).server}`);
  if (files.length === 0) return { set: composed.set, states: composed.states, warnings: [] };
  const { mergeSets } = await import("../policy/policy-set.ts");
  const set = await loadFiles(context, files);
  return { set: mergeSets([composed.set, set]), states: composed.states, warnings: set.warnings ?? [] };
}

/** The policies that the cluster has, and what became of each. Tells nothing. Throws `CLUSTER_*`. */
export async function readCluster(context: CommandContext, cluster: LazyCluster): Promise<ReadObjects> {
  const { readPolicyObjects } = await import("../policy-objects/read.ts");
  return readPolicyObjects(await cluster.open(), { openRoot: openingRoots(context) }, context.io.signal);
}

/** The policies of files and folders. Throws what `loadPolicies` throws. */
export async function loadFiles(context: CommandContext, paths: readonly string[]): Promise<PolicySet> {
  const { loadPolicies } = await import("../policy/load.ts");
  return loadPolicies(paths, context.io.folder, openingRoots(context));
}

function openingRoots(context: CommandContext) {
  return (name: string, tuf?: TufSource) => openTrustedRoot(context, name, tuf);
}

function titleOf({ object: { kind, name, namespace } }: ObjectState): string {
  return plain(`${kind} ${namespace === undefined ? name : `${namespace}/${name}`}`);
}

function warningsOf(state: ObjectState): readonly string[] {
  const title = titleOf(state);
  const [first = "", ...others] = state.problems.map(plain);
  const more = others.length === 0 ? "" : ` (and ${others.length} more: trust policy check cluster)`;
  const broken = state.usable ? [] : [`${title} cannot be used, so that ${effectOf(state)}: ${first}${more}`];
  return [...broken, ...state.warnings.map((warning) => `${title}: ${plain(warning)}`)];
}

/** What it means that an object cannot be used. */
export function effectOf({ object: { kind } }: ObjectState): string {
  if (kind === "TrustException") return "it lets nothing pass";
  return kind === "TrustRoot" ? "nothing is believed by it" : "it refuses what it matches";
}
