import { compilePattern } from "../../crypto/pattern.ts";
import { maxConditionLength } from "../cel.ts";
import { type CueCheck, type CueConstraint, CueError, type CueType, parseCue } from "./cue-parse.ts";

/** What a rule in CUE comes to. */
export type CueRule =
  /** A condition in CEL over `predicate` and `predicateType`; `ofType` is the part of it that is about the latter alone. */
  | { readonly condition: string; readonly ofType?: string }
  /** What of the text is not judged here, and where: `line` and `column` from 1, `offset` in characters from 0. */
  | { readonly unread: string; readonly line: number; readonly column: number; readonly offset: number };

/**
 * Turns a rule over the statement of an attestation into a condition. What the condition admits, CUE admits too. It is
 * stricter: a field that the rule names must be in the statement, where CUE would fill it in; `int` is within what a double
 * holds exactly. Anything beyond a small part of the language is not converted. Pure; never throws.
 *
 * `isRewritten`: before CUE sees a statement of this type, policy-controller reads it into a structure and writes that. What
 * would be written otherwise then is not compared: `null`, and times in other forms than its own.
 */
export function conditionOfCue(text: string, isRewritten = false): CueRule {
  try {
    const constraints = parseCue(text);
    if (constraints.every(isVacuous)) throw new CueError("no rule about the predicate", 0);
    const clauses = constraints.map((one) => ({ ...one, clause: clauseOf(one, isRewritten) }));
    const condition = joined(clauses);
    if (condition.length > maxConditionLength)
      throw new CueError(`a rule that takes more than ${maxConditionLength} characters as a condition`, 0);
    for (const { check } of constraints) refuseBrokenPatterns(check);
    const ofType = clauses.filter(({ path }) => path[0] === "predicateType");
    return ofType.length === 0 ? { condition } : { condition, ofType: joined(ofType) };
  } catch (error) {
    if (!(error instanceof CueError)) throw error;
    const lines = text.slice(0, error.offset).split("\n");
    const column = (lines.at(-1) ?? "").length + 1;
    return { unread: error.message, line: lines.length, column, offset: error.offset };
  }
}

function joined(clauses: readonly { readonly clause: string }[]): string {
  return [...new Set(clauses.map(({ clause }) => clause))].join(" && ");
}

/** A type is always a text; that it is one says nothing. */
function isVacuous({ path, check }: CueConstraint): boolean {
  return path[0] === "predicateType" && check.kind === "type";
}

function clauseOf({ path, check }: CueConstraint, isRewritten: boolean): string {
  const [top = "", ...rest] = path;
  if (top === "predicateType" && rest.length === 0) {
    refuseOtherThanText(check);
    return expressionOf(check, top, "&&");
  }
  if (rest.includes("constructor")) throw new CueError("a field called constructor", check.offset);
  if (top === "predicate") {
    const value = rest.reduce(fieldOf, top);
    if (isRewritten) refuseNull(check);
    const isTime = isRewritten && timeFields.test(rest.at(-1) ?? "");
    return `${isTime ? `${value}.matches(${quoted(goTime)}) && ` : ""}${expressionOf(check, value, "&&")}`;
  }
  throw new CueError(
    `a rule about ${path.slice(0, 5).join(".").slice(0, 60)}, not about predicate or predicateType`,
    check.offset,
  );
}

const timeFields = /^(?:scan|build)?(?:Started|Finished)On$/i;
/** A time as Go writes it: no zeros at the end of a fraction, no offset of zero. */
const goTime =
  "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{0,8}[1-9])?(Z|[+-](0[1-9]|1[0-9]|2[0-3]):[0-9]{2})";

function refuseNull(check: CueCheck): void {
  if ("of" in check) for (const one of check.of) refuseNull(one);
  else if (check.kind === "equals" && check.value === null)
    throw new CueError("null, in an attestation of a type that policy-controller writes anew", check.offset);
}

/** The engine knows that it is a text, and takes no comparison with anything else. */
function refuseOtherThanText(check: CueCheck): void {
  if ("of" in check) {
    for (const one of check.of) refuseOtherThanText(one);
    return;
  }
  if (check.kind === "type" ? check.type !== "string" : typeof check.value !== "string")
    throw new CueError("predicateType as something else than a text", check.offset);
}

/** Words that CEL keeps for itself. */
const reserved =
  /^(?:as|break|const|continue|else|false|for|function|if|import|in|let|loop|namespace|null|package|prototype|return|true|var|void|while)$/;

function fieldOf(value: string, name: string): string {
  return /^[A-Za-z][A-Za-z0-9_]*$/.test(name) && !reserved.test(name)
    ? `${value}.${name}`
    : `${value}[${quoted(name)}]`;
}

function quoted(text: string): string {
  return JSON.stringify(text).replaceAll("\u007f", "\\u007f");
}

/** A field that is not there is an error of the engine in every clause: no condition holds with it. */
function expressionOf(check: CueCheck, value: string, inside: "&&" | "||"): string {
  switch (check.kind) {
    case "equals":
      return `${value} == ${literalOf(check.value)}`;
    case "type":
      return grouped(typeChecks[check.type](value), inside);
    case "all":
      return grouped(
        check.of.map((one) => expressionOf(one, value, "&&")),
        inside,
      );
    case "any": {
      const text = check.of.map((one) => expressionOf(one, value, "||")).join(" || ");
      return inside === "&&" ? `(${text})` : text;
    }
    case "compares":
      return comparisonOf(check, value, inside);
  }
}

function grouped(clauses: readonly string[], inside: "&&" | "||"): string {
  const text = clauses.join(" && ");
  return inside === "||" && clauses.length > 1 ? `(${text})` : text;
}

function literalOf(value: string | number | boolean | null): string {
  return typeof value === "string" ? quoted(value) : String(value);
}

/** CUE tells whole numbers from others; in a statement a number is whole if its value is. */
const typeChecks: Readonly<Record<CueType, (value: string) => readonly string[]>> = {
  string: (value) => [`type(${value}) == string`],
  bool: (value) => [`type(${value}) == bool`],
  number: (value) => [`type(${value}) == double`],
  int: (value) => [
    `type(${value}) == double`,
    `${value} >= ${Number.MIN_SAFE_INTEGER}`,
    `${value} <= ${Number.MAX_SAFE_INTEGER}`,
    `int(${value}) == ${value}`,
  ],
};

function comparisonOf(check: CueCheck & { kind: "compares" }, value: string, inside: "&&" | "||"): string {
  const { operator, value: bound } = check;
  if (operator === "=~" || operator === "!~") {
    const pattern = quoted(searching(String(bound), check.offset));
    return `${operator === "!~" ? "!" : ""}${value}.matches(${pattern})`;
  }
  const comparison = `${value} ${operator} ${literalOf(bound)}`;
  if (operator !== "!=") {
    // By code points in CUE, by UTF-16 here: the same where the bound is ASCII.
    if (typeof bound === "string" && /[^\p{ASCII}]/u.test(bound))
      throw new CueError("the order of texts beyond ASCII", check.offset);
    return comparison;
  }
  if (bound === null) return comparison;
  const type = typeof bound === "string" ? "string" : "number";
  return grouped([...typeChecks[type](value), comparison], inside);
}

/** What both engines of RE2 take, and take alike. */
const plainPattern = /^(?:[^\\]|\\[dDwWsSbBAzntrfva]|\\[^\p{L}\p{N}])*$/u;

/** An expression that matches, as a whole, what `pattern` matches anywhere. */
function searching(pattern: string, offset: number): string {
  const refuse = (why: string) => new CueError(`a regular expression ${why}`, offset);
  if (/[^\x20-\x7e]/.test(pattern)) throw refuse("with other characters than those of ASCII");
  if (!plainPattern.test(pattern)) throw refuse("with escapes such as \\p, \\x and \\Q");
  if (/\(\?(?!:|[ims]+[:)])/.test(pattern))
    throw refuse("with other groups than (…), (?:…), and flags other than i, m, s");
  return `(?s:.*)(?:${pattern})(?s:.*)`;
}

/** Each by itself: put between others, half of one may become a whole. */
function refuseBrokenPatterns(check: CueCheck): void {
  if ("of" in check) for (const one of check.of) refuseBrokenPatterns(one);
  else if (check.kind === "compares" && /~$/.test(check.operator)) {
    try {
      compilePattern(String(check.value));
    } catch (error) {
      const why = error instanceof Error ? error.message.slice(0, 100) : "not RE2";
      throw new CueError(`a regular expression that is not taken: ${why}`, check.offset);
    }
  }
}
