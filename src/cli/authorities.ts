import { TrustError } from "../errors.ts";
import { loadPublicKeys } from "../keys/index.ts";
import type { Authority, KeyAuthority } from "../policy/policy.ts";
import type { CommandContext } from "./command.ts";
import {
  certificateFlagIn,
  type IdentityFlags,
  identityAuthority,
  identityOptions,
  openTrustedRoot,
} from "./identity-options.ts";

/** Flags that say whose signatures count. */
export const authorityOptions = {
  key: {
    short: "k",
    value: "KEY",
    summary: "public key of a trusted signer: a file, or env://NAME; of several keys any one is enough",
    many: true,
    completes: "files",
  },
  ...identityOptions,
} as const;

export interface AuthorityFlags extends IdentityFlags {
  readonly key: readonly string[];
}

/** The flags that say whose signatures count, of those that were given: a key, or what a certificate must say. */
export function authorityFlagsIn(flags: AuthorityFlags): readonly string[] {
  const certificateFlag = certificateFlagIn(flags);
  return [
    ...(flags.key.length === 0 ? [] : ["--key"]),
    ...(certificateFlag === undefined ? [] : [`--${certificateFlag}`]),
  ];
}

/**
 * The authorities that the flags name, at least one. Signatures must carry the annotations. Throws `USAGE` where there is none,
 * or more than one kind.
 */
export async function authoritiesOf(
  context: CommandContext,
  flags: AuthorityFlags,
  annotations: Readonly<Record<string, string>> = {},
): Promise<readonly Authority[]> {
  const { "trusted-root": trustedRoot, key: keys } = flags;
  const given = authorityFlagsIn(flags);
  if (given.length !== 1)
    throw new TrustError("USAGE", "say whom to trust, with a key or with the name in a certificate", {
      expected: "one of --key KEY and --certificate-identity NAME",
      found: given.length === 0 ? "none of them" : given.join(" and "),
    });
  if (keys.length === 0) return [await identityAuthority(context, flags, annotations)];
  const root = trustedRoot === undefined ? {} : { root: await openTrustedRoot(context, trustedRoot) };
  return Promise.all(keys.map((reference) => keyAuthority(context, reference, { ...root, annotations })));
}

async function keyAuthority(
  { io, resolvePath }: CommandContext,
  reference: string,
  more: Pick<KeyAuthority, "annotations" | "root">,
): Promise<Authority> {
  const [first, ...others] = await loadPublicKeys(reference, { env: io.env, resolvePath });
  if (first === undefined) throw new TrustError("KEY_NOT_FOUND", `${reference} holds no public key`);
  return { kind: "key", name: reference, keys: [first, ...others], ...more };
}
