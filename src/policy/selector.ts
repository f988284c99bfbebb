import type { LabelExpression, LabelSelector } from "./policy.ts";

type Labels = Readonly<Record<string, string>>;

/** Whether a label selector holds, as Kubernetes understands it: `NotIn` also holds where the label is absent. */
export function selects(selector: LabelSelector, labels: Labels): boolean {
  return requirementsOf(selector).every((requirement) => holds(requirement, labelOf(labels, requirement.key)));
}

const namespaceName = "kubernetes.io/metadata.name";

/**
 * The same for the labels of a namespace, of which always one is known: its name. Undefined where the others decide and
 * are not known.
 */
export function selectsNamespace(selector: LabelSelector, namespace: string, labels?: Labels): boolean | undefined {
  if (labels !== undefined) return selects(selector, { ...labels, [namespaceName]: namespace });
  const known = requirementsOf(selector).filter(({ key }) => key === namespaceName);
  if (!known.every((requirement) => holds(requirement, namespace))) return false;
  return known.length === requirementsOf(selector).length ? true : undefined;
}

function requirementsOf({ matchLabels = {}, matchExpressions = [] }: LabelSelector): readonly LabelExpression[] {
  const exact = Object.entries(matchLabels).map(([key, value]) => ({ key, operator: "In", values: [value] }) as const);
  return [...exact, ...matchExpressions];
}

function labelOf(labels: Labels, key: string): string | undefined {
  return Object.hasOwn(labels, key) ? labels[key] : undefined;
}

function holds({ operator, values }: LabelExpression, value: string | undefined): boolean {
  switch (operator) {
    case "In":
      return value !== undefined && values.includes(value);
    case "NotIn":
      return value === undefined || !values.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
  }
}
