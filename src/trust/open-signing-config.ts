import { readStoredRoot, type TrustRootContext } from "./open.ts";
import { parseSigningConfig, type SigningConfig } from "./signing-config.ts";
import { isRootName } from "./stored-root.ts";

/**
 * The signing configuration that TUF brought along with a stored root; undefined where there is none, as for files. Throws
 * `SIGNING_CONFIG_INVALID`, `TRUST_ROOT_INVALID`.
 */
export async function openSigningConfig(name: string, context: TrustRootContext): Promise<SigningConfig | undefined> {
  const stored = isRootName(name) ? await readStoredRoot(name, context) : undefined;
  return stored?.signingConfig === undefined ? undefined : parseSigningConfig(Buffer.from(stored.signingConfig));
}
