/** What stands where something else was wanted, for a message: text, numbers and the like as they are, the rest by kind. */
export function describeJson(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  // An object of a stranger may have a `toString` that is none.
  return typeof value === "object" && value !== null ? "an object" : String(value);
}
