/** Why a text is not judged: what stands there that is outside the subset, and where. */
export class CueError extends Error {
  /** Characters from the start of the text. */
  readonly offset: number;
  constructor(message: string, offset: number) {
    super(message);
    this.offset = offset;
  }
}

/** A token; a line that ends where a declaration may end is a `,` without text, as in CUE itself. */
export type CueToken =
  | { readonly kind: "name"; readonly text: string; readonly offset: number }
  | { readonly kind: "string"; readonly text: string; readonly offset: number }
  | { readonly kind: "number"; readonly value: number; readonly offset: number }
  | { readonly kind: "sign"; readonly text: string; readonly offset: number }
  | { readonly kind: "end"; readonly offset: number };

const signs = ["...", "=~", "!~", "!=", "<=", ">=", "<", ">", "{", "}", "(", ")", ":", ",", "&", "|", "-"] as const;

/** What other characters begin, in words. */
const constructs: readonly (readonly [string, string])[] = [
  ["_|_", "the bottom value _|_"],
  ["#", "a definition, or a text in #"],
  ["_", "a hidden field or _"],
  ["==", "the operator ==, which not every CUE knows"],
  ["<-", "the operator <-"],
  ["[", "a list or a pattern of fields"],
  ["*", "a default or a product"],
  ["?", "an optional field"],
  ["!", "a required field or a negation"],
  ["'", "a value of bytes"],
  ["@", "an attribute"],
  ["=", "an alias"],
  [".", "a selector"],
  ["+", "a sum"],
  ["/", "a quotient"],
];

const escapes: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  a: "\u0007",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};

/** A text, token by token. */
export interface CueReader {
  peek(): CueToken;
  peekSecond(): CueToken;
  take(): CueToken;
}

/** Opens a text. What is read throws `CueError` where it meets something outside of the subset. */
export function openCue(text: string): CueReader {
  const ahead: CueToken[] = [];
  let next = 0;
  let last: CueToken | undefined;
  const fill = (count: number): CueToken => {
    while (ahead.length < count) {
      const scanned = scanCue(text, next, last);
      ({ next, token: last } = scanned);
      ahead.push(scanned.token);
    }
    return ahead[count - 1] ?? { kind: "end", offset: text.length };
  };
  return {
    peek: () => fill(1),
    peekSecond: () => fill(2),
    take() {
      const token = fill(1);
      ahead.shift();
      return token;
    },
  };
}

/** Reads the token after `from`; `last` decides whether the end of a line ends a declaration. */
function scanCue(text: string, from: number, last: CueToken | undefined): { token: CueToken; next: number } {
  let offset = from;
  for (; offset < text.length; offset++) {
    if (text[offset] === "\n" && endsDeclaration(last)) return comma(offset, offset + 1);
    if (text.startsWith("//", offset)) offset = endOfLine(text, offset) - 1;
    else if (!/[ \t\n]/.test(text[offset] ?? "") && !text.startsWith("\r\n", offset)) break;
  }
  if (offset < text.length) return scanToken(text, offset);
  if (endsDeclaration(last)) return comma(offset, offset);
  return { token: { kind: "end", offset }, next: offset };
}

function endOfLine(text: string, offset: number): number {
  const end = text.indexOf("\n", offset);
  return end < 0 ? text.length : end;
}

function comma(offset: number, next: number): { token: CueToken; next: number } {
  return { token: { kind: "sign", text: ",", offset }, next };
}

function endsDeclaration(last: CueToken | undefined): boolean {
  if (last === undefined || last.kind === "end") return false;
  return last.kind !== "sign" || ["}", ")", "..."].includes(last.text);
}

function scanToken(text: string, offset: number): { token: CueToken; next: number } {
  const at = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = offset;
    return pattern.exec(text)?.[0];
  };
  const name = at(/[A-Za-z$][A-Za-z0-9_$]*/y);
  if (name !== undefined) {
    const next = offset + name.length;
    if (/[.(]/.test(text[next] ?? "")) throw new CueError(`a call, or something inside of ${shown(name)}`, offset);
    return { token: { kind: "name", text: name, offset }, next };
  }
  if (text[offset] === '"') return scanString(text, offset);
  const digits = at(/[0-9][A-Za-z0-9_.$]*/y);
  if (digits !== undefined)
    return { token: { kind: "number", value: numberOf(digits, offset), offset }, next: offset + digits.length };
  const sign = signs.find((one) => text.startsWith(one, offset));
  const construct = constructs.find(([start]) => text.startsWith(start, offset));
  // What begins with two characters goes before what begins with one of them.
  if (sign !== undefined && (construct?.[0].length ?? 0) <= sign.length)
    return { token: { kind: "sign", text: sign, offset }, next: offset + sign.length };
  throw new CueError(construct?.[1] ?? `the character ${characterAt(text, offset)}`, offset);
}

/**
 * The value of a number that is written as in JSON, and that is exactly that of a double: statements hold no others. One that
 * is whole has no point, since CUE tells 1 and 1.0 apart.
 */
function numberOf(text: string, offset: number): number {
  const value = Number(text);
  const isPlain = /^(?:0|[1-9][0-9]*)(?:\.[0-9]+)?$/.test(text);
  const isWhole = Number.isInteger(value);
  const isExact = isPlain && (isWhole ? text : text.replace(/0+$/, "")) === String(value);
  if (isExact && (!isWhole || Number.isSafeInteger(value))) return value;
  throw new CueError(`the number ${shown(text)} in this form`, offset);
}

function scanString(text: string, start: number): { token: CueToken; next: number } {
  if (text.startsWith('"""', start)) throw new CueError("a text of several lines", start);
  let value = "";
  for (let offset = start + 1; offset < text.length; offset++) {
    const character = text[offset] ?? "";
    if (character === '"') return { token: { kind: "string", text: value, offset: start }, next: offset + 1 };
    if (character !== "\\") {
      if (/[\p{Cc}\u2028\u2029]/u.test(character)) throw new CueError("a control character in a text", offset);
      value += character;
      continue;
    }
    const code = /\\u([0-9A-Fa-f]{4})/y;
    code.lastIndex = offset;
    const hex = code.exec(text)?.[1];
    if (hex !== undefined) {
      value += unicode(hex, offset);
      offset += 5;
      continue;
    }
    const escaped = text[++offset] ?? "";
    if (escaped === "(") throw new CueError("an interpolation", offset - 1);
    const meant = Object.hasOwn(escapes, escaped) ? escapes[escaped] : undefined;
    if (meant === undefined) throw new CueError(`the escape \\${characterAt(text, offset)}`, offset - 1);
    value += meant;
  }
  throw new CueError("a text that does not end", start);
}

/** A character by its code: no half of one, and not the one that stands for what could not be read. */
function unicode(hex: string, offset: number): string {
  const code = Number.parseInt(hex, 16);
  if ((code >= 0xd800 && code < 0xe000) || code === 0xfffd) throw new CueError(`the character \\u${hex}`, offset);
  return String.fromCharCode(code);
}

function characterAt(text: string, offset: number): string {
  const code = text.codePointAt(offset) ?? 0;
  return code > 0x20 && code < 0x7f
    ? String.fromCodePoint(code)
    : `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
}

/** A part of a text, for a message. */
export function shown(text: string): string {
  return text.slice(0, 60);
}
