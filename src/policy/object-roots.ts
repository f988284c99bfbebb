import { TrustError } from "../errors.ts";
import { isRootName } from "../trust/stored-root.ts";
import type { TrustRoot } from "../trust/trust-root.ts";
import type { PolicySources } from "./authority-rules.ts";
import { openEmbeddedRoot } from "./embedded-root.ts";
import { openWritten, type WrittenRoot } from "./root-rules.ts";

/** A TrustRoot of a cluster: what it says, or why it cannot be used. */
export interface ClusterRoot {
  readonly name: string;
  readonly written: WrittenRoot | undefined;
  readonly problem: string | undefined;
}

type OpenRoot = NonNullable<PolicySources["openRoot"]>;

/**
 * Opens roots by their names for the policies of one language: those of the same language, then those of the other, then
 * others by `openRoot`. One that is there and cannot be used stands in for nothing else. Names are never paths.
 */
export function openingClusterRoots(
  own: readonly ClusterRoot[],
  others: readonly ClusterRoot[],
  openRoot: OpenRoot = openEmbeddedRoot,
): (name: string) => Promise<TrustRoot> {
  const named = new Map([...others, ...own].map((root) => [root.name, root]));
  const opened = new Map<string, Promise<TrustRoot>>();
  return (name) => {
    const known = opened.get(name) ?? open(name, named.get(name), openRoot);
    opened.set(name, known);
    return known;
  };
}

async function open(name: string, root: ClusterRoot | undefined, openRoot: OpenRoot): Promise<TrustRoot> {
  if (root?.problem !== undefined)
    throw new TrustError("TRUST_ROOT_INVALID", `the TrustRoot ${name} cannot be used: ${root.problem}`, {
      expected: "a TrustRoot that loads",
    });
  if (root?.written !== undefined) return openWritten(root.written, openRoot);
  if (isRootName(name)) return openRoot(name);
  throw new TrustError("TRUST_ROOT_NOT_FOUND", "there is no such trust root", {
    expected: "public-good, or the name of a TrustRoot",
    found: JSON.stringify(name.slice(0, 100)),
  });
}
