import { TrustError } from "../errors.ts";
import { parsePlatform } from "../oci/children.ts";
import type { Platform } from "../oci/manifest.ts";

/** Which parts of an index are meant, as the flags say. Throws `USAGE` for one platform and all of them at once. */
export function partsOf(flags: { readonly recursive: boolean; readonly platform: string | undefined }): {
  readonly recursive: boolean;
  readonly platform?: Platform;
} {
  const { recursive, platform } = flags;
  if (platform === undefined) return { recursive };
  if (recursive)
    throw new TrustError("USAGE", "--platform is for one platform, --recursive for all of them", {
      expected: "one of --platform and --recursive",
      found: "both",
    });
  return { recursive, platform: parsePlatform(platform) };
}
