import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { stripVTControlCharacters, styleText } from "node:util";

const root = join(import.meta.dirname, "../..");
const main = join(root, "src/cli/main.ts");
const password = "correct horse battery staple";

/** The environment of every process of the demo: a password, and nothing of the user's own registries. */
function environment(home: string): NodeJS.ProcessEnv {
  const { PATH, TERM, NO_COLOR, FORCE_COLOR } = process.env;
  return { PATH, TERM, NO_COLOR, FORCE_COLOR, HOME: home, DOCKER_CONFIG: home, TRUST_PASSWORD: password };
}

export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one command line as a user would, and waits for it. */
export async function trust(home: string, ...args: string[]): Promise<Finished> {
  const child = spawn(process.execPath, [main, ...args], {
    cwd: home,
    env: environment(home),
    stdio: ["ignore", "pipe", "pipe"],
  });
  const out = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk: Buffer) => (out.stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (out.stderr += chunk.toString()));
  const [code] = (await once(child, "close")) as [number | null];
  return { code: code ?? 1, ...out };
}

export interface RunningServer {
  readonly url: string;
  stop(): Promise<void>;
}

/** Starts a server command and waits for its `listening on URL`. */
export async function serve(home: string, ...args: string[]): Promise<RunningServer> {
  const child = spawn(process.execPath, [main, ...args], {
    cwd: home,
    env: environment(home),
    stdio: ["ignore", "pipe", "pipe"],
  });
  let log = "";
  child.stderr.on("data", (chunk: Buffer) => (log = (log + chunk.toString()).slice(-4000)));
  const ended = once(child, "exit").then(() => {
    throw new Error(`trust ${args.join(" ")} ended early:\n${log}`);
  });
  ended.catch(() => undefined);
  const url = await Promise.race([firstLine(child), ended]);
  return { url, stop: () => stop(child) };
}

async function firstLine(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error("no output");
  const lines = createInterface({ input: child.stdout });
  for await (const line of lines) {
    const url = /^listening on (\S+)$/.exec(line)?.[1];
    if (url === undefined) continue;
    child.stdout.resume();
    return url;
  }
  return new Promise(() => undefined);
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  const killer = setTimeout(() => child.kill("SIGKILL"), 5000);
  await exited;
  clearTimeout(killer);
}

export interface Admission {
  readonly allowed: boolean;
  readonly message: string;
  readonly warnings: readonly string[];
  readonly patch: readonly { readonly op: string; readonly path: string; readonly value: string }[];
  readonly milliseconds: number;
}

/** Sends one AdmissionReview over TLS, trusting only the webhook's own certificate authority. */
export async function review(
  server: RunningServer,
  caFile: string,
  route: "mutate" | "validate",
  object: object,
): Promise<Admission> {
  const { kind, apiVersion, metadata } = object as {
    kind: string;
    apiVersion: string;
    metadata: { name: string; namespace: string };
  };
  const [group, version] = apiVersion.includes("/") ? apiVersion.split("/") : ["", apiVersion];
  const body = JSON.stringify({
    apiVersion: "admission.k8s.io/v1",
    kind: "AdmissionReview",
    request: {
      uid: crypto.randomUUID(),
      kind: { group, version, kind },
      resource: { group, version, resource: `${kind.toLowerCase()}s` },
      name: metadata.name,
      namespace: metadata.namespace,
      operation: "CREATE",
      userInfo: { username: "demo", groups: ["system:authenticated"] },
      object,
    },
  });
  const started = performance.now();
  const answer = await send(`${server.url}/${route}?timeout=10s`, caFile, body);
  const { response } = JSON.parse(answer) as {
    response: { allowed: boolean; status?: { message?: string }; warnings?: string[]; patch?: string };
  };
  return {
    allowed: response.allowed,
    message: response.status?.message ?? "",
    warnings: response.warnings ?? [],
    patch: response.patch === undefined ? [] : JSON.parse(Buffer.from(response.patch, "base64").toString()),
    milliseconds: performance.now() - started,
  };
}

/** The sum of all series of a counter on the server's /metrics page. */
export async function sumOfMetric(server: RunningServer, caFile: string, name: string): Promise<number> {
  const page = await send(`${server.url}/metrics`, caFile);
  const values = [...page.matchAll(new RegExp(`^\\w*${name}(?:\\{[^}]*\\})? ([0-9.e+]+)$`, "gm"))].map((match) =>
    Number(match[1]),
  );
  return values.reduce((sum, value) => sum + value, 0);
}

function send(url: string, caFile: string, body?: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body ?? "") };
  const method = body === undefined ? "GET" : "POST";
  const outgoing = request(url, { method, ca: readFileSync(caFile), headers }, (response) => {
    let text = "";
    response.on("data", (chunk: Buffer) => (text += chunk.toString()));
    response.on("end", () => resolve(text));
  });
  outgoing.on("error", reject);
  outgoing.end(body);
  return promise;
}

/** The object with a JSON patch of `replace` operations done. */
export function patched<T extends object>(object: T, patch: Admission["patch"]): T {
  const copy = structuredClone(object);
  for (const { path, value } of patch) {
    const keys = path.split("/").slice(1);
    const last = keys.pop() ?? "";
    let place: unknown = copy;
    for (const key of keys) place = (place as Record<string, unknown>)[key];
    (place as Record<string, unknown>)[last] = value;
  }
  return copy;
}

export const say = {
  title: (text: string) => console.log(`\n${styleText(["bold", "cyan"], text)}`),
  line: (text = "") => console.log(text),
  command: (args: readonly string[]) => console.log(styleText("dim", `  $ trust ${args.join(" ")}`)),
  output: (text: string) => console.log(text.trimEnd().replace(/^/gm, "    ")),
  good: (text: string) => console.log(`  ${styleText("green", "✔")} ${text}`),
  bad: (text: string) => console.log(`  ${styleText("red", "✘")} ${text}`),
  fail: (text: string) => console.log(styleText(["bold", "red"], `  unexpected: ${text}`)),
};

/** Text of a given visible width. */
export function pad(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - stripVTControlCharacters(text).length));
}
