/**
 * What an evaluation may cost. One unit is about one step of the engine, or sixteen characters that are looked at, so
 * that the most expensive condition takes some hundred milliseconds. Counted instead of timed: the answer must not depend on
 * how busy a machine is.
 */
const maxCost = 1_000_000;

/** Counts what the evaluation in progress costs. The engine swallows errors at `||`, `&&`, `exists`: `spent` remembers. */
export interface Meter {
  left: number;
  /** Why the answer must not count, whatever it is. */
  spent: string | undefined;
}

/** A condition that costs too much. Only ever seen by `compileCondition`. */
class CostExceeded extends Error {}

export function createMeter(): Meter {
  return { left: maxCost, spent: undefined };
}

/** Begins anew, with less where no more than `most` is left for it; gives how much that is. */
export function resetMeter(meter: Meter, most = maxCost): number {
  meter.left = Math.min(maxCost, Math.max(0, most));
  meter.spent = undefined;
  return meter.left;
}

/** Throws, and goes on throwing, once everything is spent. */
export function charge(meter: Meter, cost: number): void {
  meter.left -= cost;
  if (meter.left >= 0) return;
  meter.left = -1;
  meter.spent ??= `it costs more than ${maxCost} steps, or than what is left to its namespace`;
  throw new CostExceeded(meter.spent);
}

const charactersPerStep = 16;

/** What looking at a value once costs: characters of a text, items of a list, entries of a map. */
export function weigh(value: unknown): number {
  if (typeof value === "string") return value.length / charactersPerStep;
  if (typeof value !== "object" || value === null) return 0;
  if (Array.isArray(value)) return value.length;
  if (value instanceof Uint8Array) return value.length / charactersPerStep;
  return 1;
}

/** What comparing a value with another may cost: everything inside of it. Stops counting where the meter would. */
export function weighDeep(value: unknown, limit: number): number {
  let cost = 0;
  const waiting: unknown[] = [value];
  while (waiting.length > 0 && cost <= limit) {
    const item = waiting.pop();
    cost += 1 + (typeof item === "string" ? item.length / charactersPerStep : 0);
    if (typeof item !== "object" || item === null || item instanceof Uint8Array) continue;
    if (Array.isArray(item) && item.length > limit) return item.length;
    for (const inner of Object.values(item)) waiting.push(inner);
  }
  return cost;
}
