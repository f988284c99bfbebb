import { TrustError } from "../errors.ts";
import { absent, stampOf } from "../keys/file-stamps.ts";
import type { OpenedRoots } from "../policy/load.ts";
import type { ObjectSources } from "../policy/objects.ts";
import { isRootName } from "../trust/stored-root.ts";
import type { TrustRoot } from "../trust/trust-root.ts";
import type { TufSource } from "../trust/tuf-source.ts";

export type OpenRoot = NonNullable<ObjectSources["openRoot"]>;
/** The file in which a root is kept; undefined where there is none. */
export type RootFile = (name: string, tuf?: TufSource) => string | undefined;

/** Refuses names that could be taken for paths: an object of a cluster never names a file of this machine. */
export function plainRoots(openRoot: OpenRoot | undefined): OpenRoot | undefined {
  if (openRoot === undefined) return undefined;
  return async (name, tuf) => {
    if (tuf !== undefined || isRootName(name)) return openRoot(name, tuf);
    throw new TrustError("TRUST_ROOT_NOT_FOUND", "that is not the name of a trust root", {
      expected: "public-good, or the name of a TrustRoot",
      found: JSON.stringify(name.slice(0, 100)),
    });
  };
}

/** Opens roots, and knows whether what is opened would be opened alike now. */
export interface RootSource {
  readonly openRoot: OpenRoot | undefined;
  /** Those asked for: by name, or by the id of the repository that they come from. */
  inUse(): OpenedRoots;
  /** Whether the file of a root asked for since the last sweep is another than the one that was read. */
  hasChanged(): Promise<boolean>;
  /** Forgets roots that were not asked for since this was last called. */
  sweep(): void;
}

interface Opened {
  readonly tuf: TufSource | undefined;
  readonly path: string | undefined;
  readonly stamp: string;
  readonly root: Promise<TrustRoot>;
  /** Why a root cannot be opened may pass without a change of its file. */
  hasFailed: boolean;
}

/** Roots as they are opened by name, read again only where their file changed. Without `openRoot`, none of them. */
export function createRootSource(openRoot: OpenRoot | undefined, rootFile: RootFile | undefined): RootSource {
  const opened = new Map<string, Opened>();
  const asked = new Set<string>();
  const open = async (from: OpenRoot, name: string, tuf: TufSource | undefined) => {
    asked.add(name);
    const path = rootFile?.(name, tuf);
    const stamp = path === undefined ? absent : await stampOf(path);
    const known = opened.get(name);
    if (known?.path === path && known?.stamp === stamp && !known.hasFailed) return known.root;
    const entry: Opened = { tuf, path, stamp, root: from(name, tuf), hasFailed: false };
    opened.set(name, entry);
    entry.root.catch(() => {
      entry.hasFailed = true;
    });
    return entry.root;
  };
  return {
    openRoot: plainRoots(openRoot && ((name, tuf) => open(openRoot, name, tuf))),
    inUse: () => new Map([...opened].map(([name, { tuf }]) => [name, tuf])),
    async hasChanged() {
      for (const { path, stamp } of [...opened.values()])
        if (path !== undefined && (await stampOf(path)) !== stamp) return true;
      return false;
    },
    sweep() {
      for (const name of opened.keys()) if (!asked.has(name)) opened.delete(name);
      asked.clear();
    },
  };
}
