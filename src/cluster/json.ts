import { isJsonObject, type JsonObject } from "../crypto/json.ts";

/**
 * A JSON object as the API server wrote it; undefined for what is none. Members called `__proto__`, which anybody may put
 * into an annotation, are left out, so that no copy of the object gets another prototype.
 */
export function parseObject(bytes: Uint8Array): JsonObject | undefined {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
  try {
    const value: unknown = mayNamePrototype.test(text) ? JSON.parse(text, withoutPrototype) : JSON.parse(text);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Also as an escape. A reviver costs many times the parsing, so it runs only where it may be needed. */
const mayNamePrototype = /__proto__|\\u005f|\\u00(?:6f|7[024])/i;

function withoutPrototype(key: string, value: unknown): unknown {
  return key === "__proto__" ? undefined : value;
}
