import { delimiter, join } from "node:path";
import { TrustError } from "../errors.ts";
import { isLoopbackHost } from "../oci/endpoint.ts";
import type { Access } from "./access.ts";
import { type ClientOptions, createCluster } from "./client.ts";
import type { Cluster } from "./cluster.ts";
import { readText, readTextIfThere } from "./files.ts";
import { createIdentifier } from "./identity.ts";
import {
  configInvalid,
  type Entry,
  type KubeConfigFile,
  mergeKubeConfigs,
  parseKubeConfig,
  pathIn,
  textIn,
} from "./kube-config-file.ts";
import { proxiesFor } from "./proxies.ts";
import { findServiceAccount } from "./service-account.ts";

export interface ClusterOptions extends ClientOptions {
  /** A file; it must be there. */
  readonly kubeconfig?: string | undefined;
  /** One of the kubeconfig; default its `current-context`. */
  readonly context?: string | undefined;
  /** KUBECONFIG, KUBERNETES_SERVICE_HOST and _PORT, HTTPS_PROXY, NO_PROXY; plug-ins for credentials get all of it. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Default HOME of `env`. */
  readonly home?: string | undefined;
  /** Where a Pod finds its token, `ca.crt` and namespace; default where Kubernetes puts them. */
  readonly serviceAccountFolder?: string | undefined;
}

/**
 * Opens the cluster that is named: by `kubeconfig`, else by KUBECONFIG, else as the service account of the Pod this runs in
 * (unless a context is named), else by `.kube/config` in the home folder. Nothing is sent yet. Throws
 * `CLUSTER_CONFIG_INVALID` (none is found, no such context, what is no kubeconfig, checks of the server turned off) and
 * `INSECURE_TRANSPORT_REFUSED` (plain HTTP to another machine); never with anything secret.
 */
export async function openCluster(options: ClusterOptions): Promise<Cluster> {
  const found = await accessOf(options);
  return createCluster(found, options);
}

/** Where the cluster is that {@link openCluster} opens, and who asks it. Throws what that throws. */
export async function accessOf(options: ClusterOptions): Promise<Access> {
  const { kubeconfig, context, env } = options;
  if (kubeconfig !== undefined) return accessIn(await readConfig(kubeconfig), kubeconfig, options);
  const listed = (env["KUBECONFIG"] ?? "").split(delimiter).filter((path) => path !== "");
  if (listed.length > 0) return accessIn(await readConfigs(listed), "KUBECONFIG", options);
  if (context === undefined) {
    const own = await findServiceAccount(env, options.serviceAccountFolder);
    if (own !== undefined) return own;
  }
  const home = options.home ?? env["HOME"];
  if (home === undefined || home === "") throw noCluster("no home folder is known");
  const usual = join(home, ".kube", "config");
  const text = await readTextIfThere(usual, "the kubeconfig");
  if (text === undefined) throw noCluster(`there is no ${usual}`);
  return accessIn(parseKubeConfig(text, usual), usual, options);
}

function noCluster(why: string): TrustError {
  return configInvalid(
    "no cluster is named",
    "--kubeconfig, KUBECONFIG, the service account of a Pod, or .kube/config in the home folder",
    `KUBECONFIG is not set, this is no Pod with a service account, and ${why}`,
  );
}

async function readConfig(file: string): Promise<KubeConfigFile> {
  return parseKubeConfig(await readText(file, "the kubeconfig"), file);
}

/** Of a list, files that are missing are passed over, as kubectl does; one must be there. */
async function readConfigs(paths: readonly string[]): Promise<KubeConfigFile> {
  const files: KubeConfigFile[] = [];
  for (const path of paths) {
    const text = await readTextIfThere(path, "the kubeconfig");
    if (text !== undefined) files.push(parseKubeConfig(text, path));
  }
  if (files.length > 0) return mergeKubeConfigs(files);
  throw configInvalid("no file that KUBECONFIG names exists", "a kubeconfig", paths.join(", "));
}

async function accessIn(config: KubeConfigFile, source: string, options: ClusterOptions): Promise<Access> {
  const name = options.context ?? config.currentContext;
  if (name === undefined)
    throw configInvalid(`${source} does not say which context to use`, "current-context, or --context", "neither");
  const context = entry(config.contexts, name, "context", source);
  const what = `context ${name}`;
  const clusterName = textIn(context, "cluster", what);
  if (clusterName === undefined) throw configInvalid(`${what} of ${source} names no cluster`, "the name of a cluster");
  const cluster = entry(config.clusters, clusterName, "cluster", source);
  const userName = textIn(context, "user", what);
  const user = userName === undefined ? undefined : entry(config.users, userName, "user", source);
  const url = serverOf(cluster, clusterName);
  refuseUnchecked(cluster, clusterName);
  return {
    url,
    namespace: textIn(context, "namespace", what) ?? "default",
    proxy: proxiesFor(url, textIn(cluster, "proxy-url", `cluster ${clusterName}`), options.env, cluster.file),
    identify: createIdentifier({
      url,
      clusterName,
      userName: userName ?? "",
      user,
      env: options.env,
      ca: {
        data: cluster.value["certificate-authority-data"],
        path: pathIn(cluster, "certificate-authority", clusterName),
      },
      servername: textIn(cluster, "tls-server-name", `cluster ${clusterName}`),
      file: cluster.file,
    }),
  };
}

function entry(entries: ReadonlyMap<string, Entry>, name: string, kind: string, source: string): Entry {
  const found = entries.get(name);
  if (found !== undefined) return found;
  const known = [...entries.keys()].toSorted().slice(0, 10).join(", ");
  throw configInvalid(`${source} has no ${kind} ${name}`, known === "" ? `a ${kind}` : `one of ${known}`, "none");
}

function serverOf(cluster: Entry, name: string): URL {
  const text = textIn(cluster, "server", `cluster ${name}`);
  const url = text === undefined ? null : URL.parse(text.includes("://") ? text : `https://${text}`);
  // A password in it would show in messages.
  if (
    url === null ||
    !/^https?:$/.test(url.protocol) ||
    url.username !== "" ||
    url.password !== "" ||
    url.search !== ""
  )
    throw configInvalid(`the server of cluster ${name} in ${cluster.file} is no URL`, "https://HOST[:PORT]");
  if (url.protocol === "https:" || isLoopbackHost(url.host)) return url;
  throw new TrustError("INSECURE_TRANSPORT_REFUSED", `cluster ${name} in ${cluster.file} is named over plain HTTP`, {
    expected: "https://, or a server on this machine",
    found: url.origin,
    hint: "Name the HTTPS address of the API server in the kubeconfig",
  });
}

function refuseUnchecked(cluster: Entry, name: string): void {
  const unchecked = cluster.value["insecure-skip-tls-verify"] ?? false;
  if (unchecked === false) return;
  throw new TrustError("CLUSTER_CONFIG_INVALID", `cluster ${name} in ${cluster.file} has insecure-skip-tls-verify`, {
    expected: "certificate-authority-data",
    found: "a server that could be anybody",
    hint: "Give the certificate authority of the API server in the kubeconfig, as certificate-authority-data",
  });
}
