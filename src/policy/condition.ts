import type { Purse } from "./purse.ts";

/** What a condition may speak of. */
export type ConditionVariable = "predicate" | "predicateType" | "image" | "config" | "object";

/** What the variables stand for, by name; JSON values only. */
export type ConditionFacts = Readonly<Partial<Record<ConditionVariable, unknown>>>;

/** With an `error` the condition could not be evaluated, and does not hold. */
export interface ConditionAnswer {
  readonly holds: boolean;
  readonly error?: string;
}

/** A CEL expression that compiled. `test` is pure, bounded and never throws; with a purse it pays from that, and costs no more than is in it. */
export interface Condition {
  readonly expression: string;
  /** The variables it names; `test` needs all of them. */
  readonly needs: readonly ConditionVariable[];
  readonly test: (facts: ConditionFacts, purse?: Purse) => ConditionAnswer;
}
