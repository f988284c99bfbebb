import { decodeBase64 } from "../crypto/base64.ts";
import { describeJson } from "../crypto/describe-json.ts";
import { isJsonObject, type JsonObject } from "../crypto/json.ts";
import { type ErrorCode, TrustError } from "../errors.ts";

/** Reads the fields of one JSON document strictly; every error has its code. `where` names the field for people. */
export interface FieldReader {
  object(value: unknown, where: string): JsonObject;
  /** An object with none but these members: what is misspelt is not absent. */
  message(value: unknown, where: string, members: readonly string[]): JsonObject;
  /** Like these; undefined where the value is absent or null, which JSON of protocol buffers does not tell apart. */
  optionalObject(value: unknown, where: string): JsonObject | undefined;
  optionalMessage(value: unknown, where: string, members: readonly string[]): JsonObject | undefined;
  /** Absent and null are an empty list. */
  list(value: unknown, where: string, max: number): readonly unknown[];
  text(value: unknown, where: string): string;
  /** Standard base64, not empty, of at most `max` bytes; 128 KiB unless told. */
  bytes(value: unknown, where: string, max?: number): Buffer;
  /** Lower-case hexadecimal digits, not none. */
  hex(value: unknown, where: string): Buffer;
  /** An int64 that is not negative: decimal digits as text, or a number that JavaScript has exactly. Absent is 0. */
  int64(value: unknown, where: string): bigint;
  fail(where: string, expected: string, found: unknown): never;
}

const maxBytes = 128 * 1024;
const decimal = /^(?:0|[1-9][0-9]{0,18})$/;
const maxInt64 = 2n ** 63n - 1n;

/** A reader whose errors have that code and name that document. */
export function fieldReader(code: ErrorCode, document: string): FieldReader {
  const fail = (where: string, expected: string, found: unknown): never => {
    throw new TrustError(code, `${where} of ${document} is not as it should be`, {
      expected,
      found: describeJson(found).slice(0, 100),
    });
  };
  const object = (value: unknown, where: string) => (isJsonObject(value) ? value : fail(where, "an object", value));
  const message = (value: unknown, where: string, members: readonly string[]) => {
    const known = object(value, where);
    const stranger = Object.keys(known).find((key) => !members.includes(key));
    return stranger === undefined ? known : fail(where, `members ${members.join(", ")}`, stranger);
  };
  const isAbsent = (value: unknown) => value === undefined || value === null;
  return {
    object,
    message,
    optionalObject: (value, where) => (isAbsent(value) ? undefined : object(value, where)),
    optionalMessage: (value, where, members) => (isAbsent(value) ? undefined : message(value, where, members)),
    list: (value, where, max) => {
      const list = value === undefined || value === null ? [] : value;
      if (!Array.isArray(list)) return fail(where, "a list", value);
      return list.length <= max ? list : fail(where, `at most ${max} values`, `${list.length} values`);
    },
    text: (value, where) => (typeof value === "string" && value !== "" ? value : fail(where, "a text", value)),
    bytes: (value, where, max = maxBytes) => {
      if (typeof value === "string" && value.length > Math.ceil(max / 3) * 4)
        return fail(where, `at most ${max} bytes`, `${value.length} characters`);
      try {
        const bytes = decodeBase64(value, where);
        if (bytes.length > 0) return bytes;
      } catch {
        // Told below, with the code of this document.
      }
      return fail(where, "standard base64 with padding, not empty", value);
    },
    hex: (value, where) =>
      typeof value === "string" && /^(?:[0-9a-f]{2})+$/.test(value)
        ? Buffer.from(value, "hex")
        : fail(where, "lower-case hexadecimal digits", value),
    int64: (value, where) => {
      if (value === undefined || value === null) return 0n;
      const text = typeof value === "number" && Number.isSafeInteger(value) ? String(value) : value;
      const isNumber = typeof text === "string" && decimal.test(text) && BigInt(text) <= maxInt64;
      return isNumber ? BigInt(text) : fail(where, "a whole number from 0 to 2^63-1", value);
    },
    fail,
  };
}
