import type { PolicySources } from "./authority-rules.ts";
import { parseSource, type SourceDocument } from "./document.ts";
import { toTrustException } from "./exception-rules.ts";
import { isForeign } from "./foreign/kinds.ts";
import { describeValue, type Problem, suggestion } from "./problem.ts";
import { type ParsedPolicies, toTrustPolicy } from "./rules.ts";
import { policyApiVersion, policyKinds, testKind } from "./schema.ts";
import { shapeProblems } from "./shape-problems.ts";

/**
 * Parses the policies of one file. Touches no file itself: without `readKeyFile`, `key.file` is refused, without `openRoot`
 * every trust root that is not in this text. The caller bounds the size and decides with {@link toPolicySet}; with a problem,
 * nothing of it may take effect.
 */
export async function parsePolicies(
  text: string,
  sourceName: string,
  given: PolicySources = {},
): Promise<ParsedPolicies> {
  const { documents, problems } = parseSource(text, sourceName);
  if (documents.length === 0 && problems.length === 0)
    return { policies: [], problems: [{ place: sourceName, what: "the file holds no policy" }] };
  const sources = given.openRoot === undefined ? { ...given, ...(await openingOwn(text, sourceName)) } : given;
  const read = await Promise.all(documents.map((document) => readPolicy(document, sources)));
  return {
    policies: read.flatMap(({ policies }) => policies),
    exceptions: read.flatMap(({ exceptions = [] }) => exceptions),
    roots: read.flatMap(({ roots = [] }) => roots),
    warnings: read.flatMap(({ warnings = [] }) => warnings),
    problems: [...problems, ...read.flatMap((result) => result.problems)].sort(byPlace),
  };
}

/**
 * The same for a document that is at hand as values, such as an object of a cluster: there is no place in a file to name, but
 * `place` may name the object.
 */
export function parsePolicyDocument(
  value: unknown,
  sources: Omit<PolicySources, "readKeyFile">,
  place = "",
): Promise<ParsedPolicies> {
  const here = () => place;
  return readPolicy({ value, placeOf: here, placeWithin: here, placeOfKey: here }, sources).then(fetchedSafely);
}

/** Whoever writes an object is not at home on this machine: its folders and its own services are not theirs to name. */
function fetchedSafely(parsed: ParsedPolicies): ParsedPolicies {
  const { roots = [], problems } = parsed;
  const [unsafe] = roots.filter(({ tuf }) => tuf !== undefined && new URL(tuf.mirror).protocol !== "https:");
  if (unsafe === undefined) return parsed;
  const expected = "https://HOST[/PATH] in an object of a cluster";
  const problem = { place: unsafe.place, what: "spec.tuf.mirror is not reached over HTTPS", expected };
  return { ...parsed, roots: [], problems: [...problems, problem] };
}

/** Roots need much to be understood, and most policies have none. */
async function openingOwn(text: string, sourceName: string): Promise<PolicySources> {
  if (!text.includes("TrustRoot")) return {};
  const { rootsIn } = await import("./root-rules.ts");
  const { namedRoots, openingRoots } = await import("./opening-roots.ts");
  return openingRoots(namedRoots(rootsIn(text, sourceName)));
}

async function readPolicy(document: SourceDocument, sources: PolicySources): Promise<ParsedPolicies> {
  if (isForeign(document.value)) {
    const { readForeign } = await import("./foreign/read.ts");
    return readForeign(document, { ...sources, openRoot: sources.openForeignRoot ?? sources.openRoot });
  }
  const schema = schemaOf(document);
  if ("what" in schema) return { policies: [], problems: [schema] };
  const checked = schema.safeParse(document.value);
  if (!checked.success) return { policies: [], problems: shapeProblems(schema, checked.error.issues, document) };
  if (checked.data.kind === "TrustRoot") {
    const { toTrustRoot } = await import("./root-rules.ts");
    const { written, problems } = toTrustRoot(checked.data, document);
    return { policies: [], roots: written === undefined ? [] : [written], problems };
  }
  if (checked.data.kind === "TrustException")
    return { policies: [], exceptions: [toTrustException(checked.data, document)], problems: [] };
  return toTrustPolicy(checked.data, document, sources);
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
  if (kind === testKind)
    return { place, what: `a ${testKind} is no policy, and is kept in a folder of its own`, expected, found: kind };
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
