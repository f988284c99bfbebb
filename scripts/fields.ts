import { policyJsonSchema } from "../src/policy/schema.ts";

interface Node {
  readonly $ref?: string;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly required?: readonly string[];
  readonly items?: Node;
  readonly additionalProperties?: unknown;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
}

/** A field of a kind of policy, as `spec.images[].glob`. */
export interface Field {
  readonly path: string;
  readonly required: boolean;
  readonly default: unknown;
  readonly values: readonly unknown[];
  readonly description: string;
}

/** Every field of a kind, in the order of the schema. */
export function fieldsOf(kind: string): readonly Field[] {
  const { $defs = {} } = policyJsonSchema() as { readonly $defs?: Readonly<Record<string, Node>> };
  const root = $defs[kind];
  if (root === undefined) throw new Error(`no such kind: ${kind}`);
  return walk(root, $defs, "");
}

function walk(node: Node, definitions: Readonly<Record<string, Node>>, path: string): readonly Field[] {
  const { properties = {}, required = [] } = resolve(node, definitions);
  return Object.entries(properties).flatMap(([name, written]) => {
    const field = resolve(written, definitions);
    const items = field.items === undefined ? undefined : resolve(field.items, definitions);
    const own = `${path}${name}${items === undefined ? "" : "[]"}`;
    const inner = walk(items ?? field, definitions, `${own}.`);
    const row: Field = {
      path: own,
      required: required.includes(name),
      default: field.default,
      values: field.enum ?? items?.enum ?? (field.const === undefined ? [] : [field.const]),
      description: [written.description ?? field.description ?? items?.description ?? ""].join(" "),
    };
    return [row, ...inner];
  });
}

function resolve(node: Node, definitions: Readonly<Record<string, Node>>): Node {
  if (node.$ref === undefined) return node;
  const { $ref, ...own } = node;
  return { ...resolve(definitions[$ref.replace("#/$defs/", "")] ?? {}, definitions), ...own };
}

/** The fields of a kind as a table; those of `spec` that another kind has as well are left to it. */
export function fieldTable(kind: string, sharedWith?: string): string {
  const shared = new Set(sharedWith === undefined ? [] : fieldsOf(sharedWith).map(({ path }) => path));
  const rows = fieldsOf(kind)
    .filter(({ path }) => !shared.has(path) || path === "metadata.namespace")
    .filter(({ path }) => path !== "metadata" && path !== "spec")
    .map((field) => `| \`${field.path}\` | ${defaultOf(field)} | ${meaningOf(field)} |`);
  return ["| field | default | meaning |", "|---|---|---|", ...rows].join("\n");
}

function defaultOf({ required, default: value }: Field): string {
  if (value !== undefined) return JSON.stringify(value) === "[]" ? "none" : `\`${String(value)}\``;
  return required ? "required" : "";
}

function meaningOf({ description, values }: Field): string {
  const missing = values.filter((value) => !description.includes(String(value)));
  const choices = missing.length === 0 ? "" : values.map((value) => `\`${String(value)}\``).join(", ");
  return [description, choices === "" ? "" : `${choices}.`]
    .filter((part) => part !== "")
    .join(" ")
    .replaceAll("|", "\\|");
}
