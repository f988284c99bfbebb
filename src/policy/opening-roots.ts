import { asTrustError, TrustError } from "../errors.ts";
import { knownRepository } from "../trust/embedded.ts";
import type { TrustRoot } from "../trust/trust-root.ts";
import type { PolicySources } from "./authority-rules.ts";
import { openEmbeddedRoot } from "./embedded-root.ts";
import type { WrittenRoot } from "./root-rules.ts";

/** A TrustRoot among the policies: what it says, or why it cannot be used. */
export interface NamedRoot {
  readonly name: string;
  readonly isForeign: boolean;
  readonly written?: WrittenRoot | undefined;
  readonly problem?: string | undefined;
}

type OpenRoot = NonNullable<PolicySources["openRoot"]>;
type Opening = Required<Pick<PolicySources, "openRoot" | "openForeignRoot">>;

/**
 * Opens roots by their names, each once: those that are written in the language of the policy that asks, then those of the
 * other language, then others as told. What everybody knows by a name is not what a root of the other language says. One that is
 * there and cannot be used is stood in for by nothing else.
 */
export function openingRoots(roots: readonly NamedRoot[], openRoot: OpenRoot = openEmbeddedRoot): Opening {
  const [foreign, native] = [roots.filter(({ isForeign }) => isForeign), roots.filter(({ isForeign }) => !isForeign)];
  const ofOther = (others: readonly NamedRoot[]) => others.filter(({ name }) => knownRepository(name) === undefined);
  return {
    openRoot: openingOne([...ofOther(foreign), ...native], openRoot),
    openForeignRoot: openingOne([...ofOther(native), ...foreign], openRoot),
  };
}

/** The roots of documents that could be read. */
export function namedRoots(written: readonly WrittenRoot[]): readonly NamedRoot[] {
  return written.map((one) => ({ name: one.root.name, isForeign: one.isForeign === true, written: one }));
}

/** Of one name the last one counts. */
function openingOne(roots: readonly NamedRoot[], openRoot: OpenRoot): (name: string) => Promise<TrustRoot> {
  const named = new Map(roots.map((root) => [root.name, root]));
  const opened = new Map<string, Promise<TrustRoot>>();
  return (name) => {
    const known = opened.get(name) ?? open(name, named.get(name), openRoot);
    opened.set(name, known);
    return known;
  };
}

async function open(name: string, root: NamedRoot | undefined, openRoot: OpenRoot): Promise<TrustRoot> {
  if (root?.problem !== undefined)
    throw new TrustError("TRUST_ROOT_INVALID", `the TrustRoot ${name} cannot be used: ${root.problem}`, {
      expected: "a TrustRoot that loads",
    });
  return root?.written === undefined ? openRoot(name) : openWritten(root.written, openRoot);
}

/** A root of a TUF repository is what was fetched for it, or believes nothing. Whoever knows names only has nothing of that id. */
async function openWritten({ root, tuf }: WrittenRoot, openRoot: OpenRoot): Promise<TrustRoot> {
  if (tuf === undefined) return root;
  try {
    return await openRoot(tuf.id, tuf);
  } catch (error) {
    if (asTrustError(error).code === "TRUST_ROOT_NOT_FOUND") return root;
    throw error;
  }
}
