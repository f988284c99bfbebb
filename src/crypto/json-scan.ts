import { isUtf8 } from "node:buffer";

/** Why a document is not strict JSON; repeats at most a part of a key. */
export class StrictJsonError extends Error {}

/** Characters of a string that are looked at one by one before a piece is tried. */
const shortText = 4096;
const pieceLength = 4096;
const special = /["\\\u0000-\u001f]/;

/** Told of each value directly inside the document: its bytes, and its key where the document is an object. */
export type JsonVisitor = (value: Uint8Array, key: string | undefined) => void;

/** Deeper documents are refused: nothing in this field nests like that. */
const maxDepth = 128;
/** Keys of the objects around one place that are remembered at once. */
const maxKeys = 1_000_000;
/** The characters after a backslash that are an escape by themselves: `"`, `\`, `/`, b, f, n, r, t. */
const escapes = new Set([0x22, 0x5c, 0x2f, 0x62, 0x66, 0x6e, 0x72, 0x74]);
const literals = ["true", "false", "null"].map((word) => Buffer.from(word));

/**
 * Checks a whole document without making anything of it: UTF-8, the grammar of RFC 8259, no key twice in an object
 * (parsers disagree on which one counts), no key `__proto__`, bounded depth. Throws `StrictJsonError`. Time and memory
 * do not depend on what the document would be as objects, so that documents of many megabytes can be looked into; who
 * makes objects of it bounds their number with `maxValues`.
 */
export function scanStrictJson(bytes: Uint8Array, visit?: JsonVisitor, maxValues = Number.POSITIVE_INFINITY): void {
  if (!isUtf8(bytes)) throw new StrictJsonError("not UTF-8");
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  let live = 0;
  let values = 0;

  const space = () => {
    for (let c = buffer[at]; c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09; c = buffer[at]) at++;
  };
  /** Goes over a string; true if it has escapes. Most of a document is in strings: the loop is kept tight. */
  const string = (): boolean => {
    let escaped = false;
    let next = at + 1;
    for (let c = buffer[next]; c !== 0x22; c = buffer[++next]) {
      if (c === undefined || c < 0x20) throw new StrictJsonError("a string that does not end");
      if (c === 0x5c) {
        escaped = true;
        next += escapeLength(buffer, next + 1);
      } else if ((next - at) % shortText === 0) {
        while (isPlainPiece(buffer, next + 1)) next += pieceLength;
      }
    }
    at = next + 1;
    return escaped;
  };
  const key = (): string => {
    if (buffer[at] !== 0x22) throw new StrictJsonError("an object without a key");
    const start = at;
    const text = string()
      ? (JSON.parse(buffer.toString("utf8", start, at)) as string)
      : buffer.toString("utf8", start + 1, at - 1);
    if (text === "__proto__") throw new StrictJsonError("key __proto__");
    return text;
  };
  const object = (depth: number) => {
    const seen = new Set<string>();
    for (at++, space(); seen.size > 0 || buffer[at] !== 0x7d; ) {
      const name = key();
      if (seen.has(name)) throw new StrictJsonError(`key ${JSON.stringify(name.slice(0, 100))} twice`);
      seen.add(name);
      if (++live > maxKeys) throw new StrictJsonError(`more than ${maxKeys} keys`);
      space();
      if (buffer[at++] !== 0x3a) throw new StrictJsonError("a key without a value");
      child(depth, name);
      if (buffer[at] === 0x7d) break;
      if (buffer[at++] !== 0x2c) throw new StrictJsonError("an object that does not end");
      space();
    }
    at++;
    live -= seen.size;
  };
  const array = (depth: number) => {
    at++;
    space();
    for (let first = true; !first || buffer[at] !== 0x5d; first = false) {
      child(depth, undefined);
      if (buffer[at] === 0x5d) break;
      if (buffer[at++] !== 0x2c) throw new StrictJsonError("a list that does not end");
    }
    at++;
  };
  const child = (depth: number, name: string | undefined) => {
    space();
    const start = at;
    value(depth);
    if (depth === 1) visit?.(buffer.subarray(start, at), name);
    space();
  };
  const value = (depth: number): void => {
    const c = buffer[at];
    if (++values > maxValues) throw new StrictJsonError(`more than ${maxValues} values`);
    if (c === 0x22) {
      string();
    } else if (c === 0x7b || c === 0x5b) {
      if (depth >= maxDepth) throw new StrictJsonError(`nested deeper than ${maxDepth}`);
      if (c === 0x7b) object(depth + 1);
      else array(depth + 1);
    } else {
      at += scalarLength(buffer, at);
    }
  };

  space();
  value(0);
  space();
  if (at !== buffer.length) throw new StrictJsonError("more than one value");
}

/** Whether the next characters of a string are neither its end nor anything special; native, for texts of megabytes. */
function isPlainPiece(buffer: Buffer, at: number): boolean {
  return at + pieceLength <= buffer.length && !special.test(buffer.toString("latin1", at, at + pieceLength));
}

/** The length of an escape after its backslash. */
function escapeLength(buffer: Buffer, at: number): number {
  const c = buffer[at];
  if (c !== undefined && escapes.has(c)) return 1;
  if (c === 0x75 && [1, 2, 3, 4].every((i) => isHexDigit(buffer[at + i]))) return 5;
  throw new StrictJsonError("an unknown escape");
}

function isHexDigit(c: number | undefined): boolean {
  return c !== undefined && (isDigit(c) || ((c | 0x20) >= 0x61 && (c | 0x20) <= 0x66));
}

function isDigit(c: number | undefined): boolean {
  return c !== undefined && c >= 0x30 && c <= 0x39;
}

/** The length of a number, `true`, `false` or `null`. */
function scalarLength(buffer: Buffer, start: number): number {
  const word = literals.find((literal) => literal[0] === buffer[start]);
  if (word !== undefined) {
    if (word.every((c, i) => buffer[start + i] === c)) return word.length;
    throw new StrictJsonError("an unknown word");
  }
  let at = start + (buffer[start] === 0x2d ? 1 : 0);
  const digits = () => {
    const from = at;
    while (isDigit(buffer[at])) at++;
    if (at === from) throw new StrictJsonError("no value where one is expected");
  };
  if (buffer[at] === 0x30) at++;
  else digits();
  if (buffer[at] === 0x2e) {
    at++;
    digits();
  }
  if (buffer[at] === 0x65 || buffer[at] === 0x45) {
    at += buffer[at + 1] === 0x2b || buffer[at + 1] === 0x2d ? 2 : 1;
    digits();
  }
  return at - start;
}
