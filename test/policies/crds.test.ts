import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { policyKindNames } from "../../src/index.ts";

const folder = join(import.meta.dirname, "../../policies/crds");
const files = readdirSync(folder).filter((name) => name.endsWith(".yaml"));

interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: Schema | boolean;
  readonly oneOf?: readonly object[];
  readonly anyOf?: readonly object[];
  readonly required?: readonly string[];
  readonly [key: string]: unknown;
}

const crdOf = (file: string) => parse(readFileSync(join(folder, file), "utf8"), { version: "1.1" });
const schemaOf = (file: string): Schema => crdOf(file).spec.versions[0].schema.openAPIV3Schema;

/** Every node of a schema, by its path. */
function nodesOf(node: Schema, path = ""): readonly (readonly [string, Schema])[] {
  const inner = Object.entries(node.properties ?? {}).flatMap(([name, child]) => nodesOf(child, `${path}.${name}`));
  const items = node.items === undefined ? [] : nodesOf(node.items, `${path}[]`);
  const values = typeof node.additionalProperties === "object" ? nodesOf(node.additionalProperties, `${path}{}`) : [];
  return [[path, node], ...inner, ...items, ...values];
}

describe("the custom resource definitions", () => {
  it("are there for every kind, and for no other", () => {
    expect(files.map((file) => crdOf(file).spec.names.kind).sort()).toEqual([...policyKindNames].sort());
  });

  it.each(files)("%s is named as the API server wants it, with a status and columns", (file) => {
    const { metadata, spec } = crdOf(file);
    expect(metadata.name).toBe(`${spec.names.plural}.imagetrust.dev`);
    expect(spec.scope).toBe(spec.names.kind === "TrustPolicy" ? "Namespaced" : "Cluster");
    expect(spec.versions).toMatchObject([{ served: true, storage: true, subresources: { status: {} } }]);
    for (const column of spec.versions[0].additionalPrinterColumns)
      expect(column).toMatchObject({
        name: expect.any(String),
        type: expect.any(String),
        jsonPath: expect.stringMatching(/^\./),
      });
  });

  // https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
  it.each(files)("%s is structural", (file) => {
    const known = new Set([
      ...[
        "type",
        "properties",
        "items",
        "additionalProperties",
        "required",
        "description",
        "default",
        "enum",
        "format",
      ],
      ...[
        "pattern",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "minimum",
        "maximum",
        "minProperties",
        "oneOf",
        "anyOf",
      ],
      ...["x-kubernetes-validations", "x-kubernetes-list-type", "x-kubernetes-list-map-keys"],
      "x-kubernetes-preserve-unknown-fields",
    ]);
    for (const [path, node] of nodesOf(schemaOf(file))) {
      expect(
        Object.keys(node).filter((key) => !known.has(key)),
        path,
      ).toEqual([]);
      if (node.type === undefined) expect(node["x-kubernetes-preserve-unknown-fields"], path).toBe(true);
      if (node.properties !== undefined) expect(node.additionalProperties, path).toBeUndefined();
      for (const name of node.required ?? []) expect(Object.keys(node.properties ?? {}), path).toContain(name);
      for (const one of [...(node.oneOf ?? []), ...(node.anyOf ?? [])])
        expect(Object.keys(one), path).toEqual(["required"]);
      expect(typeof node["minimum"] === "boolean" || typeof node["exclusiveMinimum"] === "boolean", path).toBe(false);
    }
  });

  it("have no field that is read from a disk", () => {
    const paths = files.flatMap((file) => nodesOf(schemaOf(file)).map(([path]) => path));
    expect(paths.length).toBeGreaterThan(100);
    expect(paths.filter((path) => /\.(?:file|\w+File)$/.test(path))).toEqual([]);
  });

  it("name each authority and attestation once, and ask for attestations under a threshold of 0", () => {
    for (const file of ["clustertrustpolicies.yaml", "trustpolicies.yaml"]) {
      const spec = schemaOf(file).properties?.["spec"];
      for (const list of ["authorities", "attestations"])
        expect(spec?.properties?.[list]).toMatchObject({ "x-kubernetes-list-map-keys": ["name"] });
      const rules = spec?.["x-kubernetes-validations"] as readonly { rule: string }[];
      expect(rules.map(({ rule }) => rule).join()).toContain("attestations");
      expect(rules.some(({ rule }) => rule.includes("mirrors"))).toBe(file === "trustpolicies.yaml");
    }
  });
});

describe("the custom resource definitions of policy-controller's kinds", () => {
  const foreign = readdirSync(join(folder, "foreign"));
  const fixtures = join(import.meta.dirname, "../fixtures/policies/foreign/valid");
  const objects = readdirSync(fixtures).flatMap((file) =>
    parseAllDocuments(readFileSync(join(fixtures, file), "utf8")).map((document) => document.toJS()),
  );

  /** The first place of a value that a server would not keep or not take. */
  function lost(value: unknown, { type, properties, items, additionalProperties, ...rest }: Schema, path = ""): string {
    if (rest["x-kubernetes-preserve-unknown-fields"] === true) return "";
    if (Array.isArray(value))
      return type === "array" ? (value.map((one) => lost(one, items ?? {}, `${path}[]`)).find(Boolean) ?? "") : path;
    if (typeof value !== "object" || value === null) return typeof value === type ? "" : path;
    if (type !== "object") return path;
    const values = typeof additionalProperties === "object" ? additionalProperties : undefined;
    const inner = Object.entries(value).map(([name, one]) => {
      const field = properties?.[name] ?? values;
      return field === undefined ? `${path}.${name}` : lost(one, field, `${path}.${name}`);
    });
    return inner.find(Boolean) ?? "";
  }

  it("have the versions, names and statuses that policy-controller has", () => {
    const about = foreign.map((file) => {
      const { names, scope, versions } = crdOf(`foreign/${file}`).spec;
      const told = versions.map(({ name, storage, subresources }: Record<string, unknown>) => [
        name,
        storage,
        subresources,
      ]);
      return [names.plural, names.shortNames, scope, told];
    });
    expect(about).toEqual([
      [
        "clusterimagepolicies",
        ["cip"],
        "Cluster",
        [
          ["v1alpha1", true, { status: {} }],
          ["v1beta1", false, { status: {} }],
        ],
      ],
      ["trustroots", undefined, "Cluster", [["v1alpha1", true, { status: {} }]]],
    ]);
  });

  it("keep all that can be written in such an object", () => {
    expect(objects.length).toBeGreaterThan(20);
    for (const { kind, spec } of objects) {
      const file = `foreign/${kind === "TrustRoot" ? "trustroots" : "clusterimagepolicies"}.yaml`;
      expect(lost(spec, schemaOf(file).properties?.["spec"] ?? {}), JSON.stringify(spec)).toBe("");
    }
  });
});
