import { resolve } from "node:path";
import { isJsonObject, type JsonObject } from "../crypto/json.ts";
import { type Path, parseSource, type SourceDocument } from "../policy/document.ts";
import { readText } from "../policy/policy-text.ts";
import { formatPath } from "../policy/shape-problems.ts";

/** A policy as it stands in its file. */
export interface Written {
  readonly value: unknown;
  /** `file:line:column` of what stands at the path, or near it. */
  placeOf(path: Path): string;
}

/** Objects of a cluster, by the `source` of the policies that they are. */
export type WrittenObjects = ReadonlyMap<string, JsonObject>;

/**
 * Finds policies in their files again, or among objects, by the `source` that loading gave them: for places in messages, and for
 * what is written in another way than it is meant. Of what is not found, the place is the source itself.
 */
export async function readWritten(
  sources: readonly string[],
  cwd: string,
  objects: WrittenObjects = new Map(),
): Promise<(source: string) => Written> {
  const names = new Set(sources.flatMap((source) => /^(.*):\d+:\d+$/s.exec(source)?.[1] ?? []));
  const found = new Map<string, SourceDocument>();
  for (const name of names) {
    const read = await readText({ name, path: resolve(cwd, name) });
    if (!("text" in read)) continue;
    for (const document of parseSource(read.text, name).documents) found.set(document.placeOf([]), document);
  }
  return (source) => found.get(source) ?? writtenObject(source, objects.get(source));
}

/** An object has no lines: its place is the name, and the path in it. */
function writtenObject(source: string, value: JsonObject | undefined): Written {
  if (value === undefined) return { value, placeOf: () => source };
  return { value, placeOf: (path) => (path.length === 0 ? source : `${source} ${formatPath(path)}`) };
}

/** What stands at a path; nothing where nothing does. */
export function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>((at, step) => {
    if (Array.isArray(at) && typeof step === "number") return at[step];
    return isJsonObject(at) && typeof step === "string" && Object.hasOwn(at, step) ? at[step] : undefined;
  }, value);
}

/** The text at a path; nothing where there is none. */
export function textAt(value: unknown, path: Path): string | undefined {
  const found = valueAt(value, path);
  return typeof found === "string" ? found : undefined;
}

/** Where in a list the entry of that name stands; 0 where it is not found. */
export function indexOfName(value: unknown, path: Path, name: string): number {
  const list = valueAt(value, path);
  return Array.isArray(list)
    ? Math.max(
        0,
        list.findIndex((entry) => textAt(entry, ["name"]) === name),
      )
    : 0;
}
