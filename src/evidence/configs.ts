import { LRUCache } from "lru-cache";
import type { Digest } from "../crypto/digest.ts";
import { parseStrictJson } from "../crypto/json.ts";
import { TrustError } from "../errors.ts";
import { type Child, formatPlatform } from "../oci/children.ts";
import { type Descriptor, parseManifest } from "../oci/manifest.ts";
import { mapLimit } from "../oci/parallel.ts";
import { formatRepository, type RepositoryName } from "../oci/reference.ts";
import type { Registry } from "../oci/registry.ts";
import type { ImageConfig } from "../policy/facts.ts";

const maxConfigBytes = 1024 * 1024;
const maxCacheBytes = 16 * 1024 * 1024;
const atOnce = 8;

/** The configs of an image: its own, or of an index those of all images in it that can be run. */
export type ReadConfigs = (name: RepositoryName, digest: Digest) => Promise<readonly ImageConfig[]>;

/**
 * Reads image configs, by digest and at most 1 MiB each, and remembers them: a digest never has another config. Throws
 * `MANIFEST_INVALID` for what is no image, and the errors of the registry, which are not remembered.
 */
export function createConfigs(
  registry: Registry,
  childrenOf: (name: RepositoryName, digest: Digest) => Promise<readonly Child[] | undefined>,
  timeout: number,
): ReadConfigs {
  const cache = new LRUCache<string, { readonly config: unknown }>({ maxSize: maxCacheBytes });
  const read = async (name: RepositoryName, digest: Digest, platform: string): Promise<ImageConfig> => {
    const key = `${formatRepository(name)}@${digest}`;
    const known = cache.get(key);
    if (known !== undefined) return { platform, config: known.config };
    const { config, size } = await readConfig(registry, name, digest, AbortSignal.timeout(timeout));
    cache.set(key, { config }, { size: size + 1000 });
    return { platform, config };
  };
  return async (name, digest) => {
    const children = await childrenOf(name, digest);
    if (children === undefined) return [await read(name, digest, "")];
    const images = children.filter(({ kind, isRunnable }) => kind === "manifest" && isRunnable);
    return mapLimit(images, atOnce, ({ descriptor }) =>
      read(name, descriptor.digest, formatPlatform(descriptor.platform)),
    );
  };
}

async function readConfig(
  registry: Registry,
  name: RepositoryName,
  digest: Digest,
  signal: AbortSignal,
): Promise<{ readonly config: unknown; readonly size: number }> {
  const { bytes, descriptor } = await registry.fetchManifest(name, digest, { signal });
  const manifest = parseManifest(bytes, descriptor.mediaType);
  if (manifest.kind === "index") throw notAnImage(manifest, "an index");
  const blob = await registry.fetchBlob(name, manifest.config, maxConfigBytes, { signal });
  return { config: parseConfig(blob, manifest.config), size: blob.length };
}

function parseConfig(bytes: Uint8Array, descriptor: Descriptor): unknown {
  try {
    return parseStrictJson(bytes, "the image config");
  } catch {
    throw notAnImage(descriptor, "a config that is not JSON");
  }
}

function notAnImage({ mediaType }: { readonly mediaType: string }, found: string): TrustError {
  return new TrustError("MANIFEST_INVALID", "the image has no config that can be read", {
    expected: "a JSON config (image-spec v1.1, config.md)",
    found: `${found}, ${mediaType.slice(0, 200)}`,
  });
}
