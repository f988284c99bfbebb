import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type ClusterCa, type Credential, createClusterCa } from "./kubernetes-certificates.ts";
import { type Program, quietPort, startProgram } from "./kubernetes-programs.ts";
import { describePeers, requirePeer } from "./peers.ts";
import { type RunResult, run, tempDir } from "./process.ts";

export interface KubernetesOptions {
  /** Also the controllers that make Pods of Deployments, Jobs and the like, and end what belongs to what is gone. */
  readonly controllers?: boolean;
  /** Further flags of the API server. */
  readonly apiServerFlags?: readonly string[];
}

export interface KubectlOptions {
  /** Its standard input, for `-f -`. */
  readonly input?: string;
  /** Another user than the administrator, from `kubeconfigFor`. */
  readonly kubeconfig?: string;
}

/** A real etcd and API server on loopback, without nodes: Pods stay Pending. */
export interface Kubernetes {
  /** `https://127.0.0.1:PORT` */
  readonly server: string;
  /** PEM of the CA of the API server. */
  readonly ca: string;
  /** A file: an administrator of everything (system:masters). */
  readonly kubeconfig: string;
  /** The certificate and key in that file, PEM. */
  readonly admin: Credential;
  /** Holds all files of the cluster, and goes with it. */
  readonly folder: string;
  kubectl(args: readonly string[], options?: KubectlOptions): Promise<RunResult>;
  /** A kubeconfig file for any user; without rules of RBAC it may do next to nothing. */
  kubeconfigFor(user: string, groups?: readonly string[]): string;
  /** An outage: ends the API server at once, or in good order with SIGTERM, which takes up to ten seconds. */
  stopApiServer(signal?: "SIGTERM" | "SIGKILL"): Promise<void>;
  /** Starts it again with the same etcd, port and certificates; resolves when it is ready. */
  startApiServer(): Promise<void>;
  close(): Promise<void>;
}

/** The peers a cluster needs. */
export const kubernetesPeers: readonly string[] = ["etcd", "kube-apiserver", "kube-controller-manager", "kubectl"];

/** `describe` for tests on a real API server: skipped where a peer is missing, but failing under `CI=true`. */
export function describeKubernetes(title: string, fn: () => void): void {
  describePeers(kubernetesPeers, title, fn);
}

const workloads = ["deployment", "replicaset", "replicationcontroller", "daemonset", "statefulset", "job", "cronjob"];
const keepers = ["namespace", "serviceaccount", "garbage-collector", "ttl-after-finished", "clusterrole-aggregation"];

/** Starts a cluster and resolves when the API server is ready: two to ten seconds. The caller closes it. */
export async function startKubernetes(options: KubernetesOptions = {}): Promise<Kubernetes> {
  const temp = tempDir("kubernetes");
  const folder = temp.path;
  const ca = createClusterCa();
  const files = writeFiles(folder, ca);
  const server = `https://127.0.0.1:${await quietPort()}`;
  const etcdUrl = `http://127.0.0.1:${await quietPort()}`;
  const log = (name: string) => join(folder, `${name}.log`);
  const start = (name: string, args: readonly string[]) => startProgram(requirePeer(name), args, log(name), folder);
  const admin = ca.client("admin", ["system:masters"]);
  const running: { etcd?: Program; apiServer?: Program; controllers?: Program } = {};
  const kubeconfigOf = (name: string, credential: Credential) =>
    write(join(folder, `${name}.kubeconfig`), kubeconfigText(server, ca.cert, credential));
  const startApiServer = async () => {
    running.apiServer ??= start("kube-apiserver", apiServerArgs(files, server, etcdUrl, options.apiServerFlags ?? []));
    await ready(running.apiServer, server, { ca: ca.cert, ...admin });
  };
  const stopApiServer = async (signal: "SIGTERM" | "SIGKILL" = "SIGKILL") => {
    await running.apiServer?.end(signal);
    delete running.apiServer;
  };
  const close = async () => {
    await running.controllers?.end("SIGKILL");
    await stopApiServer();
    await running.etcd?.end("SIGKILL");
    temp.cleanup();
  };
  let users = 0;
  try {
    running.etcd = start("etcd", etcdArgs(folder, etcdUrl, await quietPort()));
    await startApiServer();
    const kubeconfig = kubeconfigOf("admin", admin);
    if (options.controllers === true)
      running.controllers = start("kube-controller-manager", controllerArgs(files, kubeconfig));
    const kubectl = requirePeer("kubectl");
    return {
      ...{ server, ca: ca.cert, kubeconfig, admin, folder, stopApiServer, startApiServer, close },
      kubectl: (args, { input = "", ...other } = {}) =>
        run(kubectl, args, { input, env: { HOME: folder, KUBECONFIG: other.kubeconfig ?? kubeconfig } }),
      kubeconfigFor: (user, groups = []) => kubeconfigOf(`user-${users++}`, ca.client(user, groups)),
    };
  } catch (error) {
    await close();
    throw error;
  }
}

interface Files {
  readonly folder: string;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly accountsKey: string;
  readonly accountsPublicKey: string;
}

function writeFiles(folder: string, ca: ClusterCa): Files {
  const at = (name: string, content: string) => write(join(folder, name), content);
  const serving = ca.serving();
  const accounts = generateKeyPairSync("ec", { namedCurve: "P-256" });
  mkdirSync(join(folder, "etcd"), { mode: 0o700 });
  return {
    folder,
    ca: at("ca.crt", ca.cert),
    cert: at("tls.crt", serving.cert),
    key: at("tls.key", serving.key),
    accountsKey: at("accounts.key", accounts.privateKey.export({ type: "pkcs8", format: "pem" }).toString()),
    accountsPublicKey: at("accounts.pub", accounts.publicKey.export({ type: "spki", format: "pem" }).toString()),
  };
}

function write(path: string, content: string): string {
  writeFileSync(path, content, { mode: 0o600 });
  return path;
}

function etcdArgs(folder: string, url: string, peerPort: number): string[] {
  const peers = `http://127.0.0.1:${peerPort}`;
  return [
    `--data-dir=${join(folder, "etcd")}`,
    `--listen-client-urls=${url}`,
    `--advertise-client-urls=${url}`,
    `--listen-peer-urls=${peers}`,
    `--initial-advertise-peer-urls=${peers}`,
    `--initial-cluster=default=${peers}`,
    "--unsafe-no-fsync",
    "--log-level=warn",
  ];
}

function apiServerArgs(files: Files, server: string, etcd: string, further: readonly string[]): string[] {
  return [
    `--etcd-servers=${etcd}`,
    "--bind-address=127.0.0.1",
    "--advertise-address=127.0.0.1",
    `--secure-port=${new URL(server).port}`,
    `--cert-dir=${files.folder}`,
    `--tls-cert-file=${files.cert}`,
    `--tls-private-key-file=${files.key}`,
    `--client-ca-file=${files.ca}`,
    "--service-account-issuer=https://kubernetes.default.svc",
    `--service-account-key-file=${files.accountsPublicKey}`,
    `--service-account-signing-key-file=${files.accountsKey}`,
    "--service-cluster-ip-range=10.0.0.0/24",
    "--authorization-mode=RBAC",
    "--allow-privileged=true",
    "--disable-admission-plugins=ServiceAccount",
    "--endpoint-reconciler-type=none",
    "--profiling=false",
    ...further,
  ];
}

function controllerArgs(files: Files, kubeconfig: string): string[] {
  return [
    `--kubeconfig=${kubeconfig}`,
    `--controllers=${[...workloads, ...keepers].map((name) => `${name}-controller`).join(",")}`,
    `--root-ca-file=${files.ca}`,
    `--service-account-private-key-file=${files.accountsKey}`,
    "--leader-elect=false",
    "--secure-port=0",
  ];
}

function kubeconfigText(server: string, ca: string, { cert, key }: Credential): string {
  const data = (pem: string) => Buffer.from(pem).toString("base64");
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": "test",
    contexts: [{ name: "test", context: { cluster: "test", user: "test" } }],
    clusters: [{ name: "test", cluster: { server, "certificate-authority-data": data(ca) } }],
    users: [{ name: "test", user: { "client-certificate-data": data(cert), "client-key-data": data(key) } }],
  });
}

async function ready(program: Program, server: string, tls: { ca: string } & Credential): Promise<void> {
  for (let tries = 0; tries < 1200; tries++) {
    const ended = program.ended();
    if (ended !== undefined) throw new Error(ended);
    if ((await statusOf(`${server}/readyz`, tls)) === 200) return;
    await sleep(100);
  }
  throw new Error(`${program.name} is not ready after two minutes`);
}

/** The status of a GET; 0 where nobody answers. */
function statusOf(url: string, tls: { ca: string } & Credential): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  const outgoing = request(url, { ...tls, agent: false, timeout: 5_000 }, (response) => {
    response.resume();
    resolve(response.statusCode ?? 0);
  });
  outgoing.on("timeout", () => outgoing.destroy());
  outgoing.on("error", () => resolve(0));
  outgoing.end();
  return promise;
}
