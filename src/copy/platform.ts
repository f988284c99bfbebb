import { isJsonObject } from "../crypto/json.ts";
import { TrustError } from "../errors.ts";
import { chooseChild, formatPlatform, listChildren } from "../oci/children.ts";
import { type ImageManifest, maxManifestBytes, type Platform, parseManifest } from "../oci/manifest.ts";
import { type ImageReference, manifestReference } from "../oci/reference.ts";
import type { Registry, RequestOptions } from "../oci/registry.ts";

/**
 * The digest of the image for a platform: that child of an index, as runtimes choose it, or the image itself where its
 * config says that it is for that platform. Throws `PLATFORM_NOT_FOUND`, and the errors of the registry.
 */
export async function digestFor(
  registry: Registry,
  image: ImageReference,
  platform: Platform,
  options: RequestOptions = {},
): Promise<string> {
  const { bytes, descriptor } = await registry.fetchManifest(image, manifestReference(image), options);
  const manifest = parseManifest(bytes, descriptor.mediaType);
  if (manifest.kind === "index") {
    const children = await listChildren(registry, image, descriptor.digest, options.signal);
    return chooseChild(children ?? [], platform).descriptor.digest;
  }
  const own = await platformOf(registry, image, manifest, options);
  const isSame = own.os === platform.os && own.architecture === platform.architecture;
  if (isSame && (platform.variant === undefined || platform.variant === own.variant)) return descriptor.digest;
  throw new TrustError("PLATFORM_NOT_FOUND", "the image is for another platform", {
    expected: formatPlatform(platform),
    found: formatPlatform(own),
  });
}

async function platformOf(
  registry: Registry,
  image: ImageReference,
  { config }: ImageManifest,
  options: RequestOptions,
): Promise<Platform> {
  const bytes = await registry.fetchBlob(image, config, maxManifestBytes, options);
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
