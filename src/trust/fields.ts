import { decodeBase64 } from "../crypto/base64.ts";
import { describeJson } from "../crypto/describe-json.ts";
import { isJsonObject, parseStrictJson } from "../crypto/json.ts";
import { asTrustError, type ErrorCode, TrustError } from "../errors.ts";
import type { Window } from "./trust-root.ts";

/** A value of a document, where it stands in it, and the code of errors about the document. */
export interface Place {
  readonly value: unknown;
  /** Empty for the document itself. */
  readonly at: string;
  readonly code: ErrorCode;
}

const maxBytes = 4 * 1024 * 1024;

/** Reads bytes, or takes an object, as a document; strict JSON of at most 4 MiB. Throws with the code given. */
export function readDocument(document: unknown, what: string, code: ErrorCode): Place {
  if (!(document instanceof Uint8Array)) return { value: document, at: "", code };
  if (document.length > maxBytes)
    throw new TrustError(code, `${what} is too large`, {
      expected: `at most ${maxBytes} bytes`,
      found: `${document.length} bytes`,
    });
  return { value: withCode(code, () => parseStrictJson(document, what)), at: "", code };
}

/** Errors of the readers below speak of signatures; here they are about the document. */
export function withCode<T>(code: ErrorCode, read: () => T, at?: string): T {
  try {
    return read();
  } catch (cause) {
    const { message, expected, found, category } = asTrustError(cause);
    if (category === "internal") throw cause;
    throw new TrustError(code, at === undefined ? message : `${at}: ${message}`, { expected, found, cause });
  }
}

/** An error about one place. */
export function problemAt({ at, code }: Place, message: string, expected?: string, found?: string): TrustError {
  return new TrustError(code, at === "" ? message : `${at}: ${message}`, { expected, found: found?.slice(0, 200) });
}

/** `null` is how Protobuf's JSON may write what is not set. */
export function isSet({ value }: Place): boolean {
  return value !== undefined && value !== null;
}

/** The members of an object, set or not. Any other member is refused: what is not understood might limit what is. */
export function membersOf<K extends string>(place: Place, names: readonly K[]): Readonly<Record<K, Place>> {
  const { value, at, code } = place;
  if (!isJsonObject(value)) throw problemAt(place, "is not an object", "an object", describeJson(value));
  const unknown = Object.keys(value).find((name) => !names.some((known) => known === name));
  if (unknown !== undefined) throw problemAt(place, "has a field that is not known", names.join(", "), unknown);
  const prefix = at === "" ? "" : `${at}.`;
  const member = (name: K): [K, Place] => [
    name,
    { value: Object.hasOwn(value, name) ? value[name] : undefined, at: `${prefix}${name}`, code },
  ];
  return Object.fromEntries(names.map(member)) as Record<K, Place>;
}

/** The elements of a list; none where it is not set. */
export function elementsOf(place: Place, max: number): readonly Place[] {
  const { value, at, code } = place;
  if (!isSet(place)) return [];
  if (!Array.isArray(value)) throw problemAt(place, "is not a list", "a list", describeJson(value));
  if (value.length > max) throw problemAt(place, "is too long", `at most ${max} entries`, `${value.length} entries`);
  return value.map((element: unknown, index) => ({ value: element, at: `${at}[${index}]`, code }));
}

const maxText = 2048;

/** A text of at least one character, or undefined where it is not set or empty. */
export function optionalText(place: Place): string | undefined {
  const { value } = place;
  if (!isSet(place) || value === "") return undefined;
  if (typeof value !== "string") throw problemAt(place, "is not a text", "a text", describeJson(value));
  if (value.length > maxText) throw problemAt(place, "is too long", `at most ${maxText} characters`);
  return value;
}

/** A text of at least one character. */
export function textOf(place: Place): string {
  const text = optionalText(place);
  if (text === undefined) throw problemAt(place, "is missing", "a text");
  return text;
}

/** Bytes written in base64, at least one. */
export function bytesOf(place: Place): Buffer {
  const text = place.value;
  const bytes = withCode(place.code, () => decodeBase64(text ?? "", place.at));
  if (bytes.length === 0) throw problemAt(place, "is missing", "base64");
  return bytes;
}

const timestamp = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/;

/** A moment (google.protobuf.Timestamp in JSON, RFC 3339), in whole milliseconds. */
export function momentOf(place: Place): number {
  const text = textOf(place);
  const [, seconds, fraction = "", zone] = timestamp.exec(text) ?? [];
  const time = Date.parse(`${seconds}.${fraction.padEnd(3, "0").slice(0, 3)}${zone}`);
  // `Date.parse` lets the 30th of February be the 1st or 2nd of March.
  const isReal = new Date(Date.parse(`${seconds}Z`)).getUTCDate() === Number(seconds?.slice(8, 10));
  if (Number.isNaN(time) || !isReal) throw problemAt(place, "is not a time", "RFC 3339: 2024-01-31T00:00:00Z", text);
  return time;
}

/** A `TimeRange`, both ends included. A missing start is an error: nobody would know since when to believe it. */
export function windowOf(place: Place): Window {
  if (!isSet(place)) throw problemAt(place, "is missing", "the start of its validity");
  const { start, end } = membersOf(place, ["start", "end"]);
  if (!isSet(start)) throw problemAt(start, "is missing", "the start of its validity");
  const window = { start: momentOf(start), ...(isSet(end) ? { end: momentOf(end) } : {}) };
  if (window.end !== undefined && window.end < window.start) throw problemAt(place, "ends before it starts");
  return window;
}
