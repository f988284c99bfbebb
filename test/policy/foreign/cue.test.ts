import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compileCondition } from "../../../src/policy/cel.ts";
import { conditionOfCue } from "../../../src/policy/foreign/cue.ts";

const converted = (text: string): string => {
  const rule = conditionOfCue(text);
  if ("unread" in rule) throw new Error(`${rule.line}:${rule.column}: ${rule.unread}`);
  return rule.condition;
};

/** Whether the predicate meets the rule. */
const admits = (text: string, predicate: unknown, predicateType = "https://example.com/t"): boolean =>
  compileCondition(converted(text), "attestation").test({ predicate, predicateType }).holds;

describe("a rule in CUE", () => {
  it.each([
    ['predicateType: "https://example.com/t"', 'predicateType == "https://example.com/t"'],
    ['predicate: builder: id: "e2e-test"', 'predicate.builder.id == "e2e-test"'],
    [
      'predicate: { builder: { id: "a" }, metadata: component: name: "x" }',
      'predicate.builder.id == "a" && predicate.metadata.component.name == "x"',
    ],
    ['predicate: buildType: "a" | "b"', '(predicate.buildType == "a" || predicate.buildType == "b")'],
    ['predicate: uri: =~"^https://"', 'predicate.uri.matches("(?s:.*)(?:^https://)(?s:.*)")'],
    ['predicate: uri: !~"x"', '!predicate.uri.matches("(?s:.*)(?:x)(?s:.*)")'],
    [
      "predicate: {n: >=1 & <10, ok: true, none: null}",
      "predicate.n >= 1 && predicate.n < 10 && predicate.ok == true && predicate.none == null",
    ],
    ["predicate: n: >-1", "predicate.n > -1"],
    ['predicate: s: !=""', 'type(predicate.s) == string && predicate.s != ""'],
    ['predicate: "a-b": "if": c: bool', 'type(predicate["a-b"]["if"].c) == bool'],
    [
      'predicate: a: ("x" | 1) & !="y"',
      '(predicate.a == "x" || predicate.a == 1) && type(predicate.a) == string && predicate.a != "y"',
    ],
    [
      'package p\n// why\npredicate: {\n\ta: 1, // one\n\tb: "x"\r\n\t...\n}\npredicate: a: 1\n',
      'predicate.a == 1 && predicate.b == "x"',
    ],
    ['predicate: s: "\\u00e9\\"\\\\\\n\\/"', 'predicate.s == "é\\"\\\\\\n/"'],
  ])("%s becomes a condition", (cue, condition) => {
    expect(converted(cue)).toBe(condition);
    expect(() => compileCondition(condition, "attestation")).not.toThrow();
  });

  it("is converted as the documentation shows", () => {
    const page = readFileSync(new URL("../../../docs/foreign-policies.md", import.meta.url), "utf8");
    const [, cue = "", shown = ""] = /```cue\n([^`]*)```\n\nbecomes `([^`]*) && \([^`]*`/.exec(page) ?? [];
    expect(shown).not.toBe("");
    expect(converted(cue).startsWith(shown)).toBe(true);
  });

  it("has & bind closer than |", () => {
    expect(converted("predicate: a: 1 | 2 & 3 | 4")).toBe(
      "(predicate.a == 1 || (predicate.a == 2 && predicate.a == 3) || predicate.a == 4)",
    );
    expect(admits('predicate: a: "\\a\\b\\f\\n\\r\\t\\v"', { a: "\u0007\b\f\n\r\t\v" })).toBe(true);
  });

  it("says what of it is about the type alone", () => {
    expect(conditionOfCue('predicateType: "t", predicate: a: 1')).toEqual({
      condition: 'predicateType == "t" && predicate.a == 1',
      ofType: 'predicateType == "t"',
    });
  });

  it("searches with expressions, and each stands by itself", () => {
    expect(admits('predicate: a: =~"b|c"', { a: "abd" })).toBe(true);
    expect(admits('predicate: a: =~"^b|c$"', { a: "abcd" })).toBe(false);
    expect(admits('predicate: a: =~"b.d"', { a: "a\nbxd\n" })).toBe(true);
    expect(admits('predicate: a: !~"(?i)B"', { a: "abd" })).toBe(false);
    expect(conditionOfCue('predicate: a: =~"a)(b"')).toMatchObject({ unread: expect.stringContaining("not taken") });
  });

  it("holds both of what is given twice", () => {
    const rule = "predicate: a: >1\npredicate: a: <3";
    expect([1, 2, 3].map((a) => admits(rule, { a }))).toEqual([false, true, false]);
    expect(admits('predicate: a: "x", predicate: a: b: 1', { a: "x" })).toBe(false);
    expect(admits('predicate: a: "x", predicate: a: b: 1', { a: { b: 1 } })).toBe(false);
  });

  it("wants what it names to be there", () => {
    for (const check of ['"x"', '!="x"', '!~"x"', "string", "null", "!=null", '"x" | null', "<1", "bool | int"])
      for (const predicate of [{}, { b: "x" }, { a: {} }, [], "x", null, 5])
        expect(admits(`predicate: a: b: ${check}`, predicate), check).toBe(false);
  });

  it("does not take one type for another", () => {
    const values = ["5", 5, 5.5, true, null, [], {}, ["5"], { "5": 5 }];
    const meeting = (check: string) => values.filter((a) => admits(`predicate: a: ${check}`, { a }));
    expect(meeting("string")).toEqual(["5"]);
    expect(meeting("number")).toEqual([5, 5.5]);
    expect(meeting("int")).toEqual([5]);
    expect(meeting("bool")).toEqual([true]);
    expect(meeting("null")).toEqual([null]);
    expect(meeting("5")).toEqual([5]);
    expect(meeting('"5"')).toEqual(["5"]);
    expect(meeting("!=6")).toEqual([5, 5.5]);
    expect(meeting('!="6"')).toEqual(["5"]);
    expect(meeting(">4")).toEqual([5, 5.5]);
    expect(meeting('<"6"')).toEqual(["5"]);
    expect(meeting('!~"6"')).toEqual(["5"]);
  });

  it("takes no number for whole that CUE does not", () => {
    expect([1e21, -1e21, 1e300, 0.1, 1e-7].filter((a) => admits("predicate: a: int", { a }))).toEqual([]);
    expect(admits("predicate: a: int", { a: -9007199254740991 })).toBe(true);
  });
});

describe("a rule about a type that policy-controller reads into a structure first", () => {
  const time = (written: string): boolean => {
    const rule = conditionOfCue("predicate: metadata: scanStartedOn: string", true);
    const predicate = { metadata: { scanStartedOn: written } };
    return (
      "condition" in rule &&
      compileCondition(rule.condition, "attestation").test({ predicate, predicateType: "t" }).holds
    );
  };

  it("compares times that are written as it writes them, and no others", () => {
    for (const good of ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000000001Z", "2026-01-01T00:00:00.5+09:00"])
      expect(time(good), good).toBe(true);
    for (const bad of [
      "2026-01-01T00:00:00.0Z",
      "2026-01-01T00:00:00.50Z",
      "2026-01-01T00:00:00+00:00",
      "2026-01-01t00:00:00z",
      "",
      "now",
      "2026-01-01T00:00:00.Z",
    ])
      expect(time(bad), bad).toBe(false);
  });

  it("compares nothing with null", () => {
    for (const check of ["null", 'null | "a"', "!=null & (null | 1)"])
      expect(conditionOfCue(`predicate: a: ${check}`, true)).toMatchObject({ unread: expect.stringMatching(/^null/) });
    expect(conditionOfCue("predicate: a: !=null", true)).toHaveProperty("condition");
  });
});

describe("CUE that is not converted", () => {
  it.each([
    ['import "time"\npredicate: a: 1', 1, 1, "import"],
    ["predicate: a: time.Parse(x)", 1, 15, "call"],
    ["predicate: a: strings.MinRunes(1)", 1, 15, "strings"],
    ["predicate: a: len(b)", 1, 15, "len"],
    ["predicate: {\n  a: foo\n}", 2, 6, "reference foo"],
    ["#X: a: 1", 1, 1, "definition"],
    ["predicate: #X", 1, 12, "definition"],
    ["predicate: _x: 1", 1, 12, "hidden"],
    ["predicate: _", 1, 12, "_"],
    ["predicate: a: _|_", 1, 15, "bottom"],
    ["predicate: a: [1]", 1, 15, "list"],
    ["predicate: [string]: 1", 1, 12, "pattern"],
    ["predicate: a?: 1", 1, 13, "optional"],
    ["predicate: a!: 1", 1, 13, "required"],
    ['predicate: a: *"x" | "y"', 1, 15, "default"],
    ['predicate: a: "\\(b)"', 1, 16, "interpolation"],
    ['predicate: a: """\n  x\n  """', 1, 15, "several lines"],
    ["predicate: a: 'x'", 1, 15, "bytes"],
    ['predicate: a: #"x"#', 1, 15, "#"],
    ["predicate: {if true {a: 1}}", 1, 13, "if"],
    ["predicate: {for x in y {a: 1}}", 1, 13, "for"],
    ["let x = 1\npredicate: a: 1", 1, 1, "let"],
    ["x = predicate: a: 1", 1, 3, "alias"],
    ["predicate: a: 1 @x(y)", 1, 17, "attribute"],
    ["predicate: a: ==1", 1, 15, "=="],
    ["predicate: a: <-1", 1, 15, "<-"],
    ["predicate: a: 1 + 2", 1, 17, "sum"],
    ["predicate: {a: 1} & {b: 1}", 1, 19, "struct"],
    ["predicate: a: {b: 1} | 1", 1, 22, "struct"],
    ["predicate: a: 1 | {b: 1}", 1, 19, "struct"],
    ["predicate: a: !true", 1, 15, "negation"],
    ["predicate: a: !=true", 1, 17, "true"],
    ["predicate: a: =~5", 1, 17, "number"],
    ["predicate: a: float", 1, 15, "float"],
    ["predicate: string: 1", 1, 12, "string"],
    ["package int\npredicate: a: int", 1, 9, "int"],
    ["foo: 1", 1, 6, "foo"],
    ["subject: a: 1", 1, 13, "subject"],
    ["predicateType: a: 1", 1, 19, "predicateType.a"],
    ["predicateType: 5", 1, 16, "text"],
    ['predicateType: "t" | null', 1, 22, "text"],
    ["predicate: constructor: 1", 1, 25, "constructor"],
    ["predicate: a: 1.0", 1, 15, "1.0"],
    ["predicate: a: 1e3", 1, 15, "1e3"],
    ["predicate: a: 0x10", 1, 15, "0x10"],
    ["predicate: a: 1_000", 1, 15, "1_000"],
    ["predicate: a: 1K", 1, 15, "1K"],
    ["predicate: a: 007", 1, 15, "007"],
    ["predicate: a: .5", 1, 15, "selector"],
    ["predicate: a: 9007199254740993", 1, 15, "9007199254740993"],
    ["predicate: a: 0.1000000000000000055511151231257827", 1, 15, "0.1"],
    ["predicate: a: 1 b: 2", 1, 17, "b"],
    ["predicate: a: 1\n| 2", 2, 1, "|"],
    ["predicate: a: 1,, b: 2", 1, 17, ","],
    ["predicate: {a: 1", 1, 17, "end"],
    ["predicate: {a: 1}}", 1, 18, "}"],
    ["predicate: {..., a: 1}", 1, 13, "without a field"],
    ["predicate: {a: 1, ..., b: 1}", 1, 24, "b"],
    ['predicate: a: "x', 1, 15, "does not end"],
    ['predicate: a: "x\ny"', 1, 17, "control"],
    ['predicate: a: "\\x41"', 1, 16, "\\x"],
    ['predicate: a: "\\ud83d\\ude00"', 1, 16, "ud83d"],
    ['predicate: a: "\\ufffd"', 1, 16, "ufffd"],
    ["predicate: a: \ufffd", 1, 15, "not text"],
    ["predicate: a: 1\rpredicate: b: 1", 1, 16, "not text"],
    ["\ufeffpredicate: a: 1", 1, 1, "not text"],
    ['predicate: a: =~"é"', 1, 15, "ASCII"],
    ['predicate: a: =~"\\\\pL"', 1, 15, "\\p"],
    ['predicate: a: =~"\\\\Qa"', 1, 15, "\\Q"],
    ['predicate: a: =~"(?P<n>a)"', 1, 15, "groups"],
    ['predicate: a: =~"("', 1, 15, "not taken"],
    ['predicate: a: <"é"', 1, 15, "order"],
  ])("%j is refused, with its place and name", (cue, line, column, name) => {
    expect(conditionOfCue(cue)).toMatchObject({ unread: expect.stringContaining(name), line, column });
  });

  it.each([
    "",
    "\n// nothing\n",
    "package p\n",
    "{}",
    "predicate: {}",
    "predicate: {...}",
    "...",
    'predicate: a: {}, predicateType: "t"',
    "predicateType: string",
    "predicate",
    "predicate:",
  ])("%j asks for nothing, and is refused", (cue) => {
    expect(conditionOfCue(cue)).toHaveProperty("unread");
  });

  it("is refused beyond its bounds", () => {
    const fields = Array.from({ length: 1001 }, (_, index) => `predicate: a${index}: 1`).join("\n");
    for (const cue of [
      `predicate: a: 1 //${"x".repeat(64 * 1024)}`,
      `predicate: ${"a: ".repeat(40)}1`,
      `predicate: a: ${"(".repeat(100)}1${")".repeat(100)}`,
      `predicate: ${"{a: ".repeat(20_000)}`,
      fields,
      `predicate: a: ${Array.from({ length: 2000 }, () => '=~"a{900}"').join("|")}`,
    ])
      expect(conditionOfCue(cue)).toHaveProperty("unread");
  });

  it("says of any text whether it is converted, and what is converted compiles or is too much for the engine", () => {
    const pieces = fc.constantFrom(
      ...'{}():,|&=~!<>-"\\ \n1a.',
      "predicate",
      ": ",
      "...",
      '"x"',
      "string",
      "=~",
      "null",
      "predicateType: ",
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 12 }), (rest) => {
        const cue = `predicate: a: ${rest.join("")}`;
        const rule = conditionOfCue(cue);
        if ("condition" in rule) return compileCondition(rule.condition, "attestation").needs.length > 0;
        return rule.offset <= cue.length && rule.line > 0 && rule.column > 0;
      }),
      { numRuns: 2000 },
    );
  });
});
