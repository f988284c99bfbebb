import { isJsonObject, type JsonObject } from "../crypto/json.ts";
import { TrustError } from "../errors.ts";

/** JSON in which a number stays the text that it was. */
interface JsonWithRaw {
  parse(
    text: string,
    reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown,
  ): unknown;
  rawJSON(text: string): unknown;
}

/**
 * Parses a JSON object so that writing it again changes nothing but white space and the order of nothing: numbers that
 * do not fit a double keep their digits. Throws `MANIFEST_INVALID`; `what` names it.
 */
export function parseRawObject(bytes: Uint8Array, what: string): JsonObject {
  // TypeScript does not know these two yet (ECMAScript, JSON.parse source text access).
  const json = JSON as unknown as JsonWithRaw;
  let value: unknown;
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    value = json.parse(text, (_key, item, { source }) =>
      typeof item === "number" && source !== undefined && String(item) !== source ? json.rawJSON(source) : item,
    );
  } catch (cause) {
    throw new TrustError("MANIFEST_INVALID", `${what} is not JSON`, { expected: "a JSON object", cause });
  }
  if (isJsonObject(value)) return value;
  throw new TrustError("MANIFEST_INVALID", `${what} is not a JSON object`, {
    expected: "a JSON object",
    found: typeof value,
  });
}

/** One text for one JSON value: keys in order, no white space. */
export function canonicalText(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    isJsonObject(item) && !isRaw(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}

function isRaw(value: object): boolean {
  return (JSON as unknown as { isRawJSON(value: unknown): boolean }).isRawJSON(value);
}
