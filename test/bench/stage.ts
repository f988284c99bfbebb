import { join } from "node:path";
import { startRegistry } from "../../src/registry/server.ts";

/** The built-in registry on a free loopback port. */
export async function startStage(folder: string): Promise<{ readonly host: string; stop(): Promise<void> }> {
  const server = await startRegistry({ storage: join(folder, "storage"), listen: "127.0.0.1:0" });
  return { host: new URL(server.url).host, stop: () => server.close() };
}
