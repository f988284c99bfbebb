import { listImages } from "../audit.ts";
import { TrustError } from "../errors.ts";
import { type ImageReference, isRepository, parseReference, parseRegistryHost } from "../oci/reference.ts";
import type { Registry } from "../oci/registry.ts";

/** The flag for all images of a registry instead of named ones. */
export const imagesOption = {
  registry: {
    value: "HOST[/PREFIX]",
    summary: "every tagged image of a registry, or of the repositories below a prefix",
  },
} as const;

/** Images by name, or all of a registry. Throws `USAGE` for both and for neither. */
export async function imagesOf(
  registry: Registry,
  names: readonly string[],
  place: string | undefined,
  signal: AbortSignal,
): Promise<readonly ImageReference[]> {
  if ((names.length === 0) === (place === undefined))
    throw new TrustError("USAGE", "say which images: by name, or all of a registry", {
      expected: "IMAGE… or --registry HOST[/PREFIX]",
      found: place === undefined ? "neither" : "both",
    });
  if (place === undefined) return names.map((name) => parseReference(name));
  const { host, prefix } = parsePlace(place);
  const images: ImageReference[] = [];
  for await (const name of listImages(registry, host, prefix, { signal })) images.push(parseReference(name));
  return images;
}

/** Parses HOST[:PORT][/PREFIX]. Throws `REFERENCE_INVALID`. */
export function parsePlace(place: string): { readonly host: string; readonly prefix: string } {
  const slash = place.indexOf("/");
  const host = parseRegistryHost(slash < 0 ? place : place.slice(0, slash));
  const prefix = slash < 0 ? "" : place.slice(slash + 1).replace(/\/$/, "");
  if (prefix === "" || isRepository(prefix)) return { host, prefix };
  throw new TrustError("REFERENCE_INVALID", "what follows the registry is not the start of a repository's name", {
    expected: "HOST[:PORT]/PREFIX",
    found: place,
  });
}
