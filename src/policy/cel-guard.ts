import { charge, type Meter, weigh, weighDeep } from "./cel-meter.ts";

/** A node of the engine's syntax tree, as far as it is used here. */
export interface CelNode {
  readonly op: string;
  args: unknown;
  readonly pos: number;
  /** What a binary operator or a call does with its operands; there after the type check. */
  handle?: (...operands: unknown[]) => unknown;
  readonly meta: {
    readonly evaluate: Evaluate;
    readonly alternate?: CelNode;
    readonly macro?: { evaluate: Evaluate; readonly args?: unknown; readonly val?: unknown; readonly exp?: unknown };
  };
  setMeta(key: "evaluate", value: Evaluate): unknown;
}

type Evaluate = (evaluator: unknown, node: unknown, context: unknown) => unknown;

export function isCelNode(value: unknown): value is CelNode {
  return typeof value === "object" && value !== null && "op" in value && "meta" in value && "setMeta" in value;
}

/** Calls back with every node that was written, or that a macro stands for. */
export function forEachNode(root: unknown, visit: (node: CelNode) => void): void {
  const seen = new Set<unknown>();
  const waiting = [root];
  while (waiting.length > 0) {
    const item = waiting.pop();
    if (typeof item !== "object" || item === null || seen.has(item)) continue;
    seen.add(item);
    if (isCelNode(item)) {
      visit(item);
      const { alternate, macro } = item.meta;
      waiting.push(alternate, macro?.args, macro?.val, macro?.exp);
      if (alternate === undefined) waiting.push(item.args);
    } else if (Array.isArray(item)) waiting.push(...item);
    else if (Object.getPrototypeOf(item) === Object.prototype) waiting.push(...Object.values(item).filter(isCelNode));
  }
}

/** The method that stands in for `matches`. */
export const matchesLinear = "linear_matches";

const comparisons: ReadonlySet<string> = new Set(["==", "!=", "in"]);
const searches: ReadonlySet<unknown> = new Set(["contains", "indexOf", "lastIndexOf", "split", "join"]);
const calendarCost = 1500;

/** What is to be known of the engine: which of its errors an expression may meet, and how large a regular expression is. */
interface Engine {
  readonly isExpected: (error: unknown) => boolean;
  readonly sizeOf: (pattern: string) => number;
}

/**
 * Makes every step of a checked expression pay before it is taken: what it looks at, what it makes, how often a loop
 * runs. With the errors of the engine remembered that no expression may swallow.
 */
export function guard(root: unknown, meter: Meter, engine: Engine): void {
  forEachNode(root, (node) => {
    if (node.op === "comprehension") guardLoop(node, meter);
    if (node.handle !== undefined) guardHandle(node, node.handle, meter, engine);
    if (node.meta.alternate === undefined && node.meta.macro === undefined) {
      const { evaluate } = node.meta;
      node.setMeta("evaluate", (evaluator, self, context) => {
        charge(meter, 1);
        return evaluate(evaluator, self, context);
      });
    }
  });
}

/** The whole loop is paid for before its first round, so that a swallowed error ends nothing early. */
function guardLoop(node: CelNode, meter: Meter): void {
  const handle = node.handle;
  if (handle === undefined) return;
  node.handle = (items, ...rest) => {
    const isMap = typeof items === "object" && items !== null && !Array.isArray(items);
    charge(meter, isMap ? Object.keys(items).length : weigh(items));
    return handle(items, ...rest);
  };
}

function guardHandle(
  node: CelNode,
  handle: (...operands: unknown[]) => unknown,
  meter: Meter,
  { isExpected, sizeOf }: Engine,
): void {
  const price = priceOf(node, sizeOf);
  if (price === undefined) return;
  node.handle = (...operands) => {
    charge(meter, price(operands, meter.left));
    try {
      const result = handle(...operands);
      charge(meter, weigh(result));
      return result;
    } catch (error) {
      if (!isExpected(error)) meter.spent ??= "the engine failed";
      throw error;
    }
  };
}

/** What a step costs before it is taken; nothing for those that cost the same whatever they look at. */
function priceOf(
  { op, args }: CelNode,
  sizeOf: Engine["sizeOf"],
): ((operands: readonly unknown[], left: number) => number) | undefined {
  if (comparisons.has(op)) return ([a, b], left) => compareCost(a, b, left);
  if (op === "+") return ([a, b]) => weigh(a) + weigh(b);
  if (op !== "call" && op !== "rcall") return undefined;
  const name = Array.isArray(args) ? args[0] : undefined;
  return ([operands]) => callCost(name, Array.isArray(operands) ? operands : [], sizeOf);
}

function compareCost(a: unknown, b: unknown, left: number): number {
  if (typeof a !== "object" && typeof b !== "object") return 0;
  return weighDeep(a, left) + weighDeep(b, left);
}

/** What counted repetitions stand for is tried at each character. */
function expandedCost(pattern: string, size: number): number {
  return size > 2 * pattern.length ? size / 16 : pattern.length / 32;
}

/** Keys of a large map are slow to list. */
const keyCost = 4;

/** Of a map: the engine lists all of its keys, to count them or to see of which type they are. */
function entriesIn(value: unknown): number {
  return isPlainMap(value) ? keyCost * Object.keys(value).length : 0;
}

function isPlainMap(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

function callCost(name: unknown, operands: readonly unknown[], sizeOf: Engine["sizeOf"]): number {
  const looked = operands.reduce<number>((sum, operand) => sum + weigh(operand) + entriesIn(operand), 0);
  const [text, pattern] = operands;
  if (text instanceof Date) return operands.length > 1 ? calendarCost : 1;
  if (name === matchesLinear && typeof text === "string" && typeof pattern === "string")
    return looked + text.length * (1 + expandedCost(pattern, sizeOf(pattern)));
  if (!searches.has(name)) return looked;
  if (Array.isArray(text)) return looked + text.reduce<number>((sum, item) => sum + weigh(item) + weigh(pattern), 0);
  if (typeof text !== "string" || typeof pattern !== "string") return looked;
  return looked + (text.length * pattern.length) / 4096 + (name === "split" ? text.length : 0);
}
