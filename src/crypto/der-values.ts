import { isUtf8 } from "node:buffer";
import {
  bitStringProblem,
  booleanProblem,
  type DerNode,
  derContent,
  derError,
  derTags,
  integerProblem,
  oidProblem,
  tagName,
} from "./der.ts";

/** Longer object identifiers are refused: none in use comes near. */
const maxOidBytes = 64;

/** A BOOLEAN, also under an implicit tag. */
export function derBoolean(node: DerNode): boolean {
  refuse(node, booleanProblem(node));
  return node.source.bytes[node.content] === 0xff;
}

/** The two's complement bytes of an INTEGER, also under an implicit tag; a view. */
export function derInteger(node: DerNode): Buffer {
  refuse(node, integerProblem(node));
  return derContent(node);
}

/** An INTEGER from 0 to 2^31-1. */
export function derSmallInteger(node: DerNode): number {
  const bytes = derInteger(node);
  const value = bytes.length <= 4 ? bytes.readIntBE(0, bytes.length) : -1;
  if (value < 0)
    throw derError(node, "a number is out of range", "0 to 2147483647", `0x${bytes.toString("hex", 0, 32)}`);
  return value;
}

/** The bits of a BIT STRING, also under an implicit tag: `bytes` (a view), of which the last `unused` bits do not count. */
export function derBitString(node: DerNode): { readonly bytes: Buffer; readonly unused: number } {
  refuse(node, bitStringProblem(node));
  const content = derContent(node);
  return { bytes: content.subarray(1), unused: content[0] ?? 0 };
}

/** The bytes of a BIT STRING that holds whole octets: keys and signatures. */
export function derBitStringOctets(node: DerNode): Buffer {
  const { bytes, unused } = derBitString(node);
  if (unused !== 0) throw derError(node, "a BIT STRING does not hold whole octets", "0 unused bits", `${unused}`);
  return bytes;
}

/** An OBJECT IDENTIFIER in dotted form, also under an implicit tag. */
export function derOid(node: DerNode): string {
  refuse(node, oidProblem(node));
  if (node.end - node.content > maxOidBytes)
    throw derError(node, "an OBJECT IDENTIFIER is too long", `at most ${maxOidBytes} bytes`);
  const { bytes } = node.source;
  let text = "";
  let value: number | bigint = 0;
  for (let at = node.content; at < node.end; at++) {
    const octet = bytes[at] ?? 0;
    // Big integers only where a component outgrows a number: they are slow, and rare.
    if (typeof value === "number" && value >= 2 ** 45) value = BigInt(value);
    value = typeof value === "bigint" ? (value << 7n) | BigInt(octet & 0x7f) : value * 128 + (octet & 0x7f);
    if (octet >= 0x80) continue;
    text = text === "" ? firstTwo(value) : `${text}.${value}`;
    value = 0;
  }
  return text;
}

/** Two components are written as one (X.690 §8.19.4). */
function firstTwo(value: number | bigint): string {
  const root = value < 40 ? 0 : value < 80 ? 1 : 2;
  return `${root}.${typeof value === "bigint" ? value - BigInt(root * 40) : value - root * 40}`;
}

/** Characters each string type may hold (X.680 §41); PrintableString with the `*` and `&` that many authorities write. */
const alphabets: Readonly<Record<number, RegExp>> = {
  [derTags.printableString]: /^[A-Za-z0-9 '()+,\-./:=?*&]*$/,
  [derTags.numericString]: /^[0-9 ]*$/,
  [derTags.ia5String]: /^[\x00-\x7f]*$/,
  [derTags.teletexString]: /^[\x20-\x7e\xa0-\xff]*$/,
};

/** The text of a string of any type certificates use; TeletexString is read as Latin-1, as everybody does. */
export function derString(node: DerNode): string {
  return derStringAs(node, node.tag);
}

/** The text of a string under an implicit tag, read as the type with that tag. */
export function derStringAs(node: DerNode, tag: number): string {
  const bytes = derContent(node);
  if (tag === derTags.utf8String) return utf8Text(node, bytes);
  if (tag === derTags.bmpString) return bmpText(node, bytes);
  const alphabet = alphabets[tag];
  if (alphabet === undefined) throw derError(node, "a value is not a string", "a string", tagName(tag));
  const text = bytes.toString("latin1");
  if (!alphabet.test(text)) throw derError(node, "a string has characters that its type does not allow", tagName(tag));
  return text;
}

function utf8Text(node: DerNode, bytes: Buffer): string {
  if (!isUtf8(bytes)) throw derError(node, "a string is not UTF-8", "utf8String");
  return bytes.toString();
}

function bmpText(node: DerNode, bytes: Buffer): string {
  const text = bytes.length % 2 === 0 ? Buffer.from(bytes).swap16().toString("utf16le") : "";
  if (bytes.length % 2 !== 0 || /[\ud800-\udfff]/.test(text))
    throw derError(node, "a string is not UCS-2", "bmpString");
  return text;
}

const timePattern = /^(\d{2}|\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/;

/**
 * A time of a certificate or CRL in milliseconds since 1970 (RFC 5280 §4.1.2.5): UTCTime from 1950 to 2049 or
 * GeneralizedTime, both with seconds, without fractions, in UTC. GeneralizedTime is also read before 2050, where authorities
 * in use write it: the moment is the same.
 */
export function derTime(node: DerNode): number {
  const text = derContent(node).toString("latin1");
  const isUtcTime = node.tag === derTags.utcTime;
  if (!isUtcTime && node.tag !== derTags.generalizedTime)
    throw derError(node, "a value is not a time", "utcTime or generalizedTime", tagName(node.tag));
  const match = timePattern.exec(text);
  if (match === null || text.length !== (isUtcTime ? 13 : 15))
    throw derError(node, "a time is malformed", isUtcTime ? "YYMMDDhhmmssZ" : "YYYYMMDDhhmmssZ", printable(text));
  const [, year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.map(Number);
  const fullYear = isUtcTime ? year + (year < 50 ? 2000 : 1900) : year;
  const time = Date.UTC(fullYear, month - 1, day, hour, minute, second);
  // Date.UTC lets the 30th of February pass as the 1st of March, and the year 50 as 1950.
  const date = new Date(time);
  const isReal = date.getUTCFullYear() === fullYear && date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  if (!isReal || hour > 23 || minute > 59 || second > 59)
    throw derError(node, "there is no such time", "a date of the calendar", text);
  return time;
}

function printable(text: string): string {
  return JSON.stringify(text.slice(0, 40));
}

function refuse(node: DerNode, problem: string | undefined): void {
  if (problem !== undefined) throw derError(node, problem, undefined, tagName(node.tag));
}
