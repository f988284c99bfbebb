import * as z from "zod";
import { forEachElement, type JsonMembers, parseMember, readJsonMembers } from "../crypto/json.ts";
import { TrustError } from "../errors.ts";
import type { PredicateKind } from "./predicate-types.ts";

/** What a predicate must have: small members as values, large ones element by element or only by kind. */
interface PredicateSchema {
  readonly members: z.ZodRawShape;
  /** Lists that may be large: the schema of each element. Absent ones pass. */
  readonly lists?: Readonly<Record<string, z.ZodType>>;
  /** Members that must be objects, whatever is in them. */
  readonly objects?: readonly string[];
}

const text = z.string().min(1);
const openObject = z.looseObject({});

const spdx2: PredicateSchema = {
  members: {
    spdxVersion: z.string().regex(/^SPDX-\d+\.\d+$/, "expected SPDX-2.3 or the like"),
    SPDXID: text,
    name: text,
    dataLicense: text.optional(),
    documentNamespace: text.optional(),
    creationInfo: z.looseObject({ created: text, creators: z.array(text).min(1) }).optional(),
  },
  lists: {
    packages: z.looseObject({ SPDXID: text, name: text }),
    files: z.looseObject({ SPDXID: text, fileName: text }),
    relationships: z.looseObject({ spdxElementId: text, relatedSpdxElement: text, relationshipType: text }),
  },
};
/** SPDX 3 is JSON-LD. */
const spdx3: PredicateSchema = {
  members: { "@context": z.union([text, z.array(z.unknown()), openObject]) },
  lists: { "@graph": z.looseObject({ type: text.optional(), "@type": z.unknown().optional() }) },
};

const vexStatuses = ["not_affected", "affected", "fixed", "under_investigation"] as const;

const schemas: Readonly<Record<NonNullable<PredicateKind["schema"]>, (members: JsonMembers) => PredicateSchema>> = {
  slsa02: () => ({
    members: { builder: z.looseObject({ id: text }), buildType: text },
    lists: { materials: openObject },
  }),
  slsa1: () => ({
    members: {
      buildDefinition: z.looseObject({ buildType: text, externalParameters: openObject }),
      runDetails: z.looseObject({ builder: z.looseObject({ id: text }) }),
    },
  }),
  link: () => ({
    members: { _type: text, name: text, command: z.array(z.string()) },
    objects: ["materials", "products", "byproducts", "environment"],
  }),
  spdx: (members) => (members.has("@graph") ? spdx3 : spdx2),
  cyclonedx: () => ({
    members: {
      bomFormat: z.literal("CycloneDX"),
      specVersion: z.string().regex(/^\d+\.\d+$/, "expected 1.6 or the like"),
      serialNumber: z.string().optional(),
      version: z.number().int().optional(),
    },
    lists: { components: z.looseObject({ type: text, name: text }), dependencies: z.looseObject({ ref: text }) },
  }),
  vuln: () => ({
    members: {
      invocation: openObject.optional(),
      metadata: z.looseObject({ scanStartedOn: text.optional(), scanFinishedOn: text.optional() }).optional(),
    },
    objects: ["scanner"],
  }),
  openvex: () => ({
    members: {
      "@context": z.string().startsWith("https://openvex.dev/ns"),
      "@id": text,
      author: text,
      timestamp: text,
      version: z.union([z.number(), z.string()]).optional(),
    },
    lists: {
      statements: z.looseObject({ vulnerability: z.union([text, openObject]), status: z.enum(vexStatuses) }),
    },
  }),
};
/** Lists that must be there, by schema. */
const requiredLists: Readonly<Record<string, readonly string[]>> = { openvex: ["statements"] };

const maxProblems = 20;
const maxElementBytes = 4 * 1024 * 1024;

/**
 * Holds a predicate against the schema of its type, without making objects of all of it. Throws `PREDICATE_INVALID`,
 * which names the path of everything that is wrong, the first 20.
 */
export function checkPredicate(predicate: Uint8Array, kind: PredicateKind): void {
  try {
    check(predicate, kind);
  } catch (cause) {
    if (!(cause instanceof TrustError) || cause.code !== "SIGNATURE_MALFORMED") throw cause;
    const { message, found } = cause;
    throw new TrustError("PREDICATE_INVALID", message, { expected: "a JSON object, each key once", found, cause });
  }
}

function check(predicate: Uint8Array, kind: PredicateKind): void {
  const members = readJsonMembers(predicate, "the predicate");
  if (kind.schema === undefined) return;
  const schema = schemas[kind.schema](members);
  const problems = [
    ...memberProblems(members, schema),
    ...(schema.objects ?? []).flatMap((name) => objectProblems(members, name)),
    ...(requiredLists[kind.schema] ?? []).flatMap((name) => (members.has(name) ? [] : [`${name}: a list is missing`])),
    ...Object.entries(schema.lists ?? {}).flatMap(([name, element]) => listProblems(members.get(name), name, element)),
  ];
  if (problems.length === 0) return;
  const told = problems.slice(0, maxProblems).join("; ");
  throw new TrustError("PREDICATE_INVALID", `the predicate is not of the type ${kind.uri}: ${told}`, {
    expected: `a document with the members of ${kind.uri}`,
    found: problems[0],
  });
}

function memberProblems(members: JsonMembers, schema: PredicateSchema): readonly string[] {
  const values = Object.keys(schema.members).filter((name) => members.has(name));
  const document = Object.fromEntries(values.map((name) => [name, parseMember(members, name)]));
  return problemsOf(z.looseObject(schema.members), document, "");
}

function objectProblems(members: JsonMembers, name: string): readonly string[] {
  const value = members.get(name);
  if (value === undefined) return [`${name}: an object is missing`];
  return value[0] === 0x7b ? [] : [`${name}: expected an object`];
}

function listProblems(list: Uint8Array | undefined, name: string, schema: z.ZodType): readonly string[] {
  if (list === undefined) return [];
  const problems: string[] = [];
  let index = 0;
  const isList = forEachElement(list, name, (element) => {
    const path = `${name}[${index++}]`;
    // What one element holds may be megabytes again: then only the outer ones are looked into.
    if (problems.length > maxProblems || element.length > maxElementBytes) return;
    problems.push(...problemsOf(schema, JSON.parse(Buffer.from(element).toString()), path));
  });
  return isList ? problems : [`${name}: expected a list`];
}

function problemsOf(schema: z.ZodType, value: unknown, prefix: string): readonly string[] {
  const { error } = schema.safeParse(value);
  return (error?.issues ?? []).map(({ path, message }) => {
    const place = path.reduce<string>(
      (text, part) =>
        typeof part === "number" ? `${text}[${part}]` : `${text}${text === "" ? "" : "."}${String(part)}`,
      prefix,
    );
    return `${place === "" ? "the document" : place}: ${message.slice(0, 200)}`;
  });
}
