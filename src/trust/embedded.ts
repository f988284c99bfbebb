import { parseTrustRoot } from "./parse.ts";
import type { TrustRoot } from "./trust-root.ts";

/** The root that is meant where none is named. */
export const defaultTrustRoot = "public-good";

/** A deployment that is known by name: where TUF renews its root from, and what that starts with. */
export interface KnownRepository {
  readonly mirror: string;
  readonly target: string;
  /** The text of the TUF repository's `root.json`; newer ones follow from it. */
  tufRoot(): Promise<string>;
}

const target = "trusted_root.json";

/** Roots that need not be added: Sigstore's public-good deployment, and GitHub's own for private repositories. */
export const knownRepositories: Readonly<Record<string, KnownRepository>> = {
  "public-good": {
    mirror: "https://tuf-repo-cdn.sigstore.dev",
    target,
    tufRoot: async () => textOf(await import("./embedded/public-good.tuf.json", { with: { type: "json" } })),
  },
  github: {
    mirror: "https://tuf-repo.github.com",
    target,
    tufRoot: async () => textOf(await import("./embedded/github.tuf.json", { with: { type: "json" } })),
  },
};

/** Signatures of TUF cover the content, not its form. */
function textOf(imported: { readonly default: unknown }): string {
  return JSON.stringify(imported.default);
}

/** The repository that a name stands for; own property or nothing. */
export function knownRepository(name: string): KnownRepository | undefined {
  return Object.hasOwn(knownRepositories, name) ? knownRepositories[name] : undefined;
}

let publicGood: Promise<TrustRoot> | undefined;

/**
 * The root that is part of the program, so that verification works without a network from the first minute: public-good; none
 * for other names. Read once.
 */
export async function embeddedTrustRoot(name: string): Promise<TrustRoot | undefined> {
  if (name !== defaultTrustRoot) return undefined;
  publicGood ??= readPublicGood();
  return publicGood;
}

async function readPublicGood(): Promise<TrustRoot> {
  const { default: embedded } = await import("./embedded/public-good.json", { with: { type: "json" } });
  const source = {
    kind: "embedded",
    issued: Date.parse(embedded.issued),
    expires: Date.parse(embedded.expires),
  } as const;
  return parseTrustRoot(embedded.trustedRoot, { name: defaultTrustRoot, source });
}
