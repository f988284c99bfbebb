import { answerOf } from "./answers.ts";
import type { Registry, RequestOptions } from "./registry.ts";
import { sleep } from "./waiting.ts";

/** Busy registries refuse correct manifests with these, and serve errors where a manifest was. */
const nonsense = new Set([
  "MANIFEST_BLOB_UNKNOWN",
  "MANIFEST_UNKNOWN",
  "BLOB_UNKNOWN",
  "DIGEST_INVALID",
  "MANIFEST_INVALID",
]);

const maxTries = 6;
const pauseMs = 40;

/** Whether a registry refused with a reason that a busy one also gives to what is right. */
export function isNonsense(error: unknown): boolean {
  return answerOf(error)?.codes.some((code) => nonsense.has(code)) ?? false;
}

/**
 * Pushes a manifest whose blobs are known to be there, and tries a few times where the registry says that they are not:
 * while others push the same blob, some registries cannot read it. Errors are those of the last try.
 */
export async function pushPatiently(
  registry: Registry,
  name: Parameters<Registry["pushManifest"]>[0],
  manifest: Parameters<Registry["pushManifest"]>[1],
  { signal }: RequestOptions = {},
): ReturnType<Registry["pushManifest"]> {
  for (let tries = 1; ; tries++) {
    try {
      return await registry.pushManifest(name, manifest, { signal });
    } catch (error) {
      if (tries === maxTries || !isNonsense(error)) throw error;
    }
    await sleep(pauseMs * 2 ** tries * Math.random() + pauseMs, signal, "a pause before pushing a manifest again");
  }
}
