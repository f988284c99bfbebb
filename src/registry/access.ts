import { matchesGlob } from "../policy/glob.ts";
import { RegistryError } from "./errors.ts";
import { type SignIn, unauthorized } from "./sign-in.ts";

export const rights = ["pull", "push", "delete"] as const;
export type Right = (typeof rights)[number];

/** Who asks. `everyone`: there is no access control. */
export type Identity =
  | { readonly kind: "everyone" }
  | { readonly kind: "anonymous" }
  | { readonly kind: "user"; readonly name: string };

/** Rules add up: what one of them allows is allowed. */
export interface RightsRule {
  /** Globs over repository names: `*` stops at `/`, `**` does not. */
  readonly repositories: readonly string[];
  /** User names; `*` is every user, `anonymous` everybody who did not sign in. */
  readonly users: readonly string[];
  readonly allow: readonly Right[];
}

/** Decides who asks, and what they may do. */
export interface AccessControl {
  /** Throws 401 where the credential is wrong, 429 where too many were. */
  identify(authorization: string | undefined, address: string): Promise<Identity>;
  allows(identity: Identity, repository: string, right: Right): boolean;
  /** Whether there is any repository that they may pull from. */
  mayPullAnywhere(identity: Identity): boolean;
}

/** No access control: everybody has all rights. Only for a registry that nobody but this machine can reach. */
export const openAccess: AccessControl = {
  identify: async () => ({ kind: "everyone" }),
  allows: () => true,
  mayPullAnywhere: () => true,
};

/** Every user may do everything, nobody else anything. */
const usersOnly: readonly RightsRule[] = [{ repositories: ["**"], users: ["*"], allow: rights }];

/** Access by users and rights. Without rules every user has all rights and nobody else has any. */
export function createAccess(signIn: SignIn, rules: readonly RightsRule[] = usersOnly): AccessControl {
  const applies = (rule: RightsRule, identity: Identity) =>
    identity.kind === "user"
      ? rule.users.includes("*") || rule.users.includes(identity.name) || rule.users.includes("anonymous")
      : rule.users.includes("anonymous");
  const grants = (rule: RightsRule, identity: Identity, right: Right) =>
    // Somebody who did not sign in may never do more, whatever the rule says.
    rule.allow.includes(right) && (right === "pull" || isNamed(rule, identity)) && applies(rule, identity);
  return {
    async identify(authorization, address) {
      const name = await signIn(authorization, address);
      return name === undefined ? { kind: "anonymous" } : { kind: "user", name };
    },
    allows: (identity, repository, right) =>
      rules.some(
        (rule) => grants(rule, identity, right) && rule.repositories.some((glob) => matchesGlob(glob, repository)),
      ),
    mayPullAnywhere: (identity) => rules.some((rule) => grants(rule, identity, "pull")),
  };
}

function isNamed(rule: RightsRule, identity: Identity): boolean {
  return identity.kind === "user" && (rule.users.includes("*") || rule.users.includes(identity.name));
}

/** Throws 401 where signing in may help, and 403 where it was done already. */
export function refuse(identity: Identity, right: Right, repository?: string): RegistryError {
  if (identity.kind !== "user") return unauthorized("authentication required");
  return new RegistryError(403, "DENIED", `no right to ${right} here`, { detail: { repository, right } });
}
