import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** The built-in registry on a free loopback port, in a process of its own: the bench blocks while it times others. */
export async function startStage(
  dist: string,
  folder: string,
): Promise<{ readonly host: string; stop(): Promise<void> }> {
  const args = [dist, "registry", "serve", "--storage", join(folder, "storage"), "--listen", "127.0.0.1:0"];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "ignore"] });
  const exited = once(child, "exit");
  const [line] = (await Promise.race([once(createInterface({ input: child.stdout }), "line"), exited])) as [unknown];
  const url = /^listening on (\S+)$/.exec(String(line))?.[1];
  if (url === undefined) throw new Error("the registry did not start");
  return {
    host: new URL(url).host,
    async stop() {
      child.kill("SIGTERM");
      await exited;
    },
  };
}
