import { join } from "node:path";
import type { Digest } from "../../src/crypto/digest.ts";
import { createHttpRegistry } from "../../src/oci/http-registry.ts";
import { type ImageReference, parseReference } from "../../src/oci/reference.ts";
import type { Registry } from "../../src/oci/registry.ts";
import type { PolicySet, TrustPolicy } from "../../src/policy/policy.ts";
import { defaultSettings, type VerifierSettings } from "../../src/policy/settings.ts";
import { startRegistry } from "../../src/registry/server.ts";
import { createVerifier, type Verifier } from "../../src/verify.ts";
import { pushImage, tinyImage } from "./images.ts";
import { tempDir } from "./process.ts";

/** The built-in registry on loopback, a client that counts, and a clock: what a verifier needs, all of it real. */
export interface Stage {
  readonly registry: Registry;
  readonly host: string;
  /** `METHOD path` of every request since the last `requests.length = 0`. */
  readonly requests: string[];
  readonly clock: { now: number };
  /** Pushes a new image and returns its name by tag. */
  newImage(
    name: string,
    seed?: string,
  ): Promise<{ readonly ref: ImageReference; readonly text: string; readonly digest: Digest }>;
  verifier(policies: readonly TrustPolicy[], settings?: Partial<VerifierSettings>): Verifier;
  /** Stops answering, until `resume`. */
  outage(): Promise<void>;
  resume(): Promise<void>;
  close(): Promise<void>;
}

export async function openStage(): Promise<Stage> {
  const folder = tempDir("stage");
  const storage = join(folder.path, "storage");
  let server = await startRegistry({ storage, listen: "127.0.0.1:0" });
  const { host } = new URL(server.url);
  const requests: string[] = [];
  const clock = { now: Date.UTC(2026, 0, 1) };
  const registry = createHttpRegistry({
    onRequest: ({ method, url }) => void requests.push(`${method} ${new URL(url).pathname}`),
    retry: { attempts: 1 },
  });
  return {
    registry,
    host,
    requests,
    clock,
    async newImage(name, seed = name) {
      const text = `${host}/${name}`;
      const ref = parseReference(text);
      return { ref, text, digest: await pushImage(registry, ref, tinyImage(seed)) };
    },
    verifier(policies, settings = {}) {
      const set: PolicySet = { policies, revision: policies.map(({ name }) => name).join() };
      return createVerifier({
        registry,
        policies: () => set,
        settings: { ...defaultSettings, ...settings },
        now: () => clock.now,
      });
    },
    outage: () => server.close(),
    async resume() {
      server = await startRegistry({ storage, listen: host });
    },
    async close() {
      await server.close();
      folder.cleanup();
    },
  };
}
