import { bundlesIn } from "../formats/bundle-lines.ts";
import { maxAttestationBytes } from "../formats/format.ts";
import { bundleMediaType } from "../formats/sigstore-bundle-parse.ts";
import { readSmallFile } from "../keys/files.ts";
import { createBundleRegistry } from "../oci/bundle-registry.ts";
import type { Registry } from "../oci/registry.ts";
import type { CommandContext } from "./command.ts";

/** A place that has nothing but the bundles of a file. Throws the errors of files, `SIGNATURE_MALFORMED`. */
export async function openBundles({ resolvePath }: CommandContext, file: string): Promise<Registry> {
  const bytes = await readSmallFile(resolvePath(file), "the file of bundles", maxAttestationBytes);
  return createBundleRegistry(bundlesIn(bytes).map((bundle) => ({ bytes: bundle, mediaType: bundleMediaType })));
}
