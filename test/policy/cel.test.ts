import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConditionError, type ConditionPlace, compileCondition } from "../../src/policy/cel.ts";
import type { ConditionAnswer } from "../../src/policy/condition.ts";

const ask = (expression: string, predicate: unknown): ConditionAnswer =>
  compileCondition(expression, "attestation").test({ predicate, predicateType: "https://example.com/t", image });
const image = { reference: "reg.io/app:1", registry: "reg.io", repository: "app", tag: "1", digest: "sha256:00" };
const holds = (expression: string, predicate: unknown = {}): boolean => ask(expression, predicate).holds;

function refusal(expression: string, place: ConditionPlace = "attestation"): [string, number] {
  try {
    compileCondition(expression, place);
  } catch (error) {
    if (error instanceof ConditionError) return [error.message, error.offset];
    throw error;
  }
  throw new Error("it compiled");
}

describe("a condition", () => {
  it.each([
    ['predicate.builder.id.startsWith("https://github.com/")', { builder: { id: "https://github.com/x" } }, true],
    ["predicate.findings.all(f, f.severity != 'critical')", { findings: [{ severity: "low" }] }, true],
    ["predicate.findings.all(f, f.severity != 'critical')", { findings: [{ severity: "critical" }] }, false],
    ["predicate.n >= 3 && predicate.n == 3", { n: 3 }, true],
    ["has(predicate.a) && predicate.a.b == null", { a: { b: null } }, true],
    ['image.registry == "reg.io" && predicateType == "https://example.com/t"', {}, true],
    ['timestamp(predicate.at) > timestamp("2020-01-01T00:00:00Z")', { at: "2026-01-01T00:00:00Z" }, true],
    ['"b" in predicate.tags', { tags: ["a", "b"] }, true],
    ["cel.bind(n, size(predicate.tags), n == 2 && n < 3)", { tags: ["a", "b"] }, true],
  ])("%s", (expression, predicate, expected) => {
    expect(ask(expression, predicate)).toEqual({ holds: expected });
  });

  it("says which variables it needs", () => {
    expect(compileCondition('config.User != "" && object.kind == "Pod"', "policy").needs).toEqual(["config", "object"]);
    expect(compileCondition("predicate.a.exists(x, x == 1)", "attestation").needs).toEqual(["predicate"]);
  });

  it("does not hold where what it speaks of is not known", () => {
    const condition = compileCondition('object.kind == "Pod" || true', "policy");
    expect(condition.test({ image })).toEqual({ holds: false, error: "object is not known" });
  });

  it.each([
    ["predicate.missing == 1", {}],
    ["predicate.n.startsWith('a')", { n: 1 }],
    ["predicate", { a: 1 }],
    ["predicate.s", { s: "true" }],
    ["1 / int(predicate.n) == 1", { n: 0 }],
    ["predicate.list[3] == 1", { list: [] }],
  ])("that cannot be evaluated does not hold: %s", (expression, predicate) => {
    expect(ask(expression, predicate)).toEqual({ holds: false, error: expect.any(String) });
  });

  it.each(["constructor", "__proto__", "toString", "hasOwnProperty", "prototype"])(
    "reaches nothing that the facts do not have: %s",
    (name) => {
      for (const receiver of ["predicate", "predicate.list", "predicate.text", "image"])
        expect(() => {
          if (holds(`${receiver}["${name}"] != null`, { list: [], text: "" })) throw new Error("reached");
          if (holds(`has(${receiver}.${name})`, { list: [], text: "" })) throw new Error("reached");
        }).not.toThrow("reached");
    },
  );

  it("fails rather than answers where the facts have a key called constructor", () => {
    const predicate = JSON.parse('{"a": {"constructor": {"name": "x"}, "b": 1}}');
    expect(holds("predicate.a.b == 1", predicate)).toBe(false);
  });
});

describe("matches", () => {
  it("matches the whole text, by RE2", () => {
    expect(holds("predicate.s.matches('a+')", { s: "aaa" })).toBe(true);
    expect(holds("predicate.s.matches('a')", { s: "bab" })).toBe(false);
  });

  it("takes time linear in the text for expressions that are catastrophic elsewhere", () => {
    expect(holds("predicate.s.matches('(a|a)*(a+)+b')", { s: "a".repeat(5000) })).toBe(false);
  });

  it.each([
    ["predicate.s.matches('(?=a)')", 20],
    ["predicate.s.matches('(a{100}){1000}')", 20],
    ["predicate.s.matches(predicate.p)", 30],
    ["predicate.s.linear_matches('a')", 0],
  ])("refuses when it is compiled: %s", (expression, offset) => {
    expect(refusal(expression)[1]).toBe(offset);
  });
});

describe("what does not compile", () => {
  it.each([
    ["predicate.", 10],
    ["predicat.a == 1", 0],
    ["true && 1 + 'a' == 2", 8],
    ["image.nome == 'x'", 6],
    ["'\\d' == 'd'", 1],
    ["config.User == ''", 0],
    ["nothing('a')", 0],
    ["1 + 1", 0],
    ["", 0],
  ])("%s, at %i", (expression, offset) => {
    expect(refusal(expression)[1]).toBe(offset);
  });

  it("names annotations of an object as nothing it knows, since they change all the time", () => {
    expect(refusal("object.metadata.annotations['a'] == 'b'", "policy")[1]).toBe(16);
  });

  it.each([
    ["a long expression", `true${" && true".repeat(600)}`],
    ["many nodes", Array.from({ length: 600 }, () => "1==1").join("&&")],
    ["deep nesting", `${"(".repeat(200)}true${")".repeat(200)}`],
    ["repetitions in a row", `predicateType.matches("${"(?:a{0,1000}){0,1}".repeat(50)}")`],
    ["a long list", `1 in [${Array.from({ length: 501 }, () => "1").join(",")}]`],
  ])("refuses %s", (_, expression) => {
    expect(() => compileCondition(expression, "attestation")).toThrow(ConditionError);
  });

  it("throws nothing else, whatever is written", () => {
    const words = [
      "predicate",
      ".",
      "a",
      "(",
      ")",
      "==",
      "&&",
      "[",
      "]",
      "1",
      '"x"',
      "exists",
      ",",
      "!",
      "?",
      ":",
      "matches",
    ];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...words), { maxLength: 12 }), (parts) => {
        try {
          const answer = compileCondition(parts.join(""), "attestation").test({ predicate: { a: [1] }, image });
          expect(typeof answer.holds).toBe("boolean");
        } catch (error) {
          expect(error).toBeInstanceOf(ConditionError);
        }
      }),
    );
  });
});

describe("the cost of a condition", () => {
  const list = Array.from({ length: 1000 }, (_, index) => index);
  const tooMuch = { holds: false, error: expect.stringContaining("costs more") };

  it.each([
    ["loops in loops", "predicate.l.all(a, predicate.l.all(b, predicate.l.all(c, true)))"],
    ["texts that double", `['x']${".map(a, a+a+a+a+a+a+a+a+a+a)".repeat(9)}[0] == ''`],
    ["large values compared in a loop", "predicate.l.all(a, predicate.l == predicate.m)"],
    ["a large list searched in a loop", "predicate.l.all(a, !(['a'] in predicate.ll))"],
    ["regular expressions in a loop", "predicate.l.all(a, predicate.s.matches('(x|y)*'))"],
    ["a regular expression that stands for a long one", "predicate.long.matches('(?:a{0,90}){0,9}')"],
    ["entries of a large map counted in a loop", "predicate.l.all(a, size(predicate.big) > 0)"],
    ["the same, as a method", "predicate.l.all(a, predicate.big.size() > 0)"],
    [
      "calendars in a loop",
      "predicate.l.all(a, timestamp('2020-01-01T00:00:00Z').getHours('Europe/Berlin') == 1 || true)",
    ],
  ])("is bounded: %s", (_, expression) => {
    const big = Object.fromEntries(list.map((item) => [`k${item}`, item]));
    const predicate = {
      l: list,
      m: [...list],
      ll: list.map((item) => [item]),
      s: "x".repeat(2000),
      big,
      long: "a".repeat(50_000),
    };
    expect(ask(expression, predicate)).toEqual(tooMuch);
  });

  it("is not forgotten where the engine swallows the error", () => {
    const predicate = { l: list };
    const costly = "predicate.l.all(a, predicate.l.all(b, a != b || a == b))";
    expect(ask(`${costly} || true`, predicate)).toEqual(tooMuch);
    expect(ask(`!(${costly} && false)`, predicate)).toEqual(tooMuch);
    expect(ask(`[1, 2].exists(x, x == 2 || ${costly})`, predicate)).toEqual(tooMuch);
  });

  it("does not depend on what was asked before", () => {
    const condition = compileCondition("predicate.l.all(a, predicate.l.exists(b, b == a))", "attestation");
    const small = { predicate: { l: [1, 2] }, image };
    expect(condition.test({ predicate: { l: list }, image })).toEqual(tooMuch);
    expect(condition.test(small)).toEqual({ holds: true });
  });

  it("lets a large predicate be looked through once", () => {
    const components = Array.from({ length: 20_000 }, (_, index) => ({ name: `c${index}`, version: "1" }));
    expect(holds("predicate.components.all(c, c.version != '6.6.6')", { components })).toBe(true);
  });

  it("is spent on values that nest deeper than the engine can follow", () => {
    const deep = JSON.parse(`${"[".repeat(50_000)}${"]".repeat(50_000)}`);
    expect(ask("predicate.a == predicate.b || true", { a: deep, b: 1 })).toMatchObject({ holds: false });
  });
});
