import { enableCompileCache } from "node:module";
import { homedir } from "node:os";
import { dirname } from "node:path";
import { getBuiltinModule } from "node:process";
import { cacheFolder } from "./cache-folder.ts";
import type { Io, Output } from "./io.ts";

/** Written in by the build. */
declare const TRUST_VERSION: string | undefined;

interface FlushedOutput extends Output {
  /** When all is handed over. */
  flushed(): Promise<void>;
}

const maxInput = 1024 * 1024;

// The only place where the CLI meets its process: everything else gets what it needs from the Io made here.

// From the sources every file is stripped of its types and compiled; the built command begins with start.ts instead.
if (typeof TRUST_VERSION !== "string") {
  const folder = cacheFolder(process.env, process.getuid?.());
  if (folder !== undefined) enableCompileCache(folder);
}
void main();

async function main(): Promise<void> {
  const { runCli } = await import("./run.ts");
  const controller = new AbortController();
  const interrupt = (name: "SIGINT" | "SIGTERM") => {
    // Whoever asks twice does not want to wait.
    if (controller.signal.aborted) process.exit(name === "SIGINT" ? 130 : 143);
    controller.abort(name);
  };
  process.on("SIGINT", () => interrupt("SIGINT"));
  process.on("SIGTERM", () => interrupt("SIGTERM"));
  const stdout = outputOf(() => process.stdout, onStdoutError);
  const stderr = outputOf(
    () => process.stderr,
    () => undefined,
  );
  // What waits for a person or another program ends with the signal, too.
  const stdin = () => getBuiltinModule("node:stream").addAbortSignal(controller.signal, process.stdin);
  const io: Io = {
    env: process.env,
    get homeFolder() {
      return homedir();
    },
    folder: userFolder(),
    stdout,
    stderr,
    readStdin: (maxBytes) => readAll(stdin(), maxBytes),
    streamStdin: stdin,
    get prompt() {
      return process.stdin.isTTY && process.stderr.isTTY
        ? (question: string) => ask(question, () => interrupt("SIGINT"), controller.signal)
        : undefined;
    },
    get openBrowser() {
      return canOpenBrowser() ? openBrowser : undefined;
    },
    now: Date.now,
    nodeVersion: process.versions.node,
    signal: controller.signal,
  };
  const code = await runCli(process.argv.slice(2), io);
  await Promise.all([stdout.flushed(), stderr.flushed()]);
  process.exit(code);
}

/**
 * Under `npm run trust` npm changes to the project's folder; INIT_CWD is where the user stood. In any other npm script
 * the folder is meant as it is.
 */
function userFolder(): string {
  const { INIT_CWD, npm_lifecycle_event, npm_package_json, npm_package_name } = process.env;
  const inProject = npm_lifecycle_event === "trust" && npm_package_name === "imagetrust";
  const moved = inProject && npm_package_json !== undefined && dirname(npm_package_json) === process.cwd();
  return moved && INIT_CWD !== undefined ? INIT_CWD : process.cwd();
}

/** A stream is opened by its first use: opening costs time that most commands need not spend twice. */
function outputOf(open: () => NodeJS.WriteStream, onError: (error: unknown) => void): FlushedOutput {
  let stream: NodeJS.WriteStream | undefined;
  const opened = () => {
    stream ??= open().on("error", onError);
    return stream;
  };
  return {
    write: (text) => void opened().write(text),
    get isTerminal() {
      return opened().isTTY === true;
    },
    get hasColors() {
      return opened().isTTY === true && opened().hasColors();
    },
    flushed: () => new Promise((resolve) => (stream === undefined ? resolve() : stream.write("", () => resolve()))),
  };
}

/** The reader may have gone, as in `trust audit … | head` (141, as a shell counts SIGPIPE), or the disk be full. */
function onStdoutError(error: unknown): void {
  process.exit(error instanceof Error && "code" in error && error.code === "EPIPE" ? 141 : 3);
}

async function readAll(stream: AsyncIterable<Buffer>, maxBytes = maxInput): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.length;
    if (size > maxBytes) throw await tooMuchInput(maxBytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function tooMuchInput(maxBytes: number): Promise<Error> {
  const { TrustError } = await import("../errors.ts");
  return new TrustError("USAGE", "there is too much on standard input", { expected: `at most ${maxBytes} bytes` });
}

/** A browser that opens where nobody sits would be of no use. */
function canOpenBrowser(): boolean {
  const { env, platform } = process;
  if (env["SSH_CONNECTION"] || env["CI"] || !process.stdin.isTTY) return false;
  return platform === "darwin" || platform === "win32" || Boolean(env["DISPLAY"] || env["WAYLAND_DISPLAY"]);
}

async function openBrowser(url: string): Promise<boolean> {
  const { openInBrowser } = await import("./browser.ts");
  return openInBrowser(url, process.platform);
}

async function ask(question: string, interrupt: () => void, signal: AbortSignal): Promise<string> {
  const { askHidden } = await import("./prompt.ts");
  const write = (text: string) => void process.stderr.write(text);
  return askHidden({ input: process.stdin, write, interrupt, signal }, question);
}
