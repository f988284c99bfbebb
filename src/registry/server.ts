import type { FastifyInstance } from "fastify";
import { TrustError } from "../errors.ts";
import { readSmallFile } from "../keys/files.ts";
import { type AccessControl, createAccess } from "./access.ts";
import { buildRegistry, type LogTarget } from "./app.ts";
import type { RegistryConfig } from "./config.ts";
import { defaultLimits, type RegistryLimits } from "./limits.ts";
import { type ListenAddress, parseListen, urlOf } from "./listen.ts";
import type { Notifier } from "./notifications.ts";
import { openStorage, type Storage } from "./storage/storage.ts";

export interface StartOptions {
  /** Folder of the content; made if it is not there. One process at a time. */
  readonly storage: string;
  /** HOST:PORT; port 0 picks a free one. */
  readonly listen?: string | undefined;
  /** PEM files; both or none. */
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  /** An htpasswd file with bcrypt hashes; followed while the registry runs. */
  readonly users?: string | undefined;
  /** A YAML file with rights, notifications and limits. */
  readonly config?: string | undefined;
  /** JSON lines. */
  readonly log?: LogTarget | undefined;
  /** Takes warnings; without it they go to the log. */
  readonly warn?: ((message: string) => void) | undefined;
  /** Milliseconds that `close` waits for requests under way. */
  readonly drainMs?: number | undefined;
}

export interface RunningRegistry {
  /** `http://127.0.0.1:5000`, with the real port. */
  readonly url: string;
  /** Takes no more requests, lets those under way end and notifications leave, both within `drainMs`. */
  close(): Promise<void>;
}

const defaultListen = "127.0.0.1:5000";
const defaultDrainMs = 10_000;
const sweepEveryMs = 60 * 60 * 1000;

interface Parts {
  readonly address: ListenAddress;
  readonly tls: { readonly cert: Buffer; readonly key: Buffer } | undefined;
  readonly config: RegistryConfig | undefined;
  readonly access: AccessControl | undefined;
  readonly warn: (message: string) => void;
}

/**
 * Starts a registry. Without users everybody on loopback has all rights; anything else than loopback takes users and
 * TLS. Throws `CONFIG_INVALID` for settings that do not go together or cannot be read, and errors of files.
 */
export async function startRegistry(options: StartOptions): Promise<RunningRegistry> {
  const parts = await prepare(options);
  const storage = await openStorage(options.storage);
  try {
    return await run(options, parts, storage);
  } catch (error) {
    storage.close();
    throw error;
  }
}

async function prepare(options: StartOptions): Promise<Parts> {
  const warn = options.warn ?? ((message: string) => logWarning(options.log, message));
  const address = await parseListen(options.listen ?? defaultListen);
  const tls = await loadTls(options);
  if (!address.loopback) refuseOpenListening(options, tls !== undefined);
  const config =
    options.config === undefined ? undefined : await (await import("./config.ts")).loadConfig(options.config);
  const access = await loadAccess(options.users, config, warn);
  if (access === undefined) warn("no users: everybody on this machine may pull, push and delete");
  return { address, tls, config, access, warn };
}

function logWarning(log: LogTarget | undefined, message: string): void {
  log?.write(`${JSON.stringify({ level: 40, time: Date.now(), msg: message })}\n`);
}

async function run(options: StartOptions, parts: Parts, storage: Storage): Promise<RunningRegistry> {
  const { address, tls, config, access, warn } = parts;
  const limits = config?.limits ?? defaultLimits;
  const notifier = await openNotifier(config, warn);
  const app = buildRegistry({ storage, access, limits, publish: notifier?.publish, log: options.log, tls });
  const port = await listen(app, address);
  const stopSweeping = await startSweeping(storage, limits, warn);
  const { drainMs = defaultDrainMs } = options;
  let closed: Promise<void> | undefined;
  const close = async () => {
    stopSweeping();
    await drain(app, drainMs);
    await notifier?.close(drainMs);
    storage.close();
  };
  return {
    url: urlOf(address, port, tls === undefined ? "http" : "https"),
    close: () => (closed ??= close()),
  };
}

function refuseOpenListening({ users, listen }: StartOptions, tls: boolean): void {
  if (users !== undefined && tls) return;
  const missing = [users === undefined ? "--users FILE" : "", tls ? "" : "--tls-cert FILE and --tls-key FILE"];
  throw new TrustError("CONFIG_INVALID", "a registry that others can reach needs users and TLS", {
    expected: `${missing.filter(Boolean).join(", ")}; or a loopback address`,
    found: `--listen ${listen}`,
    hint: "Give what is missing; make users with: trust registry user add",
  });
}

async function loadTls({ tlsCert, tlsKey }: StartOptions): Promise<Parts["tls"]> {
  if (tlsCert === undefined && tlsKey === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined)
    throw new TrustError("CONFIG_INVALID", "a certificate and its key go together", {
      expected: "both --tls-cert FILE and --tls-key FILE",
      found: tlsCert === undefined ? "--tls-key alone" : "--tls-cert alone",
    });
  const [cert, key] = [await readSmallFile(tlsCert, "the TLS certificate"), await readSmallFile(tlsKey, "the TLS key")];
  const { createSecureContext } = await import("node:tls");
  try {
    createSecureContext({ cert, key });
  } catch (cause) {
    throw new TrustError("CONFIG_INVALID", "the TLS certificate and key cannot be used", {
      expected: "PEM, the key of that certificate",
      found: `${tlsCert}, ${tlsKey}`,
      cause,
    });
  }
  return { cert, key };
}

/** Nothing where there is no access control: neither users nor rights were given. */
async function loadAccess(
  users: string | undefined,
  config: RegistryConfig | undefined,
  warn: Parts["warn"],
): Promise<AccessControl | undefined> {
  if (users === undefined && config?.rights === undefined) return undefined;
  const { followUsers } = await import("./htpasswd.ts");
  const { createSignIn } = await import("./sign-in.ts");
  const current = users === undefined ? async () => new Map<string, string>() : await followUsers(users, warn);
  return createAccess(createSignIn(current), config?.rights);
}

async function openNotifier(config: RegistryConfig | undefined, warn: Parts["warn"]): Promise<Notifier | undefined> {
  if (config === undefined || config.endpoints.length === 0) return undefined;
  const { createNotifier } = await import("./notifications.ts");
  return createNotifier({ endpoints: config.endpoints, warn });
}

async function listen(app: FastifyInstance, { address, port }: ListenAddress): Promise<number> {
  try {
    await app.listen({ host: address, port });
  } catch (cause) {
    throw new TrustError("CONFIG_INVALID", "the address cannot be listened on", {
      expected: "a free port on an address of this machine",
      found: `${address}:${port} (${cause instanceof Error && "code" in cause ? cause.code : "unknown"})`,
      cause,
    });
  }
  const bound = app.server.address();
  return typeof bound === "object" && bound !== null ? bound.port : port;
}

/** Removes uploads that were left alone, now and each hour. */
async function startSweeping(storage: Storage, limits: RegistryLimits, warn: Parts["warn"]): Promise<() => void> {
  const sweep = () =>
    storage.uploads.sweep(limits.uploadAgeMs).catch(() => warn("uploads that were left alone cannot be removed"));
  await sweep();
  const timer = setInterval(() => void sweep(), sweepEveryMs);
  timer.unref();
  return () => clearInterval(timer);
}

async function drain(app: FastifyInstance, withinMs: number): Promise<void> {
  const timer = setTimeout(() => app.server.closeAllConnections(), withinMs);
  await app.close();
  clearTimeout(timer);
}
