import type { Cluster } from "../cluster/cluster.ts";
import type { CommandContext } from "./command.ts";
import { programVersion } from "./version.ts";

/** Flags of the commands that ask a cluster. */
export const clusterOptions = {
  kubeconfig: {
    value: "FILE",
    summary:
      "kubeconfig that names the cluster; without it KUBECONFIG, the service account of the Pod, or ~/.kube/config",
    completes: "files",
  },
  context: { value: "NAME", summary: "context of the kubeconfig; its current one without the flag" },
} as const;

/** Which cluster is meant. */
export interface ClusterFlags {
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
}

/** The cluster that the flags and the environment name; nothing is asked of it yet. Throws `CLUSTER_CONFIG_INVALID`. */
export async function openClusterOf({ io, resolvePath }: CommandContext, flags: ClusterFlags): Promise<Cluster> {
  const { openCluster } = await import("../cluster/kube-config.ts");
  return openCluster({
    kubeconfig: flags.kubeconfig === undefined ? undefined : resolvePath(flags.kubeconfig),
    context: flags.context,
    env: io.env,
    home: io.homeFolder,
    userAgent: `trust/${programVersion()}`,
  });
}
