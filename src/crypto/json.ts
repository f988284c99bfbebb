import { TrustError } from "../errors.ts";
import { StrictJsonError, scanStrictJson } from "./json-scan.ts";

export type JsonObject = { readonly [key: string]: unknown };

/** The members of an object, each as the bytes of its value. */
export type JsonMembers = ReadonlyMap<string, Uint8Array>;

/** Values take many times the room, and the time, of their text: a document of nothing but structure is refused. */
const maxValues = 100_000;

/**
 * Parses JSON that somebody signed: valid UTF-8, no duplicate keys (parsers disagree on which one counts), bounded depth,
 * no `__proto__` key, a bounded number of values. Throws `SIGNATURE_MALFORMED`; the caller bounds the size.
 */
export function parseStrictJson(bytes: Uint8Array, what: string): unknown {
  return strictly(what, () => {
    scanStrictJson(bytes, undefined, maxValues);
    return parseChecked(bytes);
  });
}

/**
 * The members of a JSON object, as strict as {@link parseStrictJson} about all of it, but nothing of it is made into
 * values: what is large is looked at only where somebody asks. Throws `SIGNATURE_MALFORMED`.
 */
export function readJsonMembers(bytes: Uint8Array, what: string): JsonMembers {
  return membersIn(bytes, what, Number.POSITIVE_INFINITY);
}

/**
 * The same for what anybody may have written, and nobody signed: a text or two in it may be large, its structure is not.
 * Looking at megabytes of that would keep all others waiting.
 */
export function readUnsignedMembers(bytes: Uint8Array, what: string): JsonMembers {
  return membersIn(bytes, what, maxValues);
}

function membersIn(bytes: Uint8Array, what: string, most: number): JsonMembers {
  const members = new Map<string, Uint8Array>();
  strictly(what, () => scanStrictJson(bytes, (value, key) => key !== undefined && members.set(key, value), most));
  if (bytes[firstCharacter(bytes)] === 0x7b) return members;
  throw new TrustError("SIGNATURE_MALFORMED", `${what} is not an object`, { expected: "a JSON object" });
}

/** Calls back with the bytes of each element of a JSON list; false where it is none. Throws `SIGNATURE_MALFORMED`. */
export function forEachElement(bytes: Uint8Array, what: string, visit: (element: Uint8Array) => void): boolean {
  if (bytes[firstCharacter(bytes)] !== 0x5b) return false;
  strictly(what, () => scanStrictJson(bytes, visit));
  return true;
}

/** The value of a member whose bytes were checked; undefined where there is none. Throws `SIGNATURE_MALFORMED` beyond the limit. */
export function parseMember(members: JsonMembers, name: string, maxBytes = defaultMemberBytes): unknown {
  const bytes = members.get(name);
  if (bytes === undefined) return undefined;
  // What was checked needs no second look, unless it might have too many values: each takes a byte.
  if (bytes.length <= Math.min(maxBytes, maxValues)) return parseChecked(bytes);
  if (bytes.length <= maxBytes) return parseStrictJson(bytes, name);
  throw new TrustError("SIGNATURE_MALFORMED", `${name} is too long`, {
    expected: `at most ${maxBytes} bytes`,
    found: `${bytes.length} bytes`,
  });
}

const defaultMemberBytes = 4 * 1024 * 1024;

function parseChecked(bytes: Uint8Array): unknown {
  return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8"));
}

function strictly<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof TrustError) throw cause;
    const detail = cause instanceof StrictJsonError ? `: ${cause.message}` : "";
    throw new TrustError("SIGNATURE_MALFORMED", `${what} is not strict JSON${detail}`, {
      expected: "UTF-8 JSON, each key once",
      cause,
    });
  }
}

function firstCharacter(bytes: Uint8Array): number {
  let at = 0;
  for (let c = bytes[at]; c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09; c = bytes[at]) at++;
  return at;
}

/** A plain JSON object, not an array, not null. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
