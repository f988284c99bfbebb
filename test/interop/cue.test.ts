import { spawnSync } from "node:child_process";
import fc from "fast-check";
import { expect, it } from "vitest";
import { isJsonObject } from "../../src/crypto/json.ts";
import type { VerifiedAttestation } from "../../src/formats/format.ts";
import { compileCondition } from "../../src/policy/cel.ts";
import { conditionOfCue } from "../../src/policy/foreign/cue.ts";
import { parseCue } from "../../src/policy/foreign/cue-parse.ts";
import { predicateValue } from "../../src/policy/predicate-values.ts";
import { describePeers, requirePeer } from "../support/peers.ts";
import { type CueCase, cueCases, editedCueCases } from "./cue-cases.ts";

interface Answer {
  /** Whether the rule is CUE at all. */
  readonly parses: boolean;
  readonly admits: boolean;
  readonly error?: string;
}

/** What CUE says of each case, in one run. */
function askCue(cases: readonly CueCase[]): readonly Answer[] {
  const input = cases.map((one) => `${JSON.stringify(one)}\n`).join("");
  const { stdout, status } = spawnSync(requirePeer("cue-validate"), { input, maxBuffer: 1 << 28, encoding: "utf8" });
  const answers = stdout.split("\n").flatMap((line): Answer[] => (line === "" ? [] : [JSON.parse(line)]));
  if (status !== 0 || answers.length !== cases.length) throw new Error(`cue-validate answered ${answers.length} times`);
  return answers;
}

/** What a condition made of the rule says; undefined where there is none. */
function askOurs({ cue, json }: CueCase): boolean | undefined {
  const rule = conditionOfCue(cue);
  if ("unread" in rule) return undefined;
  const statement: unknown = JSON.parse(json);
  const predicateType = isJsonObject(statement) ? statement["predicateType"] : undefined;
  // Such a statement is no attestation.
  if (typeof predicateType !== "string" || predicateType === "") return false;
  try {
    const predicate = predicateValue({ statement: Buffer.from(json) } as unknown as VerifiedAttestation);
    return compileCondition(rule.condition, "attestation").test({ predicateType, predicate }).holds;
  } catch {
    return false;
  }
}

/** Whether everything that the rule names is in the statement. */
function isComplete({ cue, json }: CueCase): boolean {
  const statement: unknown = JSON.parse(json);
  return parseCue(cue).every(({ path }) => {
    let at: unknown = statement;
    for (const name of path) {
      if (!isJsonObject(at) || !Object.hasOwn(at, name)) return false;
      at = at[name];
    }
    return true;
  });
}

function ask(made: fc.Arbitrary<CueCase>, count: number) {
  const seed = Math.trunc(Math.random() * 2 ** 31);
  const cases = fc.sample(made, { numRuns: count, seed });
  const answers = askCue(cases);
  const judged = cases.flatMap((one, index) => {
    const [ours, theirs] = [askOurs(one), answers[index]];
    return ours === undefined || theirs === undefined ? [] : [{ ...one, ours, theirs, seed }];
  });
  return { judged, looser: judged.filter(({ ours, theirs }) => ours && !theirs.admits) };
}

const statement = (predicate: unknown): string =>
  JSON.stringify({ _type: "https://in-toto.io/Statement/v1", subject: [], predicateType: "T", predicate });

describePeers(["cue-validate"], "rules in CUE, beside CUE itself as policy-controller has it", () => {
  it("admit nothing that it does not, and what names only what is there nearly always means the same", () => {
    const { judged, looser } = ask(cueCases, 12_000);
    expect(looser).toEqual([]);
    expect(judged.filter(({ theirs }) => !theirs.parses)).toEqual([]);
    expect(judged.length).toBeGreaterThan(6000);
    const complete = judged.filter(isComplete);
    const agreeing = complete.filter(({ ours, theirs }) => ours === theirs.admits);
    expect(agreeing.filter(({ ours }) => ours).length).toBeGreaterThan(1000);
    expect(agreeing.filter(({ ours }) => !ours).length).toBeGreaterThan(1000);
    expect(agreeing.length / complete.length).toBeGreaterThan(0.99);
  });

  it("are read as it reads them, or not at all, after any change of the text", () => {
    const { judged, looser } = ask(editedCueCases, 12_000);
    expect(looser).toEqual([]);
    expect(judged.filter(({ theirs }) => !theirs.parses)).toEqual([]);
    expect(judged.length).toBeGreaterThan(500);
    const complete = judged.filter(isComplete);
    expect(complete.filter(({ ours, theirs }) => ours === theirs.admits).length / complete.length).toBeGreaterThan(
      0.95,
    );
  });

  it.each([
    ['predicate: a: "a" | "b" & !="b"', { a: "a" }, { a: "b" }],
    ['predicate: a: !="b" & "b" | "a"', { a: "a" }, { a: "b" }],
    ['predicate: a: ("b" | "a") & !="b"', { a: "a" }, { a: "b" }],
    ['predicate: a: "\\a\\b\\f\\n\\r\\t\\v\\/\\\\\\"\\u00e9"', { a: '\u0007\b\f\n\r\t\v/\\"é' }, { a: 'abfnrtv/\\"é' }],
    ['predicate: a: =~"(?m)^b$" & !~"(?i)K"', { a: "a\nb\nc" }, { a: "b\n\u212a" }],
    ["predicate: a: int & >= -1 | number & 5.5", { a: -1 }, { a: -0.5 }],
    ["predicate: a: number & <0.1, predicate: a: >-0.5", { a: 0 }, { a: 0.1 }],
    ['predicate: "a.b": "": c: null | bool', { "a.b": { "": { c: null } } }, { "a.b": { "": { c: "" } } }],
    ['predicate: a: >="b" & <"c"', { a: "bé" }, { a: "é" }],
    ['predicateType: "T" | "U", predicate: {\n\ta: 1\n\t...\n}', { a: 1, b: 2 }, { a: 2 }],
  ])("mean what it means: %s", (cue, met, missed) => {
    const cases = [met, missed].map((predicate) => ({ cue, json: statement(predicate) }));
    expect(cases.map(askOurs)).toEqual([true, false]);
    expect(askCue(cases).map(({ admits }) => admits)).toEqual([true, false]);
  });

  it.each([
    ["predicate: a: 1", {}],
    ["predicate: a: b: !=null", { a: {} }],
    ['predicate: a: =~"x"', { b: "x" }],
  ])("refuse what lacks a field, where it fills it in: %s", (cue, predicate) => {
    const one = { cue, json: statement(predicate) };
    expect([askOurs(one), askCue([one])[0]?.admits]).toEqual([false, true]);
  });

  // Each of them would admit more here than there, were it read in the way that comes to mind.
  it.each([
    ["the name of a type that is a field", 'predicate: {string: "s", a: string}', { string: "s", a: "other" }],
    ["a whole number with a point", "predicate: a: 1.0", { a: 1 }],
    ["a number beyond what statements hold", "predicate: a: <=9007199254740993 & >=9007199254740993", { a: 2 ** 53 }],
    ["a sign that is another", "predicate: a: <-1", { a: -2 }],
    ["an operator of later versions", "predicate: a: ==1", { a: 1 }],
    ["an open struct that must be one", "predicate: {...}", 5],
    ["an expression that is none by itself", 'predicate: a: =~"a)|(b"', { a: "a" }],
    ["an expression that only one engine takes", 'predicate: a: =~"\\\\p{Foo}"', { a: "a" }],
    ["an operand on the next line", "predicate: a: 1\n| 2", { a: 1 }],
    ["a boolean that must not be", "predicate: a: !=true", { a: false }],
  ])("are not read with %s, which it refuses", (_what, cue, predicate) => {
    const one = { cue, json: statement(predicate) };
    expect([askOurs(one), askCue([one])[0]?.admits]).toEqual([undefined, false]);
  });
});
