import { isJsonObject } from "../crypto/json.ts";
import { TrustError } from "../errors.ts";
import { manifestMediaTypes, mediaTypes } from "./manifest.ts";

/** The media type in a `Content-Type` header, without parameters. */
export function bareMediaType(contentType: string | undefined): string {
  return (contentType ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
}

export function isManifestMediaType(mediaType: string): boolean {
  return manifestMediaTypes.includes(mediaType);
}

/**
 * The media type of a manifest: what the registry said where that is one of a manifest, else what the document says
 * itself, else what its shape says. Throws `MANIFEST_INVALID` where it is no manifest.
 */
export function manifestMediaType(bytes: Uint8Array, contentType: string | undefined): string {
  const said = bareMediaType(contentType);
  if (isManifestMediaType(said)) return said;
  const own = ownMediaType(bytes);
  if (own !== undefined) return own;
  throw new TrustError("MANIFEST_INVALID", "what was served as a manifest is none", {
    expected: manifestMediaTypes.join(", "),
    found: said === "" ? "no Content-Type" : said.slice(0, 200),
  });
}

function ownMediaType(bytes: Uint8Array): string | undefined {
  let document: unknown;
  try {
    document = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
  if (!isJsonObject(document)) return undefined;
  const { mediaType, manifests, layers, config } = document;
  if (mediaType !== undefined) return manifestMediaTypes.find((known) => known === mediaType);
  if (Array.isArray(manifests) && layers === undefined) return mediaTypes.imageIndex;
  if (Array.isArray(layers) && isJsonObject(config) && manifests === undefined) return mediaTypes.imageManifest;
  return undefined;
}
