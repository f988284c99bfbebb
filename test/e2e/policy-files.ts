import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseAllDocuments } from "yaml";
import type { Manifest } from "./objects.ts";

const root = join(import.meta.dirname, "../..");

/** Paths of the policies in a folder of the project. */
export function policyFiles(folder: string): readonly string[] {
  return readdirSync(join(root, folder))
    .filter((name) => /\.(?:ya?ml|json)$/.test(name))
    .map((name) => join(root, folder, name));
}

/** Fields that name a file on a disk, and the field of an object that holds its content instead. */
const inlined: Readonly<Record<string, string>> = {
  file: "data",
  rootsFile: "roots",
  intermediatesFile: "intermediates",
};

/** The policies of a file as objects of a cluster, which cannot name files: what these hold stands in their place. */
export function policyObjects(file: string): readonly Manifest[] {
  return parseAllDocuments(readFileSync(file, "utf8"))
    .map((document) => inline(document.toJS(), dirname(file)) as Manifest | null)
    .filter((object) => object !== null);
}

function inline(value: unknown, folder: string): unknown {
  if (Array.isArray(value)) return value.map((item) => inline(item, folder));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([name, inner]) => {
    const content = inlined[name];
    if (content !== undefined && typeof inner === "string")
      return [content, readFileSync(join(folder, inner), "utf8")] as const;
    return [name, inline(inner, folder)] as const;
  });
  return Object.fromEntries(entries);
}
