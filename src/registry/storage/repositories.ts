import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { mapLimit } from "../../oci/parallel.ts";
import { isRepository } from "../../oci/reference.ts";
import { isMissing, namesIn } from "./files.ts";
import type { Layout } from "./layout.ts";

/** The repositories, by what they hold. */
export interface RepositoryIndex {
  /** Those with a manifest, sorted. */
  names(): Promise<readonly string[]>;
  /** Those with anything at all, blobs alone included, in no particular order. */
  all(): Promise<Iterable<string>>;
  /** Whether it holds a manifest. */
  has(name: string): Promise<boolean>;
  /** To be told after each change of its manifests. */
  changed(name: string): Promise<void>;
  /** To be told when it got a blob. */
  appeared(name: string): void;
}

export function openRepositories(layout: Layout): RepositoryIndex {
  // Read from disk when first asked for, then kept up to date: this process alone adds to what it lists.
  let known: Promise<Map<string, boolean>> | undefined;
  let sorted: readonly string[] | undefined;

  async function has(name: string): Promise<boolean> {
    for (const algorithm of await namesIn(layout.manifests(name))) {
      if ((await namesIn(join(layout.manifests(name), algorithm))).length > 0) return true;
    }
    return false;
  }

  function load(): Promise<Map<string, boolean>> {
    known ??= readAll(layout, has).catch((error: unknown) => {
      known = undefined;
      throw error;
    });
    return known;
  }

  return {
    has,
    async names() {
      const repositories = await load();
      sorted ??= [...repositories].flatMap(([name, holds]) => (holds ? name : [])).sort();
      return sorted;
    },
    all: async () => (await load()).keys(),
    async changed(name) {
      const repositories = await known;
      if (repositories === undefined) return;
      const holds = await has(name);
      if (repositories.get(name) === holds) return;
      repositories.set(name, holds);
      sorted = undefined;
    },
    appeared(name) {
      known?.then(
        (repositories) => repositories.has(name) || repositories.set(name, false),
        () => {},
      );
    },
  };
}

async function readAll(layout: Layout, has: (name: string) => Promise<boolean>): Promise<Map<string, boolean>> {
  const names = await walk(layout.repositories);
  return new Map(await mapLimit([...names], 8, async (name) => [name, await has(name)] as const));
}

/** Names of all repositories below a folder. */
export async function walk(root: string): Promise<Set<string>> {
  const found = new Set<string>();
  async function visit(name: string): Promise<void> {
    const folders = await subfolders(join(root, name));
    if (folders.some((folder) => folder.startsWith("_"))) found.add(name);
    for (const folder of folders) {
      const below = name === "" ? folder : `${name}/${folder}`;
      if (isRepository(below)) await visit(below);
    }
  }
  await visit("");
  return found;
}

async function subfolders(path: string): Promise<string[]> {
  try {
    return (await readdir(path, { withFileTypes: true }))
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}
