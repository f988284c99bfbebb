import type { ManifestNode } from "../attached/tree.ts";
import { isJsonObject } from "../crypto/json.ts";
import { TrustError } from "../errors.ts";
import {
  type Descriptor,
  type ImageIndex,
  type ImageManifest,
  maxManifestBytes,
  type Platform,
} from "../oci/manifest.ts";
import type { RepositoryName } from "../oci/reference.ts";
import type { Registry, RequestOptions } from "../oci/registry.ts";

/** Parses OS/ARCHITECTURE[/VARIANT], as `linux/arm64`. Throws `USAGE`. */
export function parsePlatform(text: string): Platform {
  const [os = "", architecture = "", variant, more] = text.split("/");
  if (os === "" || architecture === "" || variant === "" || more !== undefined)
    throw new TrustError("USAGE", "that is not a platform", {
      expected: "OS/ARCHITECTURE or OS/ARCHITECTURE/VARIANT, as linux/arm64",
      found: text,
    });
  return { os, architecture, ...(variant === undefined ? {} : { variant }) };
}

/** `linux/arm64/v8` */
export function formatPlatform({ os, architecture, variant }: Platform): string {
  return [os, architecture, ...(variant === undefined ? [] : [variant])].join("/");
}

/**
 * The image for a platform: that child of an index, or the image itself where it is for that platform. Without a variant
 * the only child of that architecture, or the one that has none. Throws `IMAGE_NOT_FOUND`, and `USAGE` where several
 * would do.
 */
export async function imageFor(
  { registry, name }: { readonly registry: Registry; readonly name: RepositoryName },
  root: ManifestNode,
  platform: Platform,
  options: RequestOptions = {},
): Promise<Descriptor> {
  if (root.manifest.kind === "index") return childFor(root.manifest, platform);
  const own = await platformOf(registry, name, root.manifest, options);
  if (matches(own, platform)) return root.descriptor;
  throw notThere(platform, [own]);
}

function childFor({ manifests }: ImageIndex, wanted: Platform): Descriptor {
  const fitting = manifests.filter(({ platform }) => platform !== undefined && matches(platform, wanted));
  const plain = fitting.filter(({ platform }) => platform?.variant === undefined);
  const [child, other] = distinct(fitting.length > 1 && plain.length > 0 ? plain : fitting);
  if (child === undefined) throw notThere(wanted, platformsIn(manifests));
  if (other === undefined) return child;
  throw new TrustError("USAGE", `the image has several variants for ${formatPlatform(wanted)}`, {
    expected: "OS/ARCHITECTURE/VARIANT",
    found: platformsIn(fitting).map(formatPlatform).join(", "),
  });
}

function matches(own: Platform, wanted: Platform): boolean {
  if (own.os !== wanted.os || own.architecture !== wanted.architecture) return false;
  return wanted.variant === undefined || canonicalVariant(own) === canonicalVariant(wanted);
}

/** arm64 is v8 where nothing else is said (containerd, platforms.Normalize). */
function canonicalVariant({ architecture, variant }: Platform): string | undefined {
  return architecture === "arm64" && variant === undefined ? "v8" : variant;
}

function distinct(descriptors: readonly Descriptor[]): readonly Descriptor[] {
  return [...new Map(descriptors.map((descriptor) => [descriptor.digest, descriptor])).values()];
}

/** The platforms of an index; build tools list what they attest under `unknown`. */
function platformsIn(manifests: readonly Descriptor[]): readonly Platform[] {
  return manifests.flatMap(({ platform }) => (platform === undefined || platform.os === "unknown" ? [] : [platform]));
}

async function platformOf(
  registry: Registry,
  name: RepositoryName,
  { config }: ImageManifest,
  options: RequestOptions,
): Promise<Platform> {
  const bytes = await registry.fetchBlob(name, config, maxManifestBytes, options);
  let document: unknown;
  try {
    document = JSON.parse(bytes.toString("utf8"));
  } catch {
    document = undefined;
  }
  const { os, architecture, variant } = isJsonObject(document) ? document : {};
  const text = (value: unknown) => (typeof value === "string" ? value.slice(0, 50) : "");
  return {
    os: text(os),
    architecture: text(architecture),
    ...(text(variant) === "" ? {} : { variant: text(variant) }),
  };
}

function notThere(wanted: Platform, found: readonly Platform[]): TrustError {
  return new TrustError("IMAGE_NOT_FOUND", `the image is not there for ${formatPlatform(wanted)}`, {
    expected: formatPlatform(wanted),
    found: found.slice(0, 50).map(formatPlatform).join(", ") || "no platforms",
    hint: "Name one of the platforms that were found, or copy the image with all of them",
  });
}
