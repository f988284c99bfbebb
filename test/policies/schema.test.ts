import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { plannedFields, policyJsonSchema } from "../../src/policy/schema.ts";

const folder = join(import.meta.dirname, "../../policies");

/** `spec.images[].glob`: the path of every field in the schema. */
function fieldsOf(schema: unknown, definitions: Record<string, unknown>, path: string): string[] {
  const node = schema as { $ref?: string; properties?: Record<string, unknown>; items?: unknown };
  if (node.$ref !== undefined) return fieldsOf(definitions[node.$ref.replace("#/$defs/", "")], definitions, path);
  if (node.items !== undefined) return fieldsOf(node.items, definitions, `${path}[]`);
  if (node.properties === undefined) return [path];
  const parent = path === "" ? "" : `${path}.`;
  return Object.entries(node.properties).flatMap(([name, child]) => fieldsOf(child, definitions, `${parent}${name}`));
}

describe("policies/schema.json", () => {
  const schema = policyJsonSchema() as { $defs: Record<string, unknown> };
  const fields = fieldsOf(schema.$defs["TrustPolicy"], schema.$defs, "");

  it("is what the code generates", () => {
    expect(JSON.parse(readFileSync(join(folder, "schema.json"), "utf8"))).toEqual(schema);
  });

  it("allows no field that is not named, in any object", () => {
    const open = JSON.stringify(schema).match(/"properties":{"/g)?.length;
    const closed = JSON.stringify(schema).match(/"additionalProperties":false/g)?.length;
    expect(open).toBe(closed);
  });

  it("has none of the fields that this version cannot check", () => {
    for (const [place, names] of Object.entries(plannedFields))
      for (const name of names)
        expect(fields.filter((field) => field.replaceAll("[]", "").startsWith(`${place}.${name}`))).toEqual([]);
  });

  it("has no field that the guide does not list", () => {
    const guide = readFileSync(join(folder, "../docs/policy.md"), "utf8");
    expect(fields.length).toBeGreaterThan(15);
    expect(fields.filter((field) => !guide.includes(`\`${field}\``))).toEqual([]);
  });
});
