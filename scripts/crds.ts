import { stringify } from "yaml";
import * as z from "zod";
import { policyApiVersion, policyKinds } from "../src/policy/schema.ts";

/** A node of a JSON schema. */
export type Schema = { readonly [key: string]: unknown };

interface Kind {
  readonly plural: string;
  readonly scope: "Cluster" | "Namespaced";
  readonly shortNames: readonly string[];
  readonly columns: readonly Column[];
  /** Rules of the API server over `spec`, beside those of the fields. */
  readonly rules: readonly Rule[];
}

interface Column {
  readonly name: string;
  readonly jsonPath: string;
  readonly description: string;
  readonly type?: string;
}

interface Rule {
  readonly rule: string;
  readonly message: string;
}

const [group = "", version = ""] = policyApiVersion.split("/");

const ready: Column = {
  name: "Ready",
  jsonPath: '.status.conditions[?(@.type=="Ready")].status',
  description: "Whether it is in force.",
};
const age: Column = { name: "Age", jsonPath: ".metadata.creationTimestamp", description: "Since when.", type: "date" };
const policyColumns: readonly Column[] = [
  { name: "Mode", jsonPath: ".spec.mode", description: "What a failure does." },
  { name: "Threshold", jsonPath: ".spec.threshold", description: "Distinct signers.", type: "integer" },
  ready,
  age,
];
const policyRules: readonly Rule[] = [
  { rule: "self.threshold > 0 || has(self.attestations)", message: "threshold 0 needs attestations" },
];

const kinds: Readonly<Record<keyof typeof policyKinds, Kind>> = {
  ClusterTrustPolicy: {
    ...{ plural: "clustertrustpolicies", scope: "Cluster", shortNames: ["ctp"] },
    ...{ columns: policyColumns, rules: policyRules },
  },
  TrustPolicy: {
    ...{ plural: "trustpolicies", scope: "Namespaced", shortNames: ["tp"], columns: policyColumns },
    rules: [...policyRules, { rule: "!has(self.mirrors)", message: "mirrors are for a ClusterTrustPolicy to say" }],
  },
  TrustException: {
    ...{ plural: "trustexceptions", scope: "Cluster", shortNames: ["tex"], rules: [] },
    columns: [
      { name: "Expires", jsonPath: ".spec.expires", description: "When it ends." },
      { name: "Reason", jsonPath: ".spec.reason", description: "Why." },
      { name: "Approved-By", jsonPath: ".spec.approvedBy", description: "Who answers for it." },
      ready,
      age,
    ],
  },
  TrustRoot: {
    ...{ plural: "trustroots", scope: "Cluster", shortNames: ["troot"] },
    rules: [
      { rule: "has(self.trustedRoot) != has(self.tuf)", message: "either trustedRoot or tuf" },
      {
        rule: "!has(self.tuf) || self.tuf.mirror.startsWith('https://')",
        message: "tuf.mirror is https://HOST[/PATH]",
      },
    ],
    columns: [ready, age],
  },
};

/** The CustomResourceDefinitions of all kinds, by their path from the project's root. */
export function crdPages(note: string): readonly (readonly [string, string])[] {
  return Object.entries(kinds).map(([kind, about]) => {
    const document = crdOf(kind as keyof typeof policyKinds, about);
    // Kubernetes reads YAML 1.1, where more words need quotes.
    const text = stringify(document, { version: "1.1", lineWidth: 0, aliasDuplicateObjects: false });
    return [`policies/crds/${about.plural}.yaml`, `# ${note}\n${text}`] as const;
  });
}

function crdOf(kind: keyof typeof policyKinds, { plural, scope, shortNames, columns, rules }: Kind): object {
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope,
      names: { kind, listKind: `${kind}List`, plural, singular: kind.toLowerCase(), shortNames, categories: ["trust"] },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          schema: { openAPIV3Schema: objectSchema(kind, rules) },
          subresources: { status: {} },
          additionalPrinterColumns: columns.map((column) => ({ type: "string", ...column })),
        },
      ],
    },
  };
}

function objectSchema(kind: keyof typeof policyKinds, rules: readonly Rule[]): Schema {
  const generated = z.toJSONSchema(policyKinds[kind], { target: "openapi-3.0", io: "input" }) as Schema;
  const definitions = (generated["definitions"] ?? {}) as Readonly<Record<string, Schema>>;
  const { description, properties } = resolve(generated, definitions);
  const spec = structural((properties as Readonly<Record<string, Schema>>)["spec"] ?? {}, definitions);
  return {
    type: "object",
    description,
    required: ["spec"],
    properties: {
      apiVersion: { type: "string" },
      kind: { type: "string" },
      metadata: { type: "object" },
      spec: rules.length === 0 ? spec : { ...spec, "x-kubernetes-validations": rules },
      status,
    },
  };
}

const status: Schema = {
  type: "object",
  description: "Whether the object is in force; written by the webhook.",
  properties: {
    observedGeneration: { type: "integer", format: "int64" },
    conditions: {
      type: "array",
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": ["type"],
      items: {
        type: "object",
        required: ["type", "status", "lastTransitionTime", "reason", "message"],
        properties: {
          type: { type: "string", maxLength: 316 },
          status: { type: "string", enum: ["True", "False", "Unknown"] },
          observedGeneration: { type: "integer", format: "int64" },
          lastTransitionTime: { type: "string", format: "date-time" },
          reason: { type: "string", maxLength: 1024 },
          message: { type: "string", maxLength: 32768 },
        },
      },
    },
  },
};

/** Follows a reference, also where it stands alone in `allOf`; what is said beside it goes before what it says. */
export function resolve(schema: Schema, definitions: Readonly<Record<string, Schema>>): Schema {
  const { allOf, $ref, ...own } = schema;
  const target = typeof $ref === "string" ? definitions[$ref.replace("#/definitions/", "")] : undefined;
  if (target !== undefined) return resolve({ ...target, ...own }, definitions);
  if (!Array.isArray(allOf) || allOf.length !== 1) return schema;
  return resolve({ ...(allOf[0] as Schema), ...own }, definitions);
}

/** Fields that are read from a disk: objects of a cluster have none. */
const isOfDisk = (name: string) => /^(?:file|.*File)$/.test(name);
/** Not said in a structural schema: unknown fields are pruned, and the checks behind them are the webhook's. */
const leftOut: ReadonlySet<string> = new Set(["additionalProperties", "propertyNames", "$schema", "definitions", "id"]);
/** Lists whose entries have each name once. */
const namedLists: ReadonlySet<string> = new Set(["authorities", "attestations"]);

/** The schema as Kubernetes wants it: every node with a type, nothing by reference, alternatives without types. */
function structural(written: Schema, definitions: Readonly<Record<string, Schema>>, name = ""): Schema {
  const schema = resolve(written, definitions);
  const { properties, items, additionalProperties, required, oneOf, anyOf, ...rest } = schema;
  if (schema["type"] === undefined)
    return { ...pick(rest, ["description"]), "x-kubernetes-preserve-unknown-fields": true };
  const kept = Object.fromEntries(Object.entries(rest).filter(([key]) => !leftOut.has(key)));
  if (items !== undefined) {
    const list = { ...kept, items: structural(items as Schema, definitions) };
    const isNamed = namedLists.has(name) && (list.items as Schema)["type"] === "object";
    return isNamed ? { ...list, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"] } : list;
  }
  const fields = Object.entries((properties ?? {}) as Readonly<Record<string, Schema>>);
  if (fields.length === 0 && schema["type"] === "object") return mapSchema(kept, additionalProperties, definitions);
  const inCluster = fields.filter(([field]) => !isOfDisk(field));
  const alternatives = alternativesOf(oneOf);
  const needed = [...((required as readonly string[] | undefined) ?? []), ...alternatives.needed];
  return {
    ...kept,
    ...(needed.length === 0 ? {} : { required: needed }),
    ...(alternatives.oneOf === undefined ? {} : { oneOf: alternatives.oneOf }),
    ...(anyOf === undefined ? {} : { anyOf }),
    ...(fields.length === 0
      ? {}
      : {
          properties: Object.fromEntries(inCluster.map(([field, of]) => [field, structural(of, definitions, field)])),
        }),
  };
}

function mapSchema(kept: Schema, values: unknown, definitions: Readonly<Record<string, Schema>>): Schema {
  const isTyped = typeof values === "object" && values !== null && "type" in values;
  if (!isTyped) return { ...kept, "x-kubernetes-preserve-unknown-fields": true };
  return { ...kept, additionalProperties: structural(values as Schema, definitions) };
}

/** Alternatives that a cluster has; where one is left it is needed. */
function alternativesOf(oneOf: unknown): { readonly needed: readonly string[]; readonly oneOf?: readonly Schema[] } {
  const all = (oneOf ?? []) as readonly { readonly required: readonly string[] }[];
  const left = all.filter(({ required }) => !required.some(isOfDisk));
  const [only, second] = left;
  if (only === undefined) return { needed: [] };
  return second === undefined ? { needed: only.required } : { needed: [], oneOf: left };
}

function pick(schema: Schema, names: readonly string[]): Schema {
  return Object.fromEntries(names.flatMap((name) => (schema[name] === undefined ? [] : [[name, schema[name]]])));
}
