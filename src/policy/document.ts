import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type ParsedNode, parseAllDocuments } from "yaml";
import type { Problem } from "./problem.ts";

/** Steps from the top of a document to a value. */
export type Path = readonly PropertyKey[];

/** One YAML or JSON document: its plain value, and where each part of it stands. */
export interface SourceDocument {
  readonly value: unknown;
  /** `file:line:column` of the value at the path, or of its nearest parent that exists. */
  placeOf(path: Path): string;
  /** `file:line:column` of a character of the text at the path, as far as the way it is quoted lets one say. */
  placeWithin(path: Path, offset: number): string;
  /** `file:line:column` of the key at the end of the path; for an item of a list, of the item. */
  placeOfKey(path: Path): string;
}

export interface ParsedSource {
  readonly documents: readonly SourceDocument[];
  readonly problems: readonly Problem[];
}

interface Located {
  readonly start: number;
  readonly keyStart: number;
  readonly children: Map<PropertyKey, Located>;
}

interface Reader {
  readonly placeAt: (offset: number) => string;
  readonly problems: Problem[];
}

const maxDepth = 32;
const maxDocuments = 1000;

/**
 * Parses a file of YAML 1.2 documents (JSON is one of them); empty documents are left out. Refuses what would let two
 * readers see two things: a key twice, aliases, tags, keys that are not text, `__proto__`. The caller bounds the size.
 */
export function parseSource(text: string, sourceName: string): ParsedSource {
  const lineCounter = new LineCounter();
  const placeAt = (offset: number): string => {
    const { line, col } = lineCounter.linePos(offset);
    return `${sourceName}:${line}:${col}`;
  };
  // Duplicate keys are looked for below: the library's own check takes quadratic time.
  const parsed = parseAllDocuments(text, { lineCounter, prettyErrors: false, stringKeys: true, uniqueKeys: false });
  const documents = Array.isArray(parsed) ? parsed : [];
  const [tooMany] = documents.slice(maxDocuments, maxDocuments + 1);
  if (tooMany !== undefined) {
    const what = `more than ${maxDocuments} documents in a file`;
    return { documents: [], problems: [{ place: placeAt(tooMany.range[0]), what }] };
  }
  const read = documents.map((document) => readDocument(document, placeAt, text));
  return {
    documents: read.flatMap(({ document }) => document ?? []),
    problems: read.flatMap(({ problems }) => problems),
  };
}

function readDocument(
  document: Document.Parsed,
  placeAt: Reader["placeAt"],
  text: string,
): { document?: SourceDocument; problems: readonly Problem[] } {
  const [broken] = [...document.errors, ...document.warnings];
  if (broken !== undefined)
    return {
      problems: [{ place: placeAt(broken.pos[0]), what: `not readable as YAML: ${firstLine(broken.message)}` }],
    };
  const { contents } = document;
  if (contents === null || (isScalar(contents) && contents.value === null && contents.source === ""))
    return { problems: [] };
  const reader: Reader = { placeAt, problems: [] };
  const { value, located } = readNode(contents, contents.range[0], 0, reader);
  if (reader.problems.length > 0) return { problems: reader.problems };
  return {
    document: {
      value,
      placeOf: (path) => placeAt(locate(located, path).start),
      placeWithin: (path, offset) =>
        placeAt(characterAt(text, locate(located, path).start, valueAt(value, path), offset)),
      placeOfKey: (path) => placeAt(locate(located, path).keyStart),
    },
    problems: [],
  };
}

function firstLine(message: string): string {
  return (message.split("\n", 1)[0] ?? "").slice(0, 200);
}

function locate(root: Located, path: Path): Located {
  let at = root;
  for (const step of path) {
    const child = at.children.get(step);
    if (child === undefined) break;
    at = child;
  }
  return at;
}

function valueAt(root: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (value, step) => (typeof value === "object" && value !== null ? Reflect.get(value, step) : undefined),
    root,
  );
}

/**
 * Where a character of a scalar stands in the file. Walks through both and lets the file have more: quotes, escapes,
 * indentation, the head of a block.
 */
function characterAt(text: string, start: number, value: unknown, offset: number): number {
  if (typeof value !== "string") return start;
  let at = /^[|>]/.test(text.slice(start, start + 1)) ? text.indexOf("\n", start) + 1 : start;
  const next = (character: string | undefined) => {
    const found = character === undefined ? -1 : text.indexOf(character, at);
    return found < 0 || found > start + 2 * value.length + 10_000 ? at : found;
  };
  for (let index = 0; index < offset; index++) {
    const character = value[index];
    // A line break of the value may be any white space of the file, and is what lies before the next word.
    if (character !== undefined && /\s/.test(character)) continue;
    at = next(character) + 1;
  }
  return next(value[offset]);
}

function readNode(
  node: ParsedNode | null,
  keyStart: number,
  depth: number,
  reader: Reader,
): { value: unknown; located: Located } {
  const start = node?.range[0] ?? keyStart;
  const located: Located = { start, keyStart, children: new Map() };
  const refuse = (what: string, expected?: string) => {
    reader.problems.push({ place: reader.placeAt(start), what, expected });
    return { value: null, located };
  };
  if (depth > maxDepth) return refuse(`nested deeper than ${maxDepth}`);
  if (isAlias(node)) return refuse("an alias", "the value itself, written out");
  if (isMap(node)) return { value: readMap(node, located, depth, reader), located };
  if (isSeq(node)) {
    const value = node.items.map((item, index) => {
      const child = readNode(item as ParsedNode, (item as ParsedNode).range[0], depth + 1, reader);
      located.children.set(index, child.located);
      return child.value;
    });
    return { value, located };
  }
  return { value: isScalar(node) ? node.value : null, located };
}

function readMap(node: ParsedNode & { items: unknown }, located: Located, depth: number, reader: Reader): object {
  const value: Record<string, unknown> = {};
  for (const pair of isMap<ParsedNode, ParsedNode | null>(node) ? node.items : []) {
    const keyStart = pair.key.range[0];
    const key = isScalar(pair.key) && typeof pair.key.value === "string" ? pair.key.value : undefined;
    if (key === undefined || key === "__proto__" || key === "<<") {
      reader.problems.push({
        place: reader.placeAt(keyStart),
        what: "a key that cannot be a field",
        expected: "a name",
      });
    } else if (Object.hasOwn(value, key)) {
      const what = `the field ${JSON.stringify(key.slice(0, 60))} is there twice`;
      reader.problems.push({ place: reader.placeAt(keyStart), what, expected: "each field once" });
    } else {
      const child = readNode(pair.value, keyStart, depth + 1, reader);
      located.children.set(key, { ...child.located, keyStart });
      value[key] = child.value;
    }
  }
  return value;
}
