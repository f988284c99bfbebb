import { TrustError } from "../errors.ts";
import type { NonEmpty } from "./policy.ts";

/** The schema has refused empty lists; this says so to the compiler. */
export function nonEmpty<T>(items: readonly T[]): NonEmpty<T> {
  const [first, ...rest] = items;
  if (first === undefined) throw new TrustError("INTERNAL", "an empty list that should not have loaded");
  return [first, ...rest];
}
