import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Program, startProgram } from "../support/kubernetes-programs.ts";
import { eventually } from "./eventually.ts";

const main = join(import.meta.dirname, "../../src/cli/main.ts");

/** `trust webhook serve` as a process of its own, on one port for all its starts. */
export interface WebhookProcess {
  readonly url: string;
  /** PEM. */
  readonly ca: string;
  /** All that it has written, of all its starts. */
  log(): string;
  /** Ends it as Kubernetes does; resolves when it is gone. */
  stop(signal?: "SIGTERM" | "SIGKILL"): Promise<void>;
  /** Starts it again, with these flags instead of the first ones. */
  start(flags?: readonly string[]): Promise<void>;
}

export interface WebhookProcessOptions {
  readonly folder: string;
  readonly port: number;
  /** Beside `--listen` and `--cert-dir`. */
  readonly flags: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts the webhook and resolves when it listens. The caller stops it. */
export async function startWebhookProcess(options: WebhookProcessOptions): Promise<WebhookProcess> {
  const { folder, port } = options;
  const [log, certDir] = [join(folder, "webhook.log"), join(folder, "webhook-certs")];
  const url = `https://127.0.0.1:${port}`;
  const written = () => (existsSync(log) ? readFileSync(log, "utf8") : "");
  const fixed = ["--listen", `127.0.0.1:${port}`, "--cert-dir", certDir];
  let program: Program | undefined;
  const stop = async (signal: "SIGTERM" | "SIGKILL" = "SIGTERM") => {
    await program?.end(signal);
    program = undefined;
  };
  const start = async (flags = options.flags) => {
    const before = written().length;
    const running = startProgram(
      process.execPath,
      [main, "webhook", "serve", ...fixed, ...flags],
      log,
      folder,
      options.env,
    );
    program = running;
    await eventually("the webhook listens", async () => {
      const ended = running.ended();
      if (ended !== undefined) throw new Error(ended);
      return written().slice(before).includes(`listening on ${url}`) ? true : undefined;
    });
  };
  await start().catch(async (error: unknown) => {
    await stop("SIGKILL");
    throw error;
  });
  return { url, ca: readFileSync(join(certDir, "ca.crt"), "utf8"), log: written, stop, start };
}
