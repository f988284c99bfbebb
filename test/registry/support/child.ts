import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

interface Memory {
  readonly rss: number;
  /** The largest that it ever was, in bytes. */
  readonly peak: number;
}

export interface ChildRegistry {
  readonly url: string;
  readonly process: ChildProcess;
  memory(): Promise<Memory>;
  /** Ends it like a power cut would. */
  kill(): Promise<void>;
  /** Ends it the polite way; gives its exit code. */
  stop(): Promise<number | null>;
}

/** A registry in a process of its own. */
export async function startChild(storage: string): Promise<ChildRegistry> {
  const child = fork(join(import.meta.dirname, "serve.ts"), [storage], {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const first = await Promise.race([once(child, "message"), once(child, "exit").then(() => [undefined])]);
  const url = (first[0] as { url?: string } | undefined)?.url;
  if (url === undefined) throw new Error("the registry did not start");
  const ended = once(child, "exit");
  return {
    url,
    process: child,
    async memory() {
      const answer = once(child, "message");
      child.send("memory");
      return (await answer)[0] as Memory;
    },
    async kill() {
      child.kill("SIGKILL");
      await ended;
    },
    async stop() {
      child.kill("SIGTERM");
      return (await ended)[0] as number | null;
    },
  };
}
