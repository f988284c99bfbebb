import { TrustError } from "../errors.ts";

export type JsonObject = { readonly [key: string]: unknown };

/** Deeper documents are refused: nothing in this field nests like that. */
const maxDepth = 128;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Parses JSON that somebody signed: valid UTF-8, no duplicate keys (parsers disagree on which one counts), bounded depth,
 * no `__proto__` key. Throws `SIGNATURE_MALFORMED`; the caller bounds the size.
 */
export function parseStrictJson(bytes: Uint8Array, what: string): unknown {
  try {
    const text = decoder.decode(bytes);
    const value: unknown = JSON.parse(text);
    refuseDuplicateKeys(text);
    return value;
  } catch (cause) {
    const detail = cause instanceof StrictJsonError ? `: ${cause.message}` : "";
    throw new TrustError("SIGNATURE_MALFORMED", `${what} is not strict JSON${detail}`, {
      expected: "UTF-8 JSON, each key once",
      cause,
    });
  }
}

class StrictJsonError extends Error {}

/** Walks text that JSON.parse has accepted, so the grammar need not be checked again. */
function refuseDuplicateKeys(text: string): void {
  const keys: (Set<string> | undefined)[] = [];
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 0x7b || c === 0x5b) {
      if (keys.length >= maxDepth) throw new StrictJsonError(`nested deeper than ${maxDepth}`);
      keys.push(c === 0x7b ? new Set() : undefined);
    } else if (c === 0x7d || c === 0x5d) {
      keys.pop();
    } else if (c === 0x22) {
      const end = endOfString(text, i);
      const object = keys.at(-1);
      if (object !== undefined && followedByColon(text, end)) addKey(object, text.slice(i, end + 1));
      i = end;
    }
  }
}

function addKey(object: Set<string>, literal: string): void {
  const key = JSON.parse(literal) as string;
  if (key === "__proto__") throw new StrictJsonError("key __proto__");
  if (object.has(key)) throw new StrictJsonError(`key ${JSON.stringify(key.slice(0, 100))} twice`);
  object.add(key);
}

function endOfString(text: string, start: number): number {
  let i = start + 1;
  while (text.charCodeAt(i) !== 0x22) i += text.charCodeAt(i) === 0x5c ? 2 : 1;
  return i;
}

function followedByColon(text: string, end: number): boolean {
  let i = end + 1;
  while (/\s/.test(text.charAt(i))) i++;
  return text.charCodeAt(i) === 0x3a;
}

/** A plain JSON object, not an array, not null. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
