import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { createServer } from "node:net";

/** A program of the cluster that runs. */
export interface Program {
  readonly name: string;
  /** Undefined while it runs; otherwise why it does not, with the end of its log. */
  ended(): string | undefined;
  /** Ends it, and resolves when it is gone; SIGKILL follows a SIGTERM after ten seconds. */
  end(signal: "SIGTERM" | "SIGKILL"): Promise<void>;
}

/**
 * Starts a program with next to nothing in its environment but what is given; what it prints goes to the end of the log
 * file. It does not outlive this process, however that ends.
 */
export function startProgram(
  path: string,
  args: readonly string[],
  log: string,
  folder: string,
  environment: Readonly<Record<string, string>> = {},
): Program {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const output = openSync(log, "a");
  // No proxy settings: everything is on loopback.
  const env = { HOME: folder, PATH: "/usr/bin:/bin", ...environment };
  const child = spawn(path, args, { cwd: folder, env, stdio: ["ignore", output, output] });
  closeSync(output);
  let failure: string | undefined;
  child.on("error", (error) => {
    failure = error.message;
  });
  const release = guard(child);
  const exited = () => failure ?? (child.exitCode ?? child.signalCode ?? undefined)?.toString();
  return {
    name,
    ended: () => (exited() === undefined ? undefined : `${name} ended (${exited()})\n${endOf(log)}`),
    async end(signal) {
      if (exited() === undefined) {
        const { promise, resolve } = Promise.withResolvers<void>();
        child.once("exit", () => resolve());
        child.kill(signal);
        const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
        await promise;
        clearTimeout(timer);
      }
      release();
    },
  };
}

/** Has the child killed by a waiting shell if this process ends without releasing it: then the shell reads an end of file. */
function guard(child: ChildProcess): () => void {
  if (child.pid === undefined) return () => {};
  const script = `read -r line || kill -9 ${child.pid} 2>/dev/null`;
  const shell = spawn("/bin/sh", ["-c", script], { stdio: ["pipe", "ignore", "ignore"], detached: true });
  shell.unref();
  shell.on("error", () => {});
  shell.stdin.on("error", () => {});
  return () => shell.stdin.end("released\n");
}

function endOf(log: string): string {
  return readFileSync(log, "utf8").slice(-4000);
}

/**
 * A port on 127.0.0.1 that is free now and is not handed out to whoever asks for any: below the ephemeral ports, so that a
 * program which is stopped finds it free when it starts again.
 */
export async function quietPort(): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    if (await isFree(port)) return port;
  }
  throw new Error("no free port between 20000 and 32000");
}

function isFree(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const server = createServer();
  server.on("error", () => resolve(false));
  server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  return promise;
}
