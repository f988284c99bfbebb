import type { AddressInfo } from "node:net";
import { networkInterfaces } from "node:os";
import {
  type Cluster,
  createHttpRegistry,
  createVerifier,
  type HighWaterMarks,
  type HttpRegistryOptions,
  type OpenedRoots,
  type PolicyWatchOptions,
  type RequestEvent,
  TrustError,
  type VerifierSettings,
} from "../src/index.ts";
import { allowAddresses } from "./addresses.ts";
import { buildApp } from "./app.ts";
import { followCertificate, openCertificates } from "./certificates.ts";
import { parseListen, urlOf } from "./listen.ts";
import type { Log } from "./log.ts";
import { createMetrics, type Metrics } from "./metrics.ts";
import { followPolicies } from "./policies.ts";

export interface WebhookOptions {
  /** `HOST:PORT` or `:PORT`; default `:8443`. */
  readonly listen?: string | undefined;
  /** Holds `ca.crt tls.crt tls.key`, or receives them. */
  readonly certDir?: string | undefined;
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  /** DNS names and IP addresses of a self-made certificate, beside {@link defaultHosts}. */
  readonly hosts?: readonly string[] | undefined;
  /** Files and folders; none where the policies are in the cluster alone. */
  readonly policyPaths: readonly string[];
  /** Whose policy objects and namespaces are followed; closed with the webhook. */
  readonly cluster?: Cluster | undefined;
  /** The ConfigMap of the cluster that keeps high-water marks, in the place of `highWaterMarks`. */
  readonly stateMap?: string | undefined;
  /** Ends a start that waits for the cluster. */
  readonly signal?: AbortSignal | undefined;
  /** Relative policy paths start here. */
  readonly cwd: string;
  /** Opens trust roots that policies name and do not write out. */
  readonly openRoot?: PolicyWatchOptions["openRoot"];
  readonly rootFile?: PolicyWatchOptions["rootFile"];
  readonly settings: VerifierSettings;
  /** How registries are reached; which addresses may be asked is the webhook's to say. */
  readonly registry: Omit<HttpRegistryOptions, "allowAddress" | "onRequest">;
  readonly log: Log;
  /** What policies with `freshness` have accepted; in memory where none are given. */
  readonly highWaterMarks?: HighWaterMarks | undefined;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Metrics of the process as well, such as its memory. */
  readonly processMetrics?: boolean | undefined;
}

export interface RunningWebhook {
  readonly url: string;
  /** The trust roots that the policies in force name. */
  roots(): OpenedRoots;
  /**
   * Says not ready, finishes what is being answered (for at most `timeout` milliseconds, 25 000 if not given), and stops.
   * `delay`: how long to go on serving first, while others learn that it is not ready.
   */
  close(options?: { readonly delay?: number; readonly timeout?: number }): Promise<void>;
}

/** Names under which the webhook is reached on this machine and inside a cluster. */
export const defaultHosts: readonly string[] = ["localhost", "127.0.0.1", "::1", "trust-webhook"];

/**
 * Starts the webhook; resolves when it answers. Policies and certificates are followed while it runs: what is changed
 * and good takes effect, what is not is logged and the last good one stays. With a cluster it does not listen before all of
 * its policies are known. Throws where the first policies do not load (`POLICY_INVALID`, `POLICY_NOT_FOUND`), the errors of
 * `openCertificates`, `CONFIG_INVALID` where it cannot listen, and `CLUSTER_UNREACHABLE` after the signal.
 */
export async function startWebhook(options: WebhookOptions): Promise<RunningWebhook> {
  const { log, settings, now } = options;
  const address = parseListen(options.listen ?? ":8443");
  const metrics = createMetrics({ processMetrics: options.processMetrics === true });
  const allowAddress = allowAddresses(settings.allowRegistry);
  const hosts = [...new Set([...defaultHosts, ...(options.hosts ?? [])])];
  const source = openCertificates({ ...options, hosts });
  const first = await source();
  const policies = await followPolicies({ ...options, paths: options.policyPaths, metrics });
  const registry = createHttpRegistry({ ...options.registry, allowAddress, onRequest: countRequests(metrics) });
  const { highWaterMarks = options.highWaterMarks } = policies;
  const verifier = createVerifier({ registry, policies: policies.current, settings, highWaterMarks, now });
  let notReady: string | undefined;
  const { namespaceLabels } = policies;
  const notReadyNow = () => notReady;
  const app = buildApp({ verifier, settings, namespaceLabels, metrics, log, https: first, notReady: notReadyNow });
  const certificate = followCertificate({ source, first, server: app.server, metrics, log });
  const stop = async () => {
    certificate.close();
    await app.close();
    policies.close();
    registry.close();
    options.cluster?.close();
  };
  await app.listen({ port: address.port, host: address.host ?? anyHost() }).catch(async (cause: unknown) => {
    await stop();
    throw new TrustError("CONFIG_INVALID", `cannot listen on ${options.listen ?? ":8443"}`, {
      expected: "a free port, and an address of this machine",
      found: cause instanceof Error && "code" in cause ? String(cause.code) : "an error",
      cause,
    });
  });
  const url = urlOf(address, app.server.address() as AddressInfo);
  log.info({ url, policies: policies.current().policies.length }, "webhook started");
  return {
    url,
    roots: policies.roots,
    async close({ delay = 0, timeout = 25_000 } = {}) {
      notReady = "shutting down";
      await pause(delay);
      const forced = setTimeout(() => app.server.closeAllConnections(), timeout);
      await stop().finally(() => clearTimeout(forced));
      log.info({}, "webhook stopped");
    },
  };
}

/** All interfaces, of both families where the system has IPv6. */
function anyHost(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((found) => found ?? []);
  return addresses.some(({ family }) => family === "IPv6") ? "::" : "0.0.0.0";
}

function countRequests(metrics: Metrics): (event: RequestEvent) => void {
  return ({ status }) => metrics.registryRequest(status === undefined ? "no answer" : `${Math.floor(status / 100)}xx`);
}

async function pause(milliseconds: number): Promise<void> {
  if (milliseconds > 0) await new Promise((done) => setTimeout(done, milliseconds));
}
