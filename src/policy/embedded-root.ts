import { TrustError } from "../errors.ts";
import type { TrustRoot } from "../trust/trust-root.ts";

/** The trust root that is part of the program. Throws `TRUST_ROOT_NOT_FOUND` for every other name. */
export async function openEmbeddedRoot(name: string): Promise<TrustRoot> {
  const { embeddedTrustRoot } = await import("../trust/embedded.ts");
  const root = await embeddedTrustRoot(name);
  if (root !== undefined) return root;
  throw new TrustError("TRUST_ROOT_NOT_FOUND", "there is no such trust root", {
    expected: "public-good, or the name of a TrustRoot among the policies",
    found: JSON.stringify(name),
  });
}
