import { createPublicKey, type KeyObject } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:https";
import { join } from "node:path";
import type { Digest } from "../../src/crypto/digest.ts";
import { formats } from "../../src/formats/index.ts";
import { anonymous } from "../../src/oci/credential.ts";
import { createHttpRegistry, type HttpRegistry } from "../../src/oci/http-registry.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { defaultSettings, type VerifierSettings } from "../../src/policy/settings.ts";
import { startRegistry } from "../../src/registry/server.ts";
import { signImage } from "../../src/sign.ts";
import type { Log } from "../../webhook/log.ts";
import { type RunningWebhook, startWebhook, type WebhookOptions } from "../../webhook/server.ts";
import { pushImage, tinyImage } from "./images.ts";
import type { ReviewAnswer } from "./kube.ts";
import { tempDir } from "./process.ts";
import { signerOf } from "./signers.ts";

/** A webhook over TLS beside the built-in registry, with a policy that trusts one key for `HOST/prod/**`. */
export interface WebhookStage {
  /** host:port of the registry. */
  readonly host: string;
  readonly folder: string;
  readonly policyFile: string;
  readonly ca: string;
  readonly webhook: RunningWebhook;
  readonly registry: HttpRegistry;
  /** Pushes a small image under HOST/NAME, signed by the trusted key unless another or none is given. */
  image(name: string, key?: KeyObject | undefined): Promise<{ readonly image: string; readonly digest: Digest }>;
  stopRegistry(): Promise<void>;
  post(path: string, review: unknown): Promise<ReviewAnswer>;
  get(path: string): Promise<{ readonly status: number; readonly body: string }>;
  close(): Promise<void>;
}

export interface StageOptions {
  readonly key: KeyObject;
  readonly settings?: Partial<VerifierSettings>;
  readonly log?: Log;
  readonly webhook?: Partial<WebhookOptions>;
}

const silent: Log = { info() {}, warn() {}, error() {} };

export async function startWebhookStage(options: StageOptions): Promise<WebhookStage> {
  const folder = tempDir("trust-webhook");
  const server = await startRegistry({ storage: join(folder.path, "storage"), listen: "127.0.0.1:0" });
  const host = new URL(server.url).host;
  const registry = createHttpRegistry({ credentials: anonymous });
  const policyFile = join(folder.path, "policies", "policy.yaml");
  mkdirSync(join(folder.path, "policies"));
  writeFileSync(policyFile, policyText(host, options.key));
  const certDir = join(folder.path, "certs");
  const webhook = await startWebhook({
    listen: "127.0.0.1:0",
    certDir,
    policyPaths: ["policies"],
    cwd: folder.path,
    settings: { ...defaultSettings, allowRegistry: [host], ...options.settings },
    registry: { credentials: anonymous, timeouts: { connect: 1000 }, retry: { attempts: 1 } },
    log: options.log ?? silent,
    now: Date.now,
    ...options.webhook,
  }).catch(async (error: unknown) => {
    await server.close();
    folder.cleanup();
    throw error;
  });
  const ca = readFileSync(join(certDir, "ca.crt"), "utf8");
  const agent = new Agent({ ca, keepAlive: true });
  let registryStopped: Promise<void> | undefined;
  const stopRegistry = () => (registryStopped ??= server.close());
  return {
    ...{ host, folder: folder.path, policyFile, ca, webhook, registry, stopRegistry },
    async image(name, key = options.key) {
      const image = `${host}/${name}`;
      const digest = await pushImage(registry, parseReference(image), tinyImage(name));
      await sign(registry, image, key);
      return { image, digest };
    },
    post: async (path, review) => JSON.parse((await send(agent, `${webhook.url}${path}`, JSON.stringify(review))).body),
    get: (path) => send(agent, `${webhook.url}${path}`),
    async close() {
      agent.destroy();
      registry.close();
      await webhook.close();
      await stopRegistry();
      folder.cleanup();
    },
  };
}

/** Signs what the reference stands for with that key, as a Sigstore bundle. */
export async function sign(registry: HttpRegistry, image: string, key: KeyObject): Promise<void> {
  await signImage(registry, {
    image: parseReference(image),
    signer: signerOf(key),
    formats: formats.slice(0, 1),
    now: Date.now(),
  });
}

/** A policy that trusts the key for `HOST/prod/**`. */
export function policyText(host: string, key: KeyObject): string {
  const pem = createPublicKey(key).export({ type: "spki", format: "pem" }).toString();
  return JSON.stringify({
    apiVersion: "imagetrust.dev/v1alpha1",
    kind: "ClusterTrustPolicy",
    metadata: { name: "production" },
    spec: { images: [{ glob: `${host}/prod/**` }], authorities: [{ name: "release", key: { data: pem } }] },
  });
}

function send(agent: Agent, url: string, body?: string): Promise<{ readonly status: number; readonly body: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: string }>();
  const method = body === undefined ? "GET" : "POST";
  const outgoing = request(url, { agent, method, headers: { "content-type": "application/json" } }, (response) => {
    const chunks: Buffer[] = [];
    response.on("data", (chunk: Buffer) => chunks.push(chunk));
    response.on("end", () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
    response.on("error", reject);
  });
  outgoing.on("error", reject);
  outgoing.end(body);
  return promise;
}
