import { createPublicKey, type KeyObject } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Digest } from "../../src/crypto/digest.ts";
import { anonymous } from "../../src/oci/credential.ts";
import { createHttpRegistry, type HttpRegistry } from "../../src/oci/http-registry.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { startRegistry } from "../../src/registry/server.ts";
import { pushImage, tinyImage } from "../support/images.ts";
import { type Kubernetes, type KubernetesOptions, startKubernetes } from "../support/kubernetes.ts";
import { quietPort } from "../support/kubernetes-programs.ts";
import type { RunResult } from "../support/process.ts";
import { newPrivateKey } from "../support/signers.ts";
import { sign } from "../support/webhook-stage.ts";
import { eventually } from "./eventually.ts";
import { expectDone } from "./expect-done.ts";
import { clusterPolicy, type Manifest } from "./objects.ts";
import { policyWebhook, workloadWebhooks } from "./registrations.ts";
import { startWebhookProcess, type WebhookProcess } from "./webhook-process.ts";

export interface ClusterStageOptions extends KubernetesOptions {
  /** Policies of the file that `--policy` names; by default one that trusts `key` for `HOST/prod/**`. */
  readonly policies?: (host: string, key: string) => readonly object[];
  /** Further flags of the webhook, made when cluster and registry run. */
  readonly flags?: (cluster: Kubernetes, host: string) => readonly string[];
  /** Instead of `--policy FILE`; for a webhook that takes its policies from the cluster. */
  readonly withoutPolicyFile?: boolean;
  /** What the cluster holds, beside our custom resource definitions, before the webhook starts. */
  readonly prepare?: (cluster: Kubernetes, host: string) => Promise<void>;
  /** Not registered at the start; `register` does it later. */
  readonly unregistered?: boolean;
}

/**
 * A real API server with our custom resource definitions, the built-in registry, and `trust webhook serve` as a process,
 * registered for all workloads and for policies: everything as in a cluster, on loopback.
 */
export interface ClusterStage {
  readonly cluster: Kubernetes;
  readonly webhook: WebhookProcess;
  /** host:port of the registry. */
  readonly host: string;
  readonly registry: HttpRegistry;
  /** The trusted key, and its public half as PEM. */
  readonly key: KeyObject;
  readonly publicKey: string;
  /** What `--policy` names: followed by the webhook. */
  readonly policyFile: string;
  /** Pushes a small image as HOST/NAME, signed by nobody. */
  push(name: string): Promise<{ readonly image: string; readonly digest: Digest }>;
  /** Signs HOST/NAME, by the trusted key unless another is given. */
  sign(image: string, key?: KeyObject): Promise<void>;
  /** `kubectl apply` of these objects, with further arguments. */
  apply(objects: Manifest | readonly Manifest[], ...args: readonly string[]): Promise<RunResult>;
  /** Items that `kubectl get -o json` finds; throws where it fails. */
  list<T = Manifest>(...args: readonly string[]): Promise<readonly T[]>;
  /** Has the API server call the webhook, and waits until it does. */
  register(): Promise<void>;
  stopRegistry(): Promise<void>;
  startRegistry(): Promise<void>;
  close(): Promise<void>;
}

/** Our custom resource definitions. */
export const crdFolder = join(import.meta.dirname, "../../policies/crds");

/** Starts everything; the caller closes it. */
export async function startClusterStage(options: ClusterStageOptions = {}): Promise<ClusterStage> {
  const ends: (() => Promise<void>)[] = [];
  const close = async () => {
    for (const end of ends.splice(0).reverse()) await end();
  };
  try {
    const cluster = await startKubernetes(options);
    ends.push(cluster.close);
    const registry = await openRegistry(cluster.folder);
    ends.push(registry.close);
    const { host } = registry;
    const key = newPrivateKey();
    const publicKey = createPublicKey(key).export({ type: "spki", format: "pem" }).toString();
    const policies = options.policies ?? (() => [clusterPolicy("production", `${host}/prod/**`, publicKey)]);
    const policyFile = writePolicies(cluster.folder, policies(host, publicKey));
    const fromFile = options.withoutPolicyFile === true ? [] : ["--policy", policyFile];
    await applyCrds(cluster);
    await options.prepare?.(cluster, host);
    const webhook = await startWebhookProcess({
      folder: cluster.folder,
      port: await quietPort(),
      flags: [...fromFile, "--allow-registry", "127.0.0.1", ...(options.flags?.(cluster, host) ?? [])],
      env: { KUBECONFIG: cluster.kubeconfig },
    });
    ends.push(() => webhook.stop("SIGKILL"));
    const ofObjects = objectTools(cluster);
    const register = async () => {
      const objects = [...workloadWebhooks(webhook), policyWebhook(webhook)] as readonly Manifest[];
      await expectDone(ofObjects.apply(objects));
      await called(ofObjects.apply);
    };
    if (options.unregistered !== true) await register();
    return {
      ...{ cluster, webhook, key, publicKey, policyFile, register, close },
      ...imageTools(registry, key),
      ...ofObjects,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

type OpenRegistry = Awaited<ReturnType<typeof openRegistry>>;

async function openRegistry(folder: string) {
  const storage = join(folder, "registry");
  const listen = `127.0.0.1:${await quietPort()}`;
  let server = await startRegistry({ storage, listen });
  const client = createHttpRegistry({ credentials: anonymous });
  let stopped: Promise<void> | undefined;
  const stop = () => (stopped ??= server.close());
  return {
    host: listen,
    client,
    stop,
    async start() {
      server = await startRegistry({ storage, listen });
      stopped = undefined;
    },
    async close() {
      client.close();
      await stop();
    },
  };
}

function imageTools({ client, host, stop, start }: OpenRegistry, trusted: KeyObject) {
  return {
    host,
    registry: client,
    stopRegistry: stop,
    startRegistry: start,
    async push(name: string) {
      const image = `${host}/${name}`;
      return { image, digest: await pushImage(client, parseReference(image), tinyImage(name)) };
    },
    sign: (image: string, key: KeyObject = trusted) => sign(client, image, key),
  };
}

function objectTools(cluster: Kubernetes) {
  return {
    apply(objects: Manifest | readonly Manifest[], ...args: readonly string[]) {
      const items = Array.isArray(objects) ? objects : [objects];
      const input = JSON.stringify({ apiVersion: "v1", kind: "List", items });
      return cluster.kubectl(["apply", "-f", "-", ...args], { input });
    },
    async list<T>(...args: readonly string[]) {
      const { stdout } = await expectDone(cluster.kubectl(["get", "-o", "json", ...args]));
      const found = JSON.parse(stdout) as { readonly items?: readonly T[] };
      return found.items ?? [found as T];
    },
  };
}

/** An API server learns of a registration a moment later: what must be refused shows when each is in force. */
async function called(apply: ClusterStage["apply"]): Promise<void> {
  const probes = [
    // No image can have this name, so it is refused whatever policies and settings say.
    { apiVersion: "v1", kind: "Pod", spec: { containers: [{ name: "probe", image: "No Image" }] } },
    { ...clusterPolicy("probe", "probe.invalid/**", "no key") },
  ];
  for (const probe of probes) {
    const object = { ...probe, metadata: { name: "probe", ...(probe.kind === "Pod" && { namespace: "default" }) } };
    await eventually(`the webhook is called for ${probe.kind}`, async () =>
      (await apply(object, "--dry-run=server")).code === 0 ? undefined : true,
    );
  }
}

function writePolicies(folder: string, policies: readonly object[]): string {
  const file = join(folder, "policies", "policies.yaml");
  mkdirSync(join(folder, "policies"));
  writeFileSync(file, policies.map((policy) => JSON.stringify(policy)).join("\n---\n"));
  return file;
}

/** Brings custom resource definitions, ours if no other folder is given, and waits until they are served. */
export async function applyCrds(cluster: Kubernetes, folder = crdFolder): Promise<RunResult> {
  const applied = await expectDone(cluster.kubectl(["apply", "-f", folder]));
  await expectDone(cluster.kubectl(["wait", "--for=condition=Established", "--all", "crd", "--timeout=30s"]));
  return applied;
}

/** The text of a file of the project. */
export function projectFile(path: string): string {
  return readFileSync(join(import.meta.dirname, "../..", path), "utf8");
}
