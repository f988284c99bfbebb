import type { PublicKey } from "../crypto/public-key.ts";
import type { PasswordSource } from "./password.ts";
import type { Signer } from "./signer.ts";

/** What a provider may use to reach a key. */
export interface KeyContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Makes a path absolute. */
  readonly resolvePath: (path: string) => string;
  /** Asked only when a private key is encrypted. */
  readonly password: PasswordSource;
}

/**
 * A kind of place where keys are kept. Both functions get the reference as the user wrote it and throw `KEY_NOT_FOUND`
 * where nothing is there; no error repeats what a key or password holds.
 */
export interface KeyProvider {
  /** The text before `://`; empty for a plain path. */
  readonly scheme: string;
  /** How a reference is written, for help and errors. */
  readonly example: string;
  open(reference: string, context: KeyContext): Promise<Signer>;
  /** The public keys that verify what the place signs; at least one. */
  publicKeys(reference: string, context: Omit<KeyContext, "password">): Promise<readonly PublicKey[]>;
}
