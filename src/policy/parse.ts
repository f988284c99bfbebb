import type { ReadKeyFile } from "./authority-rules.ts";
import { parseSource, type SourceDocument } from "./document.ts";
import { toTrustException } from "./exception-rules.ts";
import { describeValue, type Problem, suggestion } from "./problem.ts";
import { type ParsedPolicies, toTrustPolicy } from "./rules.ts";
import { plannedKinds, policyApiVersion, policyKinds } from "./schema.ts";
import { shapeProblems } from "./shape-problems.ts";

/**
 * Parses the policies of one file. Touches no file itself: without `readKeyFile`, `key.file` is refused. The caller
 * bounds the size and decides with {@link toPolicySet}; with a problem, nothing of it may take effect.
 */
export async function parsePolicies(
  text: string,
  sourceName: string,
  readKeyFile?: ReadKeyFile | undefined,
): Promise<ParsedPolicies> {
  const { documents, problems } = parseSource(text, sourceName);
  if (documents.length === 0 && problems.length === 0)
    return { policies: [], problems: [{ place: sourceName, what: "the file holds no policy" }] };
  const read = await Promise.all(documents.map((document) => readPolicy(document, readKeyFile)));
  return {
    policies: read.flatMap(({ policies }) => policies),
    exceptions: read.flatMap(({ exceptions = [] }) => exceptions),
    problems: [...problems, ...read.flatMap((result) => result.problems)].sort(byPlace),
  };
}

async function readPolicy(document: SourceDocument, readKeyFile: ReadKeyFile | undefined): Promise<ParsedPolicies> {
  const schema = schemaOf(document);
  if ("what" in schema) return { policies: [], problems: [schema] };
  const checked = schema.safeParse(document.value);
  if (!checked.success) return { policies: [], problems: shapeProblems(schema, checked.error.issues, document) };
  if (checked.data.kind === "TrustException")
    return { policies: [], exceptions: [toTrustException(checked.data, document)], problems: [] };
  return toTrustPolicy(checked.data, document, readKeyFile);
}

function schemaOf(document: SourceDocument): (typeof policyKinds)[keyof typeof policyKinds] | Problem {
  const { value } = document;
  const kinds = Object.keys(policyKinds);
  const expected = `${kinds.join(" or ")} of ${policyApiVersion}`;
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return { place: document.placeOf([]), what: "not a policy", expected, found: describeValue(value) };
  const kind: unknown = Reflect.get(value, "kind");
  if (isPolicyKind(kind)) return policyKinds[kind];
  if (kind === undefined) return { place: document.placeOf([]), what: "kind is missing", expected };
  const place = document.placeOf(["kind"]);
  if (typeof kind === "string" && plannedKinds.includes(kind))
    return { place, what: `the kind ${kind} is part of the format, but this version cannot read it`, expected };
  const question = typeof kind === "string" ? suggestion(kind, kinds) : "";
  return { place, what: `not a kind of policy that can be read${question}`, expected, found: describeValue(kind) };
}

function isPolicyKind(kind: unknown): kind is keyof typeof policyKinds {
  return typeof kind === "string" && Object.hasOwn(policyKinds, kind);
}

/** By line and column. */
function byPlace(a: Problem, b: Problem): number {
  const [line, column] = positionOf(a);
  const [otherLine, otherColumn] = positionOf(b);
  return line - otherLine || column - otherColumn;
}

function positionOf({ place }: Problem): [number, number] {
  const [, line, column] = /:(\d+):(\d+)$/.exec(place) ?? [];
  return [Number(line ?? 0), Number(column ?? 0)];
}
