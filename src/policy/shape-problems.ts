import type { z } from "zod";
import type { Path, SourceDocument } from "./document.ts";
import { describeValue, type Problem, suggestion } from "./problem.ts";
import { plannedFields } from "./schema.ts";

type Issue = z.core.$ZodIssue;

const maxIssues = 500;

/** What the schema found wrong with a document, in words and with places. */
export function shapeProblems(
  schema: z.ZodType,
  issues: readonly Issue[],
  document: SourceDocument,
): readonly Problem[] {
  // Nobody reads more, and each is held against all.
  const first = issues.slice(0, maxIssues);
  return first
    .filter((issue) => !isFollowUp(issue, first, document))
    .flatMap((issue) => describeIssue(schema, issue, document));
}

/** `spec.authorities[0].key`. */
export function formatPath(path: Path): string {
  if (path.length === 0) return "the policy";
  return path
    .map((step) => (typeof step === "number" ? `[${step}]` : `.${String(step)}`))
    .join("")
    .replace(/^\./, "");
}

/** What is missing because a planned field stands in its place; telling that one is enough. */
function isFollowUp(issue: Issue, issues: readonly Issue[], document: SourceDocument): boolean {
  const missing = valueAt(document.value, issue.path) === undefined;
  if (!missing && issue.code !== "custom") return false;
  const owner = missing ? issue.path.slice(0, -1) : issue.path;
  return issues.some(
    (other) =>
      other.code === "unrecognized_keys" &&
      samePath(other.path, owner) &&
      other.keys.some((key) => plannedAt(owner).includes(key)),
  );
}

function describeIssue(schema: z.ZodType, issue: Issue, document: SourceDocument): readonly Problem[] {
  const { path } = issue;
  if (issue.code === "unrecognized_keys")
    return issue.keys.slice(0, maxIssues).map((key) => unknownField(fieldsAt(schema, path), path, key, document));
  const value = valueAt(document.value, path);
  const name = formatPath(path);
  if (value === undefined)
    return [
      { place: document.placeOfKey(path.slice(0, -1)), what: `${name} is missing`, expected: expectation(issue) },
    ];
  const place = value === null ? document.placeOfKey(path) : document.placeOf(path);
  if (issue.code === "custom" && issue.params?.["parser"] === true) {
    const { expected, found } = issue.params;
    return [{ place, what: `${name}: ${issue.message}`, expected: textOf(expected), found: textOf(found) }];
  }
  const found = foundAt(path, value);
  return [{ place, what: `${name} is not valid${nearValue(issue, value)}`, expected: expectation(issue), found }];
}

function nearValue(issue: Issue, value: unknown): string {
  if (issue.code !== "invalid_value" || typeof value !== "string") return "";
  return suggestion(value, issue.values.map(String));
}

function unknownField(fields: readonly string[], path: Path, key: string, document: SourceDocument): Problem {
  const place = document.placeOfKey([...path, key]);
  const name = formatPath([...path, /^[\w./$-]{1,100}$/.test(key) ? key : "(unreadable)"]);
  const expected = fields.length === 1 ? fields[0] : `one of ${fields.join(", ")}`;
  if (plannedAt(path).includes(key))
    return { place, what: `${name} is part of the format, but this version cannot check it`, expected };
  return { place, what: `${name} is not a field${suggestion(key, fields)}`, expected };
}

function plannedAt(path: Path): readonly string[] {
  return plannedFields[path.filter((step) => typeof step === "string").join(".")] ?? [];
}

function expectation(issue: Issue): string {
  switch (issue.code) {
    case "invalid_type":
      return typeNames[issue.expected] ?? issue.expected;
    case "invalid_value":
      return issue.values.map(String).join(" or ");
    case "too_small":
      return minima[issue.origin] ?? `at least ${issue.minimum}`;
    case "too_big":
      return `at most ${issue.maximum}${units[issue.origin] ?? ""}`;
    default:
      return issue.message;
  }
}

const typeNames: Readonly<Record<string, string>> = {
  string: "a text (a number needs quotes to be one)",
  object: "an object",
  record: "an object",
  array: "a list",
  int: "a whole number",
  number: "a number",
};
/** Texts and lists only have to hold something. */
const minima: Readonly<Record<string, string>> = { string: "a text that is not empty", array: "at least 1 item" };
const units: Readonly<Record<string, string>> = { string: " characters", array: " items" };

/** Whatever stands where a key should is not repeated: it may be a private one. */
function foundAt(path: Path, value: unknown): string {
  return path.includes("key") && typeof value === "string" ? "a text" : describeValue(value);
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function valueAt(root: unknown, path: Path): unknown {
  let value = root;
  for (const step of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, step)) return undefined;
    value = Reflect.get(value, step);
  }
  return value;
}

function samePath(a: Path, b: Path): boolean {
  return a.length === b.length && a.every((step, index) => step === b[index]);
}

/** The names of the fields that the schema knows at the path. */
function fieldsAt(schema: z.ZodType, path: Path): readonly string[] {
  let at: unknown = unwrap(schema);
  for (const step of path)
    at = unwrap(typeof step === "number" ? propertyOf(at, "element") : propertyOf(shapeOf(at), step));
  return Object.keys(shapeOf(at));
}

function shapeOf(schema: unknown): object {
  const shape = propertyOf(schema, "shape");
  return typeof shape === "object" && shape !== null ? shape : {};
}

/** Takes off `optional` and `default`. */
function unwrap(schema: unknown): unknown {
  const inner = propertyOf(propertyOf(schema, "def"), "innerType");
  return inner === undefined ? schema : unwrap(inner);
}

function propertyOf(value: unknown, name: PropertyKey): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}
