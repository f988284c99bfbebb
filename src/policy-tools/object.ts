import type { ObjectContext } from "../policy/policy.ts";
import type { TestCase } from "./test-schema.ts";

/** What is known beside the object itself. */
export interface ObjectSurroundings {
  /** Of an object that names none. */
  readonly namespace?: string | undefined;
  readonly namespaceLabels?: Readonly<Record<string, string>> | undefined;
}

/**
 * What policies see of a Kubernetes object: as in admission. Without an object but with a namespace, a Pod there; with
 * neither, nothing.
 */
export function objectContextOf(
  object: TestCase["object"],
  { namespace, namespaceLabels }: ObjectSurroundings,
): ObjectContext | undefined {
  const labelled = namespaceLabels === undefined ? {} : { namespaceLabels };
  if (object === undefined) {
    if (namespace === undefined) return undefined;
    return { apiGroup: "", resource: "pods", kind: "Pod", namespace, labels: {}, ...labelled };
  }
  const { apiVersion, kind, metadata } = object;
  const [apiGroup = ""] = apiVersion.includes("/") ? apiVersion.split("/") : [""];
  const { name, labels = {} } = metadata;
  return {
    apiGroup,
    resource: resourceOf(kind),
    kind,
    namespace: metadata.namespace ?? namespace ?? "default",
    labels,
    ...(name === undefined ? {} : { name }),
    ...labelled,
  };
}

/** The plural that policies name a kind by: `Deployment`, `deployments`. */
function resourceOf(kind: string): string {
  const word = kind.toLowerCase();
  if (/[^aeiou]y$/.test(word)) return `${word.slice(0, -1)}ies`;
  return /(?:s|x|ch|sh)$/.test(word) ? `${word}es` : `${word}s`;
}
