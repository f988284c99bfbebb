import { isJsonObject, type JsonObject } from "../crypto/json.ts";
import { StrictJsonError, scanStrictJson } from "../crypto/json-scan.ts";

/** What a document says, read as far as that goes, and what is wrong with it. Nothing here is believed. */
export interface LooseJson {
  readonly value: unknown;
  readonly problem?: string;
}

const maxDepth = 128;
/** Larger documents are not made into values. */
const maxBytes = 32 * 1024 * 1024;

/**
 * Reads JSON that verifiers may refuse, so that a person sees why: it may have keys twice. Nothing where it is no JSON,
 * or too large or too deep to be shown. Never throws.
 */
export function readLoosely(bytes: Uint8Array): LooseJson {
  if (bytes.length > maxBytes) return { value: undefined, problem: `more than ${maxBytes} bytes are not decoded` };
  const problem = strictProblem(bytes);
  if (problem !== undefined && isDeep(bytes)) return { value: undefined, problem };
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8"));
    return problem === undefined ? { value } : { value, problem };
  } catch {
    return { value: undefined, problem: problem ?? "not JSON" };
  }
}

function strictProblem(bytes: Uint8Array): string | undefined {
  try {
    scanStrictJson(bytes);
    return undefined;
  } catch (error) {
    return `not strict JSON, so verifiers refuse it: ${error instanceof StrictJsonError ? error.message : "unreadable"}`;
  }
}

/** Brackets inside of strings count as well: better too deep than a stack that overflows. */
function isDeep(bytes: Uint8Array): boolean {
  let depth = 0;
  for (const byte of bytes) {
    if (byte === 0x5b || byte === 0x7b) depth++;
    else if (byte === 0x5d || byte === 0x7d) depth = Math.max(0, depth - 1);
    if (depth > maxDepth) return true;
  }
  return false;
}

/** A member of what should be an object; undefined where it is none. */
export function memberOf(value: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (inner, name) => (isJsonObject(inner) && Object.hasOwn(inner, name) ? inner[name] : undefined),
    value,
  );
}

/** Text of at most so many characters; undefined for anything else. */
export function textOf(value: unknown, max = 4096): string | undefined {
  if (typeof value === "number") return String(value);
  return typeof value === "string" ? value.slice(0, max) : undefined;
}

/** The objects of a list, at most so many. */
export function objectsOf(value: unknown, max = 100): readonly JsonObject[] {
  return Array.isArray(value) ? value.slice(0, max).filter(isJsonObject) : [];
}

/** The bytes of base64, of either alphabet; undefined for no text. */
export function bytesOf(value: unknown): Buffer | undefined {
  return typeof value === "string" && value !== "" ? Buffer.from(value, "base64") : undefined;
}

/** RFC 3339 UTC; undefined for what is no time. */
export function timeOf(milliseconds: number): string | undefined {
  return Number.isFinite(milliseconds) && Math.abs(milliseconds) <= 8.64e15
    ? new Date(milliseconds).toISOString().replace(".000Z", "Z")
    : undefined;
}

/** An object without the members that are undefined. */
export function present<T extends Record<string, unknown>>(
  fields: T,
): { readonly [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    readonly [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
