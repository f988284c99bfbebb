import { TrustError } from "../src/index.ts";

export type JsonObject = { readonly [key: string]: unknown };

/** Bodies up to this size are parsed as they are; what they can cost in time and memory is small. */
const smallBody = 256 * 1024;
const maxDepth = 1000;
const maxValues = 1_000_000;

/** A plain JSON object, not an array, not null. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value at a path of own members, or undefined: nothing is ever read through a prototype. */
export function member(value: unknown, ...path: readonly string[]): unknown {
  let at = value;
  for (const key of path) {
    if (!isObject(at) || !Object.hasOwn(at, key)) return undefined;
    at = at[key];
  }
  return at;
}

/** The string at a path of own members, or undefined. */
export function text(value: unknown, ...path: readonly string[]): string | undefined {
  const found = member(value, ...path);
  return typeof found === "string" ? found : undefined;
}

/**
 * Parses the JSON of a request. A large document that is mostly structure would hold up everybody else for seconds, so
 * its depth and its number of values are bounded first. Throws `REVIEW_INVALID`.
 */
export function parseJson(bytes: Buffer): unknown {
  if (bytes.length === 0) throw new TrustError("REVIEW_INVALID", "the request has no body");
  if (bytes.length > smallBody) refuseMostlyStructure(bytes);
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch (cause) {
    throw new TrustError("REVIEW_INVALID", "the body is not JSON", { cause });
  }
}

function refuseMostlyStructure(bytes: Buffer): void {
  let depth = 0;
  let values = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === 0x22) at = endOfString(bytes, at);
    else if (byte === 0x2c) values++;
    else if (byte === 0x7b || byte === 0x5b) {
      values++;
      depth++;
    } else if (byte === 0x7d || byte === 0x5d) depth--;
    if (depth > maxDepth) throw tooComplex(`nested deeper than ${maxDepth}`);
    if (values > maxValues) throw tooComplex(`more than ${maxValues} values`);
  }
}

/** Index of the closing quote, or the end of the bytes where there is none. */
function endOfString(bytes: Buffer, start: number): number {
  for (let at = start + 1; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === 0x22) return at;
    if (byte === 0x5c) at++;
  }
  return bytes.length;
}

function tooComplex(found: string): TrustError {
  return new TrustError("REVIEW_INVALID", "the body has more structure than any Kubernetes object", {
    expected: `at most ${maxDepth} levels and ${maxValues} values`,
    found,
  });
}
