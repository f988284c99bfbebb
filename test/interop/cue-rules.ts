import fc from "fast-check";

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** One field of a rule. */
export interface Field {
  readonly path: readonly string[];
  readonly check: string;
  /** A value that has something to do with the check. */
  readonly near: Json;
}

const texts = [
  "a",
  "ab",
  "b",
  "",
  "B",
  "é",
  "k",
  "5",
  "a\nb",
  "https://github.com/acme/x",
  "a\u007f",
  "\u0000",
  'q"\\(x)',
  "日本",
  "😀",
];
const numbers = [0, 1, -1, 5, 6, 5.5, -0.5, 0.1, 100, 9007199254740991, -9007199254740991];
/** Values that no rule can be about, or only nearly. */
export const strange: readonly Json[] = [
  [],
  {},
  [1],
  ["a"],
  { a: 1 },
  1e21,
  1e20,
  -1e21,
  1e-7,
  1e300,
  9007199254740992,
  5.000001,
  "\u212a",
  "\u017f",
  "\ud800",
  "\ufffd",
  "\uffee",
  "\u2028",
];
const patterns = [
  "",
  "a",
  "^a",
  "a$",
  "^a$",
  "(?i)k",
  "(?i)S",
  "^(?i:A)b",
  "(?m)^b$",
  "(?s)a.b",
  "a.b",
  "a|b",
  "^a|b$",
  "[^a]",
  "^[^a]*$",
  "^.$",
  "^$",
  "\\.",
  "\\bacme\\b",
  "^(a|b)+$",
  "a{2,3}",
  "[[:alpha:]]",
  "\\S",
  "\\W",
  "^https://github\\.com/acme/",
  "\\Aa\\z",
  "(",
  "a**",
  "\\pL",
  "\\Qa",
  "(?P<n>a)",
  "x{1001}",
  "[b-a]",
  "\\d",
];
const patternPieces = [..."ab.*+?()[]{}|^$\\-,1", "(?:", "(?i)", "\\b", "[^", "\\w", "{1}", "\\_", "\\-", "[:alpha:]"];

const names = [
  "a",
  "b",
  "c",
  "id",
  "builder",
  "a-b",
  "é",
  "if",
  "string",
  "int",
  "constructor",
  "toString",
  "",
  "_x",
  "#y",
  "prototype",
  "a.b",
  "0",
  "$r",
];

/** One of them, by weight. */
export const weighted = <T>(...pairs: readonly (readonly [number, fc.Arbitrary<T>])[]): fc.Arbitrary<T> =>
  fc.oneof(...pairs.map(([weight, arbitrary]) => ({ weight, arbitrary })));

export const text = weighted([6, fc.constantFrom(...texts)], [1, fc.string({ unit: "grapheme", maxLength: 5 })]);
export const number = weighted(
  [6, fc.constantFrom(...numbers)],
  [1, fc.integer()],
  [1, fc.double({ noNaN: true, noDefaultInfinity: true })],
);
const pattern = weighted(
  [3, fc.constantFrom(...patterns)],
  [1, fc.array(fc.constantFrom(...patternPieces), { maxLength: 6 }).map((pieces) => pieces.join(""))],
);

/** A check, and a value near it. */
const leaf: fc.Arbitrary<readonly [string, Json]> = weighted<readonly [string, Json]>(
  [6, text.map((value) => [JSON.stringify(value), value])],
  [4, number.map((value) => [String(value), value])],
  [1, fc.constantFrom(true, false).map((value) => [String(value), value])],
  [1, fc.constant(["null", null])],
  [
    3,
    fc.constantFrom<readonly [string, Json]>(
      ["string", "a"],
      ["number", 5.5],
      ["int", 5],
      ["bool", true],
      ["int", 1e21],
      ["int", 5.5],
    ),
  ],
  [
    4,
    fc
      .tuple(fc.constantFrom("=~", "!~"), pattern, text)
      .map(([operator, one, near]) => [operator + JSON.stringify(one), near]),
  ],
  [
    3,
    fc
      .tuple(fc.constantFrom("!=", "<", "<=", ">", ">="), text)
      .map(([operator, value]) => [operator + JSON.stringify(value), value]),
  ],
  [
    4,
    fc
      .tuple(fc.constantFrom("!=", "<", "< ", "<=", ">", ">="), number, fc.constantFrom(0, 0, 1, -1))
      .map(([operator, value, off]) => [operator + String(value), value + off]),
  ],
  [1, fc.constantFrom<readonly [string, Json]>(["!=null", 1], ["!=null", null], ["!=null", []])],
);

const check: fc.Arbitrary<readonly [string, Json]> = fc.letrec<{ check: readonly [string, Json] }>((tie) => ({
  check: weighted(
    [8, leaf],
    [
      2,
      fc
        .tuple(
          fc.array(tie("check"), { minLength: 2, maxLength: 3 }),
          fc.constantFrom(" | ", " & ", "|", " &\n"),
          fc.boolean(),
          fc.nat(2),
        )
        .map(([checks, sign, isGrouped, which]): readonly [string, Json] => {
          const joined = checks.map(([one]) => one).join(sign);
          return [isGrouped ? `(${joined})` : joined, (checks[which] ?? checks[0])?.[1] ?? null];
        }),
    ],
  ),
})).check;

const field: fc.Arbitrary<Field> = fc
  .tuple(fc.array(fc.constantFrom(...names), { minLength: 1, maxLength: 3 }), check, fc.nat(12))
  .map(([path, [written, near], top]) => ({
    path: top === 0 && typeof near === "string" ? ["predicateType"] : ["predicate", ...path],
    check: written,
    near,
  }));

type Quoting = "always" | "as needed" | "hardly";

/** Without quotes some names mean something else: rarely they are left out all the same. */
function label(name: string, quotes: Quoting): string {
  const bare = quotes === "hardly" ? /^[A-Za-z$][A-Za-z0-9$]*$/ : /^(?!(?:if|string|int)$)[A-Za-z$][A-Za-z0-9$]*$/;
  return quotes !== "always" && bare.test(name) ? name : JSON.stringify(name);
}

const quoting = weighted<Quoting>(
  [6, fc.constant("always")],
  [13, fc.constant("as needed")],
  [1, fc.constant("hardly")],
);

/** Fields in one of the ways in which they may be written: in a chain, or in braces. */
function layout({ path, check: written }: Field): fc.Arbitrary<string> {
  return fc
    .tuple(
      ...path.map(() =>
        fc.tuple(
          quoting,
          fc.constantFrom<"chain" | "braces" | "lines" | "open">("chain", "chain", "braces", "lines", "open"),
        ),
      ),
    )
    .map((styles) =>
      path.reduceRight((inner, name, index) => {
        const [quotes, style] = styles[index] ?? ["always", "chain"];
        const start = `${label(name, quotes)}:`;
        if (index === path.length - 1) return `${start} ${inner}`;
        if (style === "chain") return `${start} ${inner}`;
        if (style === "braces") return `${start} {${inner}}`;
        return style === "lines" ? `${start} { // why\n\t${inner},\r\n}` : `${start} {\n${inner}\n...\n}`;
      }, written),
    );
}

/** A rule as a text, with the fields that it is made of. */
export const rule: fc.Arbitrary<readonly [string, readonly Field[]]> = fc
  .tuple(
    fc.array(field, { minLength: 1, maxLength: 3 }),
    fc.constantFrom("\n", ", ", "\n\n// x\n"),
    fc.constantFrom("", "package p\n", "// c\n"),
  )
  .chain(([fields, between, head]) =>
    fc
      .tuple(...fields.map(layout))
      .map((written): readonly [string, readonly Field[]] => [head + written.join(between), fields]),
  );

/** A change that makes another text of a rule, mostly one that is no rule any more. */
export const edits = fc.array(
  fc.tuple(
    fc.nat(),
    fc.constantFrom("delete", "insert", "double", "swap"),
    fc.constantFrom(
      ..."{}():,|&=~!<>-*?_#.\"'\\ \n\r\ta1[]@$/é",
      "...",
      "\\u0061",
      "null",
      "string",
      "_|_",
      "//",
      "<-",
      "\ufeff",
      "K",
      ".0",
      "e1",
    ),
  ),
  { minLength: 1, maxLength: 2 },
);

/** The text after one of them. */
export function edited(cue: string, [at, how, piece]: readonly [number, string, string]): string {
  const index = at % (cue.length + 1);
  const [before, after] = [cue.slice(0, index), cue.slice(index)];
  if (how === "delete") return before + after.slice(1);
  if (how === "double") return before + after.slice(0, 3) + after;
  return how === "swap" ? before + after.slice(1, 2) + after.slice(0, 1) + after.slice(2) : before + piece + after;
}
