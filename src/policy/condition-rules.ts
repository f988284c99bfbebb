import type { ConditionPlace } from "./cel.ts";
import type { Condition } from "./condition.ts";
import type { Path, SourceDocument } from "./document.ts";
import type { Problem } from "./problem.ts";

/** Compiles the condition that stands at the path; nothing where there is none. The engine is loaded for the first one. */
export async function readCondition(
  expression: string | undefined,
  place: ConditionPlace,
  { document, path }: { readonly document: SourceDocument; readonly path: Path },
): Promise<{ readonly condition?: Condition; readonly problem?: Problem }> {
  if (expression === undefined) return {};
  const { compileCondition, ConditionError } = await import("./cel.ts");
  try {
    return { condition: compileCondition(expression, place) };
  } catch (error) {
    if (!(error instanceof ConditionError)) throw error;
    const name = path.map((step) => (typeof step === "number" ? `[${step}]` : `.${String(step)}`)).join("");
    const what = `${name.slice(1)}: ${error.message}`;
    return { problem: { place: document.placeWithin(path, error.offset), what, expected: "a CEL expression" } };
  }
}
