import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface RunOptions {
  /** Laid over the environment of the test; undefined removes a name. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly input?: string | Uint8Array;
  readonly timeoutMs?: number;
  readonly cwd?: string;
}

export interface RunResult {
  /** The exit code, or as in a shell: 124 timed out or wrote too much, 127 not startable, 128 ended by a signal. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const MAX_OUTPUT = 32 * 1024 * 1024;

/** Runs a program to its end, bounded in time and output; whatever becomes of it is in the result, never thrown. */
export function run(cmd: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const { env, input, timeoutMs = 60_000, cwd } = options;
  const { promise, resolve } = Promise.withResolvers<RunResult>();
  const child = spawn(cmd, args, { cwd, env: { ...process.env, ...env }, stdio: "pipe" });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  let size = 0;
  let trouble: { code: number; message: string } | undefined;

  const abort = (message: string) => {
    trouble ??= { code: 124, message };
    child.kill("SIGKILL");
    // A grandchild may hold the pipes open; "close" must come all the same.
    child.stdout.destroy();
    child.stderr.destroy();
  };
  const collect = (into: Buffer[]) => (chunk: Buffer) => {
    size += chunk.length;
    if (size > MAX_OUTPUT) abort(`more than ${MAX_OUTPUT} bytes of output`);
    else into.push(chunk);
  };
  const timer = setTimeout(() => abort(`timed out after ${timeoutMs} ms`), timeoutMs);

  child.stdout.on("data", collect(out));
  child.stderr.on("data", collect(err));
  child.on("error", (error) => {
    trouble ??= { code: 127, message: error.message };
  });
  child.on("close", (code) => {
    clearTimeout(timer);
    const note = trouble === undefined ? "" : `\n${cmd}: ${trouble.message}\n`;
    resolve({
      code: trouble?.code ?? code ?? 128,
      stdout: Buffer.concat(out).toString(),
      stderr: Buffer.concat(err).toString() + note,
    });
  });
  // A program may end without reading its input: its exit code says more than EPIPE.
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  return promise;
}

/** A port on 127.0.0.1 that was free a moment ago. Where a program accepts port 0, let it choose instead. */
export function freePort(): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const server = createServer();
  server.on("error", reject);
  server.listen(0, "127.0.0.1", () => {
    const address = server.address();
    server.close(() => {
      if (address === null || typeof address === "string") reject(new Error("no port"));
      else resolve(address.port);
    });
  });
  return promise;
}

/** A new folder of its own; `cleanup` removes it with all it holds. */
export function tempDir(prefix: string): { readonly path: string; cleanup(): void } {
  const path = mkdtempSync(join(tmpdir(), `${prefix}-`));
  return { path, cleanup: () => rmSync(path, { recursive: true, force: true, maxRetries: 3 }) };
}
