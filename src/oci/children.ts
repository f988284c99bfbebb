import type { Digest } from "../crypto/digest.ts";
import { TrustError } from "../errors.ts";
import { type Descriptor, isIndexMediaType, type Platform, parseManifest } from "./manifest.ts";
import { formatRepository, type RepositoryName } from "./reference.ts";
import type { Registry } from "./registry.ts";

/** More platforms than any image has. */
export const maxChildren = 200;
const maxDepth = 4;

/** A manifest below an index. */
export interface Child {
  readonly descriptor: Descriptor;
  readonly kind: "manifest" | "index";
  /** `linux/arm64/v8`; empty where the index does not say. */
  readonly platform: string;
  /**
   * False for what no runtime chooses: an entry for the platform `unknown/unknown`, as BuildKit writes for its attestation
   * manifests. Annotations do not decide it, since runtimes do not read them.
   */
  readonly isRunnable: boolean;
}

/**
 * Everything below an index, nested indexes and what is in them too, each digest once; nothing for an image manifest.
 * What is no manifest by its media type is listed like one: nobody can say that it is never run. Throws
 * `EVIDENCE_INCOMPLETE` beyond 200 entries or four levels, and the errors of the registry.
 */
export async function listChildren(
  registry: Pick<Registry, "fetchManifest">,
  name: RepositoryName,
  digest: Digest,
  signal?: AbortSignal | undefined,
): Promise<readonly Child[] | undefined> {
  const found = new Map<Digest, Child>();
  const walk = async (subject: Digest, depth: number): Promise<boolean> => {
    const { bytes, descriptor } = await registry.fetchManifest(name, subject, { signal });
    const manifest = parseManifest(bytes, descriptor.mediaType);
    if (manifest.kind === "manifest") return false;
    if (depth === maxDepth) throw tooMany(name, digest, `more than ${maxDepth} levels`);
    for (const entry of manifest.manifests) {
      if (found.has(entry.digest) || entry.digest === digest) continue;
      found.set(entry.digest, childOf(entry));
      if (found.size > maxChildren) throw tooMany(name, digest, `more than ${maxChildren} entries`);
      if (isIndexMediaType(entry.mediaType)) await walk(entry.digest, depth + 1);
    }
    return true;
  };
  return (await walk(digest, 0)) ? [...found.values()] : undefined;
}

function childOf(descriptor: Descriptor): Child {
  const { platform, mediaType } = descriptor;
  const isUnknown = platform?.os === "unknown" && platform.architecture === "unknown";
  const kind = isIndexMediaType(mediaType) ? "index" : "manifest";
  return { descriptor, kind, platform: formatPlatform(platform), isRunnable: kind === "index" || !isUnknown };
}

/** `os/arch[/variant]`; empty for none. */
export function formatPlatform(platform: Platform | undefined): string {
  if (platform === undefined) return "";
  const { os, architecture, variant } = platform;
  return [os, architecture, ...(variant === undefined ? [] : [variant])].join("/").slice(0, 200);
}

/** Parses `OS/ARCH[/VARIANT]`. Throws `USAGE`. */
export function parsePlatform(text: string): Platform {
  const [os = "", architecture = "", variant, ...more] = text.split("/");
  if (os === "" || architecture === "" || variant === "" || more.length > 0)
    throw new TrustError("USAGE", "not a platform", { expected: "OS/ARCH or OS/ARCH/VARIANT", found: text });
  return { os, architecture, ...(variant === undefined ? {} : { variant }) };
}

/**
 * The manifest for a platform: the first of the index that has its parts, as runtimes choose; without a variant, any.
 * Throws `PLATFORM_NOT_FOUND`.
 */
export function chooseChild(children: readonly Child[], wanted: Platform): Child {
  const chosen = children.find(({ kind, descriptor: { platform } }) => {
    if (kind === "index" || platform?.os !== wanted.os || platform.architecture !== wanted.architecture) return false;
    return wanted.variant === undefined || platform.variant === wanted.variant;
  });
  if (chosen !== undefined) return chosen;
  const platforms = children.flatMap(({ platform, isRunnable }) => (isRunnable && platform !== "" ? [platform] : []));
  throw new TrustError("PLATFORM_NOT_FOUND", "the image does not have that platform", {
    expected: formatPlatform(wanted),
    found: platforms.slice(0, 20).join(", ") || "no platforms",
  });
}

function tooMany(name: RepositoryName, digest: Digest, found: string): TrustError {
  return new TrustError("EVIDENCE_INCOMPLETE", `${formatRepository(name)}@${digest} holds more than can be looked at`, {
    expected: `at most ${maxChildren} entries on ${maxDepth} levels`,
    found,
  });
}
