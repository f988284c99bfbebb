import type { PolicySources } from "../authority-rules.ts";
import type { SourceDocument } from "../document.ts";
import { describeValue, type Problem, suggestion } from "../problem.ts";
import type { ParsedPolicies } from "../rules.ts";
import { shapeProblems } from "../shape-problems.ts";
import { toImagePolicy } from "./image-policy.ts";
import { foreignVersions } from "./kinds.ts";
import { foreignKinds } from "./schema.ts";
import { foreignRoot } from "./trust-root.ts";

/**
 * Reads an object of policy-controller's language: a ClusterImagePolicy as a policy, a TrustRoot as a root. What
 * policy-controller refuses is refused; what this program cannot judge by loads, with a warning, and never passes.
 */
export async function readForeign(document: SourceDocument, sources: PolicySources): Promise<ParsedPolicies> {
  const kind = kindOf(document);
  if (typeof kind !== "string") return { policies: [], problems: [kind] };
  if (kind === "TrustRoot") return foreignRoot(document);
  const schema = foreignKinds.ClusterImagePolicy;
  const checked = schema.safeParse(document.value);
  if (!checked.success) return { policies: [], problems: shapeProblems(schema, checked.error.issues, document) };
  return toImagePolicy(checked.data, document, sources);
}

function kindOf(document: SourceDocument): keyof typeof foreignKinds | Problem {
  const { value } = document;
  const field = (name: string): unknown =>
    typeof value === "object" && value !== null ? Reflect.get(value, name) : "";
  const [apiVersion, kind] = [field("apiVersion"), field("kind")];
  if (typeof apiVersion !== "string" || !foreignVersions.includes(apiVersion)) {
    const what = "a version of policy-controller's API that cannot be read";
    const place = document.placeOf(["apiVersion"]);
    return { place, what, expected: foreignVersions.join(" or "), found: describeValue(apiVersion) };
  }
  if (kind === "ClusterImagePolicy" || kind === "TrustRoot") return kind;
  const kinds = Object.keys(foreignKinds);
  const question = typeof kind === "string" ? suggestion(kind, kinds) : "";
  return {
    place: kind === undefined ? document.placeOf([]) : document.placeOf(["kind"]),
    what: `not a kind of ${apiVersion} that can be read${question}`,
    expected: kinds.join(" or "),
    found: describeValue(kind),
  };
}
