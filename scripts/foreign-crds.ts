import { stringify } from "yaml";
import * as z from "zod";
import { foreignKinds } from "../src/policy/foreign/schema.ts";
import { resolve, type Schema } from "./crds.ts";

const group = "policy.sigstore.dev";

interface Kind {
  readonly plural: string;
  readonly shortNames?: readonly string[];
  /** The one that objects are stored as goes first. All have the same fields. */
  readonly versions: readonly string[];
}

const kinds: Readonly<Record<keyof typeof foreignKinds, Kind>> = {
  ClusterImagePolicy: { plural: "clusterimagepolicies", shortNames: ["cip"], versions: ["v1alpha1", "v1beta1"] },
  TrustRoot: { plural: "trustroots", versions: ["v1alpha1"] },
};

/**
 * The CustomResourceDefinitions of policy-controller's kinds for clusters that do not have it, by their path from the
 * project's root. As those of policy-controller they say which fields there are, and leave what is in them to a webhook.
 */
export function foreignCrdPages(note: string): readonly (readonly [string, string])[] {
  return Object.entries(kinds).map(([kind, about]) => {
    const document = crdOf(kind as keyof typeof foreignKinds, about);
    const text = stringify(document, { version: "1.1", lineWidth: 0, aliasDuplicateObjects: false });
    const hint = "For clusters without policy-controller, which brings its own.";
    return [`policies/crds/foreign/${about.plural}.yaml`, `# ${note}\n# ${hint}\n${text}`] as const;
  });
}

function crdOf(kind: keyof typeof foreignKinds, { plural, shortNames, versions }: Kind): object {
  const names = {
    kind,
    listKind: `${kind}List`,
    plural,
    singular: kind.toLowerCase(),
    categories: ["all", "sigstore"],
  };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: "Cluster",
      names: { ...names, ...(shortNames === undefined ? {} : { shortNames }) },
      versions: versions.map((name, index) => ({
        name,
        served: true,
        storage: index === 0,
        schema: { openAPIV3Schema: objectSchema(kind) },
        subresources: { status: {} },
      })),
    },
  };
}

function objectSchema(kind: keyof typeof foreignKinds): Schema {
  const generated = z.toJSONSchema(foreignKinds[kind], { target: "openapi-3.0", io: "input" }) as Schema;
  const definitions = (generated["definitions"] ?? {}) as Readonly<Record<string, Schema>>;
  const { spec = {} } = generated["properties"] as Readonly<Record<string, Schema>>;
  return {
    type: "object",
    properties: {
      apiVersion: { type: "string" },
      kind: { type: "string" },
      metadata: { type: "object" },
      spec: shapeOf(spec, definitions),
      status: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
    },
  };
}

/** Types and names of fields alone. */
function shapeOf(written: Schema, definitions: Readonly<Record<string, Schema>>): Schema {
  const { type, items, properties, additionalProperties } = resolve(written, definitions);
  const inner = (schema: unknown) => shapeOf((schema ?? {}) as Schema, definitions);
  if (type === undefined) return { "x-kubernetes-preserve-unknown-fields": true };
  if (type === "array") return { type, items: inner(items) };
  if (type !== "object") return { type };
  if (properties === undefined) return { type, additionalProperties: inner(additionalProperties) };
  const fields = Object.entries(properties as Readonly<Record<string, unknown>>).map(
    ([name, schema]) => [name, inner(schema)] as const,
  );
  return { type, properties: Object.fromEntries(fields) };
}
