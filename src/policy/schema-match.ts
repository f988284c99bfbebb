import * as z from "zod";
import { filledTextMap, parserIssue } from "./schema-parts.ts";

const listOf = (item: z.ZodString) => z.array(item).min(1).max(100);
const groupGlob = z
  .string()
  .max(253)
  .regex(/^[a-z0-9.*-]*$/, "an API group in lower case, * for all");
const resourceGlob = z
  .string()
  .max(253)
  .regex(/^[a-z*]+$/, "a resource, plural and in lower case, such as deployments");

/** A glob over namespaces. */
export const namespaceGlob = z
  .string()
  .max(63)
  .regex(/^[a-z0-9*-]+$/, "a glob over namespaces: lower-case letters, digits, - and *");

const labelKey = z
  .string()
  .max(317)
  .regex(
    /^([a-z0-9]([a-z0-9.-]*[a-z0-9])?\/)?[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$/,
    "the name of a label, such as app or example.com/tier",
  );
const labelValue = z
  .string()
  .max(63)
  .regex(/^([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?)?$/, "the value of a label: letters, digits, - _ .");

const withValues: ReadonlySet<string> = new Set(["In", "NotIn"]);

const labelExpression = z
  .strictObject({
    key: labelKey.describe("Name of the label."),
    operator: z.enum(["In", "NotIn", "Exists", "DoesNotExist"]).describe("NotIn holds also where the label is absent."),
    values: z.array(labelValue).min(1).max(100).optional().describe("For In and NotIn."),
  })
  .superRefine(({ operator, values }, context) => {
    if (withValues.has(operator) === (values !== undefined)) return;
    const [expected, found] = values === undefined ? ["values", "none"] : ["no values", "values"];
    context.addIssue(parserIssue(`the operator ${operator}`, expected, found));
  })
  .meta({ id: "LabelExpression", description: "A rule about one label." });

const labelSelector = z
  .strictObject({
    matchLabels: filledTextMap
      .optional()
      .meta({ minProperties: 1, description: "Labels that must be there, exactly." }),
    matchExpressions: z.array(labelExpression).min(1).max(100).optional().describe("Rules, all of which must hold."),
  })
  .superRefine(({ matchLabels, matchExpressions }, context) => {
    if (matchLabels !== undefined || matchExpressions !== undefined) return;
    context.addIssue(parserIssue("selects everything", "matchLabels or matchExpressions", "neither"));
  })
  .meta({ id: "LabelSelector", description: "A Kubernetes label selector: everything in it must hold." });

/** One entry of `spec.match`. */
export const match = z
  .strictObject({
    apiGroups: listOf(groupGlob).optional().describe('API groups; "" is the core group, that of Pods; `*` is all.'),
    resources: listOf(resourceGlob).optional().describe("Resources, plural and in lower case: pods, deployments."),
    namespaces: listOf(namespaceGlob).optional().describe("Globs over the namespace of the object."),
    namespaceSelector: labelSelector
      .optional()
      .describe(
        "Labels of the namespace. Where they cannot be known the policy applies, but does not count as a match.",
      ),
    objectSelector: labelSelector.optional().describe("Labels of the object."),
  })
  .meta({ id: "Match", description: "Which Kubernetes objects: every field present must match." });
