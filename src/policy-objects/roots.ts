import { asTrustError } from "../errors.ts";
import { absent, stampOf } from "../keys/file-stamps.ts";
import type { OpenedRoots } from "../policy/load.ts";
import type { ObjectSources } from "../policy/objects.ts";
import { knownRepository } from "../trust/embedded.ts";
import type { TrustRoot } from "../trust/trust-root.ts";
import type { TufSource } from "../trust/tuf-source.ts";

export type OpenRoot = NonNullable<ObjectSources["openRoot"]>;
/** The file in which a root is kept; undefined where there is none. */
export type RootFile = (name: string, tuf?: TufSource) => string | undefined;

/** Opens roots, and knows whether what is opened would be opened alike now. */
export interface RootSource {
  readonly openRoot: OpenRoot | undefined;
  /** Those asked for: by name, or by the id of the repository that they come from. */
  inUse(): OpenedRoots;
  /** Whether a root asked for since the last sweep may be another than the one that was read, or be read at last. */
  hasChanged(): Promise<boolean>;
  /** Forgets roots that were not asked for since this was last called. */
  sweep(): void;
}

interface Opened {
  readonly tuf: TufSource | undefined;
  readonly path: string | undefined;
  readonly stamp: string;
  readonly root: Promise<TrustRoot>;
  /** Not opened: there is none, or none yet of a repository; or for a reason that may pass without a change of the file. */
  failed?: "missing" | "awaited" | "otherwise";
  readonly at: number;
}

/** Anybody who may write policies in a namespace may name roots that are not there: the files of so many are looked for. */
const maxMissing = 200;
/** Milliseconds after which a root is tried again whose file is there and could not be read. */
const defaultRetry = 10_000;

/**
 * Roots as they are opened by name, read again only where their file changed, or could not be read. Without `openRoot`, none of
 * them.
 */
export function createRootSource(
  openRoot: OpenRoot | undefined,
  rootFile: RootFile | undefined,
  retryAfter = defaultRetry,
): RootSource {
  const opened = new Map<string, Opened>();
  let missing = 0;
  const forget = (name: string) => {
    if (opened.get(name)?.failed === "missing") missing--;
    opened.delete(name);
  };
  const asked = new Set<string>();
  const open = async (from: OpenRoot, name: string, tuf: TufSource | undefined) => {
    asked.add(name);
    const path = rootFile?.(name, tuf);
    const stamp = path === undefined ? absent : await stampOf(path);
    const known = opened.get(name);
    // Where nobody knows the file, nobody knows whether it is still missing.
    const isSame = known?.path === path && known?.stamp === stamp;
    const isSettled = known?.failed === undefined || (known.failed !== "otherwise" && path !== undefined);
    if (known !== undefined && isSame && isSettled) return known.root;
    forget(name);
    const entry: Opened = { tuf, path, stamp, root: from(name, tuf), at: performance.now() };
    opened.set(name, entry);
    entry.root.catch((error: unknown) => {
      if (asTrustError(error).code !== "TRUST_ROOT_NOT_FOUND") entry.failed = "otherwise";
      // What can be fetched is not lost among names that mean nothing.
      else if (tuf === undefined && knownRepository(name) === undefined) entry.failed = "missing";
      else entry.failed = "awaited";
      if (entry.failed !== "missing" || opened.get(name) !== entry) return;
      if (++missing > maxMissing) forget(name);
    });
    return entry.root;
  };
  return {
    openRoot: openRoot && ((name, tuf) => open(openRoot, name, tuf)),
    inUse: () => new Map([...opened].map(([name, { tuf }]) => [name, tuf])),
    async hasChanged() {
      const entries = [...opened.values()];
      const now = performance.now();
      if (entries.some(({ failed, at }) => failed === "otherwise" && now - at >= retryAfter)) return true;
      for (const { path, stamp } of entries) if (path !== undefined && (await stampOf(path)) !== stamp) return true;
      return false;
    },
    sweep() {
      for (const name of opened.keys()) if (!asked.has(name)) forget(name);
      asked.clear();
    },
  };
}
