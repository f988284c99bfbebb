import * as z from "zod";
import { filled, objectName, parserIssue } from "../schema-parts.ts";

/** A text that may be empty, which policy-controller takes as absent. */
export const text = z.string().max(4096);
/** PEM and the like. */
export const longText = z.string().max(1024 * 1024);
/** Shown in verdicts and logs: nothing in it may end a line. */
export const displayName = z
  .string()
  .max(253)
  .regex(/^\P{C}*$/u, "a name without control characters");
export const filledName = displayName.min(1, filled);

/** What a cluster writes into `metadata` beside the name is not looked at. */
export const metadata = z.looseObject({ name: objectName });
/** Likewise. */
export const status = z.unknown().optional();

/** Whether a field is there, as Go understands it. */
export function isSet(value: unknown): boolean {
  return value !== undefined && value !== "";
}

/** An issue about how many of some fields are there; nothing where one is. */
export function oneOf(written: object, fields: readonly string[], context: z.RefinementCtx, what: string): void {
  const there = fields.filter((field) => isSet(Reflect.get(written, field)));
  if (there.length === 1) return;
  const found = there.length === 0 ? "none" : there.join(" and ");
  context.addIssue(parserIssue(what, `exactly one of ${fields.join(", ")}`, found));
}

const label = z.string().max(317);

/** A label selector of Kubernetes; an empty one selects everything. */
export const selector = z.strictObject({
  matchLabels: z.record(label, z.string().max(63)).optional(),
  matchExpressions: z
    .array(
      z
        .strictObject({
          key: label.min(1, filled),
          operator: z.enum(["In", "NotIn", "Exists", "DoesNotExist"]),
          values: z.array(z.string().max(63)).max(100).optional(),
        })
        .superRefine(({ operator, values = [] }, context) => {
          const wants = operator === "In" || operator === "NotIn";
          if (wants === values.length > 0) return;
          const [expected, found] = wants ? ["values", "none"] : ["no values", "values"];
          context.addIssue(parserIssue(`the operator ${operator}`, expected, found));
        }),
    )
    .max(100)
    .optional(),
});
