import { CueError, type CueReader, type CueToken, openCue, shown } from "./cue-scan.ts";

export { CueError } from "./cue-scan.ts";

/** A check of one value. */
export type CueCheck =
  | { readonly kind: "equals"; readonly value: string | number | boolean | null; readonly offset: number }
  | {
      readonly kind: "compares";
      readonly operator: "=~" | "!~" | "!=" | "<" | "<=" | ">" | ">=";
      readonly value: string | number | null;
      readonly offset: number;
    }
  | { readonly kind: "type"; readonly type: CueType; readonly offset: number }
  | { readonly kind: "all" | "any"; readonly of: readonly CueCheck[]; readonly offset: number };

export type CueType = "string" | "number" | "int" | "bool";

/** What must hold of the value at a path. */
export interface CueConstraint {
  readonly path: readonly string[];
  readonly check: CueCheck;
}

const maxLength = 64 * 1024;
const maxDepth = 32;
const maxFields = 1000;

const types: readonly string[] = ["string", "number", "int", "bool"] satisfies readonly CueType[];
const words: Readonly<Record<string, boolean | null>> = { true: true, false: false, null: null };
/** As a label without quotes they would be what later names mean, or begin a declaration. */
const notLabels = [...types, ...Object.keys(words), "import", "package", "if", "for", "in", "let", "func", "try"];
const operators: readonly string[] = ["=~", "!~", "!=", "<", "<=", ">", ">="];

/**
 * Parses a small part of CUE, with the meaning it has there: fields in braces or with `a: b: c`, and for each of them checks of
 * its value. Each constraint must hold; there is at least one. Throws `CueError` for everything else.
 */
export function parseCue(text: string): readonly CueConstraint[] {
  if (text.length > maxLength) throw new CueError(`a text longer than ${maxLength} characters`, maxLength);
  const broken = /[\p{Cf}\p{Cs}\ufffd]|(?![\t\r\n])\p{Cc}|\r(?!\n)/u.exec(text);
  if (broken !== null) throw new CueError("a character that is not text", broken.index);
  const reader = openCue(text);
  if (isName(reader.peek(), "package")) readPackage(reader);
  const found: CueConstraint[] = [];
  const state: State = { reader, found, fields: 0 };
  readFields(state, [], "end");
  return found;
}

interface State {
  readonly reader: CueReader;
  readonly found: CueConstraint[];
  fields: number;
}

function isSign(token: CueToken, ...texts: readonly string[]): boolean {
  return token.kind === "sign" && texts.includes(token.text);
}

function isName(token: CueToken, text: string): boolean {
  return token.kind === "name" && token.text === text;
}

function unexpected(token: CueToken, wanted: string): CueError {
  const what =
    token.kind === "end"
      ? "the end of the text"
      : token.kind === "number" || token.kind === "string"
        ? `a ${token.kind}`
        : shown(token.text);
  return new CueError(`${what}, where ${wanted} is expected`, token.offset);
}

function readPackage({ take, peek }: CueReader): void {
  take();
  const name = take();
  if (name.kind !== "name" || notLabels.includes(name.text)) throw unexpected(name, "the name of a package");
  if (!isSign(peek(), ",")) throw unexpected(peek(), "the end of the line");
  take();
}

/** The fields of a struct, or of the file, up to its end, which is left to the caller. */
function readFields(state: State, path: readonly string[], end: "}" | "end"): void {
  const { reader } = state;
  const isEnd = () => (end === "end" ? reader.peek().kind === "end" : isSign(reader.peek(), end));
  for (let isFirst = true; isFirst || !isEnd(); isFirst = false) {
    const isOpen = isSign(reader.peek(), "...");
    if (isFirst && (isOpen || isEnd())) throw new CueError("a struct without a field", reader.peek().offset);
    if (isOpen) reader.take();
    else readField(state, path);
    if (isSign(reader.peek(), ",")) reader.take();
    else if (!isEnd()) throw unexpected(reader.peek(), "the end of the field");
    if (isOpen && !isEnd()) throw unexpected(reader.peek(), "the end of the struct");
  }
}

function readField(state: State, parent: readonly string[]): void {
  const { reader } = state;
  const path = [...parent, readLabel(reader.take())];
  if (++state.fields > maxFields) throw new CueError(`more than ${maxFields} fields`, reader.peek().offset);
  if (path.length > maxDepth) throw new CueError(`fields nested deeper than ${maxDepth}`, reader.peek().offset);
  if (!isSign(reader.peek(), ":")) throw unexpected(reader.peek(), "a colon");
  reader.take();
  const value = reader.peek();
  if (isSign(value, "{")) {
    reader.take();
    readFields(state, path, "}");
    reader.take();
    if (isSign(reader.peek(), "&", "|")) throw new CueError("a struct in an expression", reader.peek().offset);
  } else if ((value.kind === "name" || value.kind === "string") && isSign(reader.peekSecond(), ":")) {
    readField(state, path);
  } else {
    state.found.push({ path, check: readCheck(reader, 0) });
  }
}

function readLabel(token: CueToken): string {
  if (token.kind === "string") return token.text;
  if (token.kind !== "name") throw unexpected(token, "the name of a field");
  if (!notLabels.includes(token.text)) return token.text;
  const isImport = token.text === "import";
  throw new CueError(isImport ? "an import" : `${token.text} in the place of a field, without quotes`, token.offset);
}

function readCheck(reader: CueReader, depth: number): CueCheck {
  return readOperands(reader, "|", "any", () => readOperands(reader, "&", "all", () => readOperand(reader, depth)));
}

function readOperands(reader: CueReader, sign: string, kind: "all" | "any", read: () => CueCheck): CueCheck {
  const first = read();
  const of = [first];
  while (isSign(reader.peek(), sign)) {
    reader.take();
    of.push(read());
  }
  return of.length === 1 ? first : { kind, of, offset: first.offset };
}

function readOperand(reader: CueReader, depth: number): CueCheck {
  const token = reader.take();
  const { offset } = token;
  if (isSign(token, "(")) {
    if (depth >= maxDepth) throw new CueError(`parentheses nested deeper than ${maxDepth}`, offset);
    const inner = readCheck(reader, depth + 1);
    if (!isSign(reader.peek(), ")")) throw unexpected(reader.peek(), "a closing parenthesis");
    reader.take();
    return inner;
  }
  if (isSign(token, "{")) throw new CueError("a struct in an expression", offset);
  if (token.kind === "sign" && operators.includes(token.text)) return readComparison(token.text, offset, reader);
  if (token.kind === "name" && types.includes(token.text)) return { kind: "type", type: token.text as CueType, offset };
  return { kind: "equals", value: readLiteral(token, reader), offset };
}

function readComparison(text: string, offset: number, reader: CueReader): CueCheck {
  const token = reader.take();
  const value = readLiteral(token, reader);
  const operator = text as (CueCheck & { kind: "compares" })["operator"];
  const isPattern = operator === "=~" || operator === "!~";
  const fits =
    typeof value === "string" || (typeof value === "number" && !isPattern) || (value === null && text === "!=");
  if (!fits || typeof value === "boolean") throw unexpected(token, isPattern ? "a text" : "a text or a number");
  return { kind: "compares", operator, value, offset };
}

function readLiteral(token: CueToken, reader: CueReader): string | number | boolean | null {
  if (token.kind === "string") return token.text;
  if (token.kind === "number") return token.value;
  if (isSign(token, "-")) {
    const number = reader.take();
    if (number.kind === "number") return -number.value;
    throw unexpected(number, "a number");
  }
  if (token.kind !== "name") throw unexpected(token, "a value");
  const word = Object.hasOwn(words, token.text) ? words[token.text] : undefined;
  if (word !== undefined) return word;
  throw new CueError(
    ["if", "for", "let"].includes(token.text) ? "a comprehension or let" : `the reference ${shown(token.text)}`,
    token.offset,
  );
}
