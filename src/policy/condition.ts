/** What a condition may speak of. */
export type ConditionVariable = "predicate" | "predicateType" | "image" | "config" | "object";

/** What the variables stand for, by name; JSON values only. */
export type ConditionFacts = Readonly<Partial<Record<ConditionVariable, unknown>>>;

/** `error`: the condition could not be evaluated to true or false, which never counts as true. */
export type ConditionAnswer =
  | { readonly holds: true }
  | { readonly holds: false }
  | { readonly holds: false; readonly error: string };

/** A CEL expression that compiled. `test` is pure, bounded and never throws. */
export interface Condition {
  readonly expression: string;
  /** The variables it names; `test` needs all of them. */
  readonly needs: readonly ConditionVariable[];
  readonly test: (facts: ConditionFacts) => ConditionAnswer;
}
