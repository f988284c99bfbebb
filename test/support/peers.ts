import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { accessSync, constants, existsSync, statSync, writeFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, test } from "vitest";
import { tempDir } from "./process.ts";

/** Where `test/peers/install.sh` puts the peers. */
export const peersFolder =
  process.env["TRUST_PEERS"] || join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "trust-peers");

/** Peers that are folders of files and no programs. */
const folderPeers: ReadonlySet<string> = new Set(["policy-controller-crds"]);

/** The path of a peer: the installed program, else the one on PATH; the folder of a peer that is files. */
export function peer(name: string): string | undefined {
  if (folderPeers.has(name)) {
    const folder = join(peersFolder, "peers", name);
    return existsSync(join(folder, "ORIGIN")) ? folder : undefined;
  }
  const folders = [join(peersFolder, "bin"), ...(process.env["PATH"] ?? "").split(delimiter).filter(Boolean)];
  return folders.map((folder) => join(folder, name)).find(isProgram);
}

/** The path of a peer; throws how to get it if it is missing. */
export function requirePeer(name: string): string {
  const path = peer(name);
  if (path === undefined) throw new Error(howToGet([name]));
  return path;
}

/** `describe` for tests that need these peers: skipped where one is missing, but failing under `CI=true`. */
export function describePeers(names: readonly string[], title: string, fn: () => void): void {
  const missing = names.filter((name) => peer(name) === undefined);
  if (missing.length === 0 || process.env["CI"] !== "true") {
    describeIfThere(names, title, fn);
  } else {
    describe(title, () => {
      test("has its peers", () => {
        throw new Error(howToGet(missing));
      });
    });
  }
}

/** As `describePeers`, for a peer that not every module proxy has: skipped under `CI=true` as well, saying so. */
export function describeIfThere(names: readonly string[], title: string, fn: () => void): void {
  const missing = names.filter((name) => peer(name) === undefined);
  if (missing.length === 0) {
    describe(title, fn);
  } else {
    // Not fn: even a skipped one is called to collect its tests, and it may ask for its peers right away.
    describe.skip(`${title} (${howToGet(missing)})`, () => {
      test("needs its peers", () => {});
    });
  }
}

export interface DockerRegistryOptions {
  /** The content of an htpasswd file; the registry accepts bcrypt only. */
  readonly htpasswd?: string;
  /** PEM; the certificate must name 127.0.0.1. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Whether manifests and blobs can be deleted. */
  readonly delete?: boolean;
}

export interface RunningRegistry {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  stop(): Promise<void>;
}

/** Starts the real docker-registry 2.8.3, empty, on a port of its own, and resolves once it answers. */
export async function startDockerRegistry(options: DockerRegistryOptions = {}): Promise<RunningRegistry> {
  const program = requirePeer("docker-registry");
  const folder = tempDir("docker-registry");
  const config = join(folder.path, "config.yml");
  writeFileSync(config, JSON.stringify(registryConfig(options, folder.path)));
  // A bare environment: REGISTRY_* variables would override the file.
  const child = spawn(program, ["serve", config], { env: {}, stdio: ["ignore", "ignore", "pipe"] });
  const endWithUs = () => child.kill("SIGKILL");
  process.once("exit", endWithUs);
  const stop = async () => {
    await end(child);
    process.off("exit", endWithUs);
    folder.cleanup();
  };
  try {
    const host = await listening(child);
    for (let tries = 0; !(await answers(host, options.tls !== undefined)); tries++) {
      if (tries === 200) throw new Error(`docker-registry does not answer on ${host}`);
      await sleep(20);
    }
    return { host, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function registryConfig(options: DockerRegistryOptions, folder: string): object {
  const file = (name: string, content: string) => {
    writeFileSync(join(folder, name), content, { mode: 0o600 });
    return join(folder, name);
  };
  const { htpasswd, tls } = options;
  // The file is YAML, and JSON is YAML.
  return {
    version: "0.1",
    log: { level: "info", accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(folder, "data") }, delete: { enabled: options.delete ?? true } },
    http: {
      addr: "127.0.0.1:0",
      secret: randomBytes(16).toString("hex"),
      ...(tls && { tls: { certificate: file("tls.crt", tls.cert), key: file("tls.key", tls.key) } }),
    },
    ...(htpasswd && { auth: { htpasswd: { realm: "test", path: file("htpasswd", htpasswd) } } }),
  };
}

/** Reads the port the registry chose from its log; keeps draining the log, or the registry would block on it. */
function listening(child: ChildProcess): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let log = "";
  const fail = (why: string) => reject(new Error(`docker-registry ${why}\n${log}`));
  const timer = setTimeout(() => fail("did not start within 20 s"), 20_000);
  child.stderr?.on("data", (chunk: Buffer) => {
    if (log.length < 65_536) log += chunk.toString();
    const host = /listening on (127\.0\.0\.1:\d+)[",]/.exec(log)?.[1];
    if (host !== undefined) resolve(host);
  });
  child.on("error", (error) => fail(error.message));
  child.on("exit", () => fail("ended"));
  return promise.finally(() => clearTimeout(timer));
}

/** Whether `/v2/` answers at all; 401 is an answer. */
function answers(host: string, tls: boolean): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  // Only asks whether somebody is there; no test trusts what this connection says.
  const request = tls
    ? httpsRequest(`https://${host}/v2/`, { rejectUnauthorized: false, timeout: 2_000 })
    : httpRequest(`http://${host}/v2/`, { timeout: 2_000 });
  request.on("response", (response) => {
    response.resume();
    resolve(true);
  });
  request.on("timeout", () => request.destroy());
  request.on("error", () => resolve(false));
  request.end();
  return promise;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  child.once("exit", () => resolve());
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), 5_000);
  await promise;
  clearTimeout(timer);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function howToGet(missing: readonly string[]): string {
  return `missing ${missing.join(", ")}: run test/peers/install.sh ${missing.join(" ")}`;
}
