import { ecKey, ed25519Key, type KeyPair } from "../x509.ts";
import { type Authority, createAuthority } from "./authority.ts";
import { type MadeBundle, makeBundle, type Recipe } from "./bundles.ts";
import type { Case } from "./judges.ts";
import { type LogKey, logKey } from "./log-key.ts";
import type { Json } from "./rekor-v1.ts";
import { type ServiceName, type TrustedRootJson, trustedRootOf, type ValidFor, type World } from "./world.ts";

/** A bundle whose signatures all hold, but about the wrong thing, by the wrong one, or at the wrong time. */
export interface Forgery {
  readonly name: string;
  readonly recipe?: Recipe;
  /** Changes the bundle after it was made. */
  readonly edit?: (made: MadeBundle, world: World) => Json;
  /** What the verifier believes; the root of the world without it. */
  readonly root?: (world: World) => TrustedRootJson;
  readonly require?: Case["require"];
  /** The key that the verifier trusts, instead of the signer's. */
  readonly trusts?: KeyPair;
  /** Harmless after all. */
  readonly harmless?: true;
}

/** Makes the forgery. */
export function forge(world: World, forgery: Forgery): Case {
  const { name, recipe = {}, edit, root = trustedRootOf, require, trusts } = forgery;
  const made = makeBundle(world, recipe);
  return {
    name,
    bundle: JSON.stringify(edit?.(made, world) ?? made.bundle),
    artifact: made.artifact,
    root: root(world),
    key: trusts ?? (made.leaf === undefined ? made.key : undefined),
    ...(require && { require }),
  };
}

export const hour = 3_600_000;

/** An authority that no root knows. */
export function authorityLike({ beginning }: World, purpose: string, commonName = "stranger"): Authority {
  return createAuthority({ organization: "sigstore.test", commonName, newKey: ecKey, notBefore: beginning, purpose });
}

/** Another key that claims to be this log. */
export function impostor(log: LogKey): LogKey {
  const key = log.publicKey.asymmetricKeyType === "ed25519" ? ed25519Key() : ecKey();
  return { ...logKey(log.name, key, true), logId: log.logId };
}

/** With the lowest bit of one byte changed. */
export function changed(bytes: Buffer, index: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[index] = (copy[index] ?? 0) ^ 1;
  return copy;
}

/** The root with another window of one service. */
export const windowed = (name: ServiceName, validFor: ValidFor) => (world: World) =>
  trustedRootOf({ ...world, validFor: { ...world.validFor, [name]: validFor } });
