import { fork } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A registry seen from afar: a TCP proxy in a process of its own, which delays every byte and tells what was asked. */
export interface FarRegistry {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  /** The requests since the last call, `METHOD PATH` each. */
  takeRequests(): Promise<readonly string[]>;
  stop(): Promise<void>;
}

/**
 * Puts a registry that speaks plain HTTP so many milliseconds of round trip away: what is sent arrives half of that
 * later, in both directions, and a connection takes one round trip to open. Bandwidth is not limited.
 */
export async function startFarRegistry(target: string, roundTrip: number): Promise<FarRegistry> {
  const child = fork(import.meta.filename, [target, String(roundTrip)], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const exited = once(child, "exit");
  const [host] = (await Promise.race([once(child, "message"), exited])) as [unknown];
  if (typeof host !== "string") throw new Error("the proxy did not start");
  return {
    host,
    async takeRequests() {
      child.send("take");
      const [requests] = (await once(child, "message")) as [readonly string[]];
      return requests;
    },
    async stop() {
      child.disconnect();
      await exited;
    },
  };
}

const requestLine = /(?:^|\r\n)(GET|HEAD|PUT|POST|PATCH|DELETE) (\S+) HTTP\/1\.1\r\n/g;

/** Passes what one side sends to the other, later; the end too. */
function pass(from: Socket, to: Socket, delay: number, opensAt: number, onChunk: (chunk: Buffer) => void): void {
  const later = (action: () => void) => {
    const wait = Math.max(delay, opensAt - performance.now());
    if (wait <= 0) action();
    else setTimeout(action, wait);
  };
  from.on("data", (chunk: Buffer) => {
    onChunk(chunk);
    later(() => to.writable && to.write(chunk));
  });
  from.on("end", () => later(() => to.end()));
  from.on("error", () => to.destroy());
  from.on("close", () => later(() => to.destroy()));
}

async function serve(target: string, roundTrip: number): Promise<void> {
  const [hostname, port] = target.split(":");
  let requests: string[] = [];
  const server = createServer((client) => {
    const opensAt = roundTrip === 0 ? 0 : performance.now() + 1.5 * roundTrip;
    const registry = connect(Number(port), hostname ?? "127.0.0.1");
    for (const socket of [client, registry]) socket.setNoDelay(true);
    pass(client, registry, roundTrip / 2, opensAt, (chunk) => {
      for (const [, method, path] of chunk.toString("latin1").matchAll(requestLine)) requests.push(`${method} ${path}`);
    });
    pass(registry, client, roundTrip / 2, 0, () => {});
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  process.on("message", () => {
    process.send?.(requests);
    requests = [];
  });
  process.once("disconnect", () => process.exit(0));
  process.send?.(`127.0.0.1:${(server.address() as AddressInfo).port}`);
}

if (import.meta.main) await serve(process.argv[2] ?? "", Number(process.argv[3]));
