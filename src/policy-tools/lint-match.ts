import { matchesGlob } from "../policy/glob.ts";
import type { LabelExpression, LabelSelector, ObjectMatch } from "../policy/policy.ts";
import type { Remark, Subject } from "./remark.ts";

/** The kinds that admission finds images in, as policies name them. */
const judged = [
  ...["pods", "replicationcontrollers", "podtemplates"].map((resource) => ({ group: "", resource })),
  ...["deployments", "replicasets", "statefulsets", "daemonsets"].map((resource) => ({ group: "apps", resource })),
  ...["jobs", "cronjobs"].map((resource) => ({ group: "batch", resource })),
];

/** Rules of `match` that no object can ever meet. */
export function lintMatch({ policy, at }: Subject): readonly Remark[] {
  return policy.match.flatMap((match, index) => {
    const why = [kindReason(match), ...selectorReasons(match)].filter((reason) => reason !== undefined);
    return why.map(
      ({ field, message, advice }): Remark => ({
        code: "match-never-matches",
        place: at("match", index, field),
        message: `spec.match[${index}] can never match: ${message}`,
        advice,
      }),
    );
  });
}

interface Reason {
  readonly field: keyof ObjectMatch;
  readonly message: string;
  readonly advice: string;
}

function kindReason({ apiGroups = ["*"], resources = ["*"] }: ObjectMatch): Reason | undefined {
  const inGroup = judged.filter(({ group }) => apiGroups.some((glob) => matchesGlob(glob, group)));
  if (inGroup.some(({ resource }) => resources.some((glob) => matchesGlob(glob, resource)))) return undefined;
  const groups = [...new Set(judged.map(({ group }) => (group === "" ? '""' : group)))].join(", ");
  const anywhere = judged.filter(({ resource }) => resources.some((glob) => matchesGlob(glob, resource)));
  if (inGroup.length === 0)
    return {
      field: "apiGroups",
      message: `no kind with images is in ${apiGroups.join(", ")}`,
      advice: `one of ${groups}`,
    };
  const message = `${resources.join(", ")} of ${apiGroups.join(", ") || '""'} is no kind with images`;
  const names = (anywhere.length > 0 ? anywhere : inGroup).map(
    ({ group, resource }) => `${resource} of ${group === "" ? '""' : group}`,
  );
  return { field: "resources", message, advice: names.join(", ") };
}

function selectorReasons({ objectSelector, namespaceSelector }: ObjectMatch): readonly Reason[] {
  const found = { objectSelector, namespaceSelector };
  return (["objectSelector", "namespaceSelector"] as const).flatMap((field) => {
    const selector = found[field];
    const key = selector === undefined ? undefined : contradiction(selector);
    if (key === undefined) return [];
    return [
      { field, message: `${field} asks two things of the label ${key} that exclude each other`, advice: "one of them" },
    ];
  });
}

/** A label of which two things are asked that cannot both be; nothing where all can. */
function contradiction({ matchLabels = {}, matchExpressions = [] }: LabelSelector): string | undefined {
  const exact = Object.entries(matchLabels).map(([key, value]) => ({ key, operator: "In", values: [value] }) as const);
  const byKey = Map.groupBy<string, LabelExpression>([...exact, ...matchExpressions], ({ key }) => key);
  for (const [key, expressions] of byKey) if (!isPossible(expressions)) return key;
  return undefined;
}

function isPossible(expressions: readonly LabelExpression[]): boolean {
  const of = (operator: LabelExpression["operator"]) => expressions.filter((one) => one.operator === operator);
  const forbidden = new Set(of("NotIn").flatMap(({ values }) => values));
  const [first, ...others] = of("In").map(({ values }) => values);
  if (of("DoesNotExist").length > 0) return first === undefined && of("Exists").length === 0;
  if (first === undefined) return true;
  return first.some((value) => !forbidden.has(value) && others.every((values) => values.includes(value)));
}
