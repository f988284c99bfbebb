import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { isRepository } from "../../oci/reference.ts";
import { isMissing, namesIn } from "./files.ts";
import type { Layout } from "./layout.ts";

/** The repositories that hold a manifest. */
export interface RepositoryIndex {
  /** All names, sorted. */
  names(): Promise<readonly string[]>;
  has(name: string): Promise<boolean>;
  /** To be told after each change: whether the repository holds a manifest now. */
  changed(name: string): Promise<void>;
}

export function openRepositories(layout: Layout): RepositoryIndex {
  // Read from disk when first asked for, then kept up to date: this process alone changes what it lists.
  let known: Promise<Set<string>> | undefined;
  let sorted: readonly string[] | undefined;

  async function has(name: string): Promise<boolean> {
    for (const algorithm of await namesIn(layout.manifests(name))) {
      if ((await namesIn(join(layout.manifests(name), algorithm))).length > 0) return true;
    }
    return false;
  }

  return {
    has,
    async names() {
      known ??= walk(layout.repositories, has).catch((error: unknown) => {
        known = undefined;
        throw error;
      });
      const set = await known;
      sorted ??= [...set].sort();
      return sorted;
    },
    async changed(name) {
      const set = await known;
      if (set === undefined) return;
      const holds = await has(name);
      if (holds === set.has(name)) return;
      if (holds) set.add(name);
      else set.delete(name);
      sorted = undefined;
    },
  };
}

/** Names of all repositories below a folder that the test accepts. */
export async function walk(root: string, accept: (name: string) => Promise<boolean>): Promise<Set<string>> {
  const found = new Set<string>();
  async function visit(name: string): Promise<void> {
    const folders = await subfolders(join(root, name));
    if (folders.some((folder) => folder.startsWith("_")) && (await accept(name))) found.add(name);
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
