import { TrustError } from "../errors.ts";
import { isJsonObject } from "./json.ts";

/** What is written canonically here: no fractions, and no number that JavaScript rounds. */
export type CanonicalValue =
  | string
  | number
  | boolean
  | null
  | readonly CanonicalValue[]
  | { readonly [key: string]: CanonicalValue };

/**
 * JSON in the one form of RFC 8785: no spaces, members in the order of their UTF-16 code units. Numbers are safe integers.
 * Throws `SIGNATURE_MALFORMED` for other numbers, and for text that is not Unicode.
 */
export function canonicalJson(value: CanonicalValue): string {
  if (typeof value === "string") return canonicalText(value);
  if (typeof value === "number" && !Number.isSafeInteger(value))
    throw malformed("a number cannot be written exactly", "an integer of at most 2^53-1");
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (!isJsonObject(value)) return JSON.stringify(value);
  const members = Object.entries(value as { readonly [key: string]: CanonicalValue }).sort(([a], [b]) =>
    a < b ? -1 : 1,
  );
  return `{${members.map(([key, member]) => `${canonicalText(key)}:${canonicalJson(member)}`).join(",")}}`;
}

function canonicalText(text: string): string {
  if (!text.isWellFormed()) throw malformed("a text is not Unicode", "no half of a surrogate pair");
  return JSON.stringify(text);
}

function malformed(message: string, expected: string): TrustError {
  return new TrustError("SIGNATURE_MALFORMED", message, { expected });
}
