import { startRegistry } from "../../../src/registry/server.ts";
import { tempDir } from "../process.ts";

export interface OwnRegistry {
  readonly url: string;
  stop(): Promise<void>;
}

/** Starts the built-in registry as it comes, empty, on a port of its own. */
export async function startOwnRegistry(): Promise<OwnRegistry> {
  const folder = tempDir("trust-registry-spec");
  const registry = await startRegistry({ storage: folder.path, listen: "127.0.0.1:0", warn: () => {} });
  const stop = async () => {
    await registry.close();
    folder.cleanup();
  };
  return { url: registry.url, stop };
}
