import { type ASTNode, Environment, EvaluationError, ParseError, TypeError as TypeProblem } from "@marcbachmann/cel-js";
import { LRUCache } from "lru-cache";
import { compilePattern, type Pattern } from "../crypto/pattern.ts";
import { type CelNode, forEachNode, guard, matchesLinear } from "./cel-guard.ts";
import { createMeter, resetMeter } from "./cel-meter.ts";
import type { Condition, ConditionAnswer, ConditionFacts, ConditionVariable } from "./condition.ts";

/** Characters of an expression. */
export const maxConditionLength = 4096;
const maxPatternLength = 1000;
const maxMatchedLength = 100_000;
const limits = { maxAstNodes: 1000, maxDepth: 48, maxListElements: 500, maxMapEntries: 100, maxCallArguments: 8 };

/** Why an expression does not compile, and where in it. */
export class ConditionError extends Error {
  /** Characters from the start of the expression. */
  readonly offset: number;
  constructor(message: string, offset: number) {
    super(message);
    this.offset = offset;
  }
}

/** What conditions at each place may speak of. */
const variables = {
  attestation: ["predicate", "predicateType", "image"],
  policy: ["image", "config", "object"],
} as const satisfies Record<string, readonly ConditionVariable[]>;

export type ConditionPlace = keyof typeof variables;

const types = {
  predicate: "dyn",
  predicateType: "string",
  config: "dyn",
  image: {
    schema: { reference: "string", registry: "string", repository: "string", tag: "string", digest: "string" },
  },
  object: {
    schema: {
      apiGroup: "string",
      resource: "string",
      kind: "string",
      metadata: { name: "string", namespace: "string", labels: "map<string, string>" },
    },
  },
} as const;

const environments = new Map<ConditionPlace, Environment>();
const patterns = new LRUCache<string, Pattern>({ max: 1000 });

function environmentOf(place: ConditionPlace): Environment {
  const known = environments.get(place);
  if (known !== undefined) return known;
  const made = new Environment({ limits, homogeneousAggregateLiterals: true });
  for (const name of variables[place]) {
    const type = types[name];
    if (typeof type === "string") made.registerVariable(name, type);
    else made.registerVariable(name, { ...type });
  }
  made.registerFunction(`string.${matchesLinear}(string): bool`, matchesWhole, { async: false });
  environments.set(place, made);
  return made;
}

/**
 * Compiles a CEL expression (github.com/google/cel-spec) that must answer true or false. `matches` takes a literal RE2
 * expression and matches the whole text. Everything about the expression that can be wrong is found now; what is left
 * for the evaluation is what the facts lack. Throws `ConditionError`.
 */
export function compileCondition(expression: string, place: ConditionPlace): Condition {
  if (expression.length > maxConditionLength)
    throw new ConditionError(`longer than ${maxConditionLength} characters`, maxConditionLength);
  const parsed = attempt(() => environmentOf(place).parse(expression));
  const root: ASTNode = parsed.ast;
  const needed = new Set<string>();
  forEachNode(root, (node) => {
    if (node.op === "id") needed.add(String(node.args));
    if (node.op === "rcall" || node.op === "call") checkCall(node);
  });
  const checked = parsed.check();
  if (!checked.valid) throw conditionError(checked.error);
  if (checked.type !== "bool" && checked.type !== "dyn")
    throw new ConditionError(`it does not answer true or false, but with ${checked.type}`, 0);
  const meter = createMeter();
  guard(root, meter, {
    isExpected: (error) => error instanceof EvaluationError,
    sizeOf: (pattern) => patternOf(pattern, 0).size,
  });
  const needs = variables[place].filter((name) => needed.has(name));
  return {
    expression,
    needs,
    test(facts, purse) {
      const given = resetMeter(meter, purse?.left);
      const answer = evaluate(() => parsed(new Map(Object.entries(facts))), needs, facts);
      if (purse !== undefined) purse.left -= given - meter.left;
      return meter.spent === undefined ? answer : { holds: false, error: meter.spent };
    },
  };
}

function evaluate(run: () => unknown, needs: readonly ConditionVariable[], facts: ConditionFacts): ConditionAnswer {
  const missing = needs.find((name) => facts[name] === undefined);
  if (missing !== undefined) return { holds: false, error: `${missing} is not known` };
  try {
    const value = run();
    if (typeof value === "boolean") return { holds: value };
    return { holds: false, error: "it answered neither true nor false" };
  } catch (error) {
    return { holds: false, error: error instanceof EvaluationError ? firstLine(error.summary) : "the engine failed" };
  }
}

function attempt<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw conditionError(error);
  }
}

function conditionError(error: unknown): ConditionError {
  if (error instanceof ParseError || error instanceof TypeProblem || error instanceof EvaluationError)
    return new ConditionError(firstLine(error.summary), error.range?.start ?? 0);
  return new ConditionError("the engine does not understand it", 0);
}

function firstLine(text: string): string {
  return (text.split("\n", 1)[0] ?? "").replaceAll(matchesLinear, "matches").slice(0, 300);
}

/** Regular expressions are compiled now, by an engine that takes time linear in the text. */
function checkCall(node: CelNode): void {
  const [name, , operands] = Array.isArray(node.args) ? node.args : [];
  if (name === matchesLinear) throw new ConditionError(`Unknown function: ${matchesLinear}`, node.pos);
  if (node.op !== "rcall" || name !== "matches") return;
  const [pattern] = Array.isArray(operands) ? (operands as readonly (CelNode | undefined)[]) : [];
  if (pattern?.op !== "value" || typeof pattern.args !== "string")
    throw new ConditionError("matches wants a regular expression that is written out", pattern?.pos ?? node.pos);
  patternOf(pattern.args, pattern.pos);
  (node.args as unknown[])[0] = matchesLinear;
}

function patternOf(text: string, offset: number): Pattern {
  if (text.length > maxPatternLength)
    throw new ConditionError(`a regular expression longer than ${maxPatternLength} characters`, offset);
  const known = patterns.get(text);
  if (known !== undefined) return known;
  try {
    const made = compilePattern(text);
    patterns.set(text, made);
    return made;
  } catch (error) {
    const why = error instanceof Error ? error.message.slice(0, 200) : "not an RE2 expression";
    throw new ConditionError(`${why} (regular expressions are those of RE2)`, offset);
  }
}

function matchesWhole(text: string, pattern: string): boolean {
  if (text.length > maxMatchedLength) throw new EvaluationError("matches: the text is too long");
  return patternOf(pattern, 0).expression.matches(text);
}
