import fc from "fast-check";
import { edited, edits, type Field, type Json, number, rule, strange, text, weighted } from "./cue-rules.ts";

/** A rule as a text, and a statement that it may be asked about, both random. */
export interface CueCase {
  readonly cue: string;
  /** The statement as JSON, whose numbers may be written in any way. */
  readonly json: string;
}

const anyJson: fc.Arbitrary<Json> = weighted<Json>(
  [3, fc.constantFrom<Json>(...strange)],
  [2, text],
  [2, number],
  [1, fc.constantFrom<Json>(true, false, null)],
);

/** Something wrong with the value of a field, or with where it is. */
const miss = fc.record({
  how: fc.constantFrom("remove", "null", "other", "other", "elsewhere", "parent", "wrap"),
  which: fc.nat(2),
  value: anyJson,
});

function withValue(root: Json, path: readonly string[], value: Json | undefined): Json {
  const [name, ...rest] = path;
  if (name === undefined) return value ?? null;
  const inside =
    typeof root === "object" && root !== null && !Array.isArray(root) ? (root as { [key: string]: Json }) : {};
  const { [name]: old, ...others } = inside;
  if (rest.length === 0 && value === undefined) return others;
  return { ...others, [name]: withValue(old ?? {}, rest, value) };
}

function missed(
  root: Json,
  fields: readonly Field[],
  { how, which, value }: { how: string; which: number; value: Json },
): Json {
  const { path = ["predicate"], near = null } = fields[which] ?? fields[0] ?? {};
  if (how === "remove") return withValue(root, path, undefined);
  if (how === "elsewhere") return withValue(withValue(root, path, undefined), ["predicate", "other", ...path], near);
  if (how === "parent") return withValue(root, path.slice(0, Math.max(1, path.length - 1)), value);
  return withValue(root, path, how === "null" ? null : how === "wrap" ? [near] : value);
}

const statement = (fields: readonly Field[]): fc.Arbitrary<string> =>
  fc
    .tuple(fc.array(miss, { maxLength: 2 }), fc.nat(3), fc.constantFrom("", "", "", "", ".0", "e0", "E+0", "e400"))
    .map(([misses, count, zeros]) => {
      const start: Json = {
        _type: "https://in-toto.io/Statement/v0.1",
        subject: [{ name: "x", digest: { sha256: "0" } }],
        predicateType: "T",
        predicate: {},
      };
      const full = fields.reduce<Json>((root, { path, near }) => withValue(root, path, near), start);
      const made = misses.slice(0, count).reduce<Json>((root, one) => missed(root, fields, one), full);
      return JSON.stringify(made).replace(/(?<=:)(-?\d+)(?=[,}])/g, `$1${zeros}`);
    });

/** Random rules of the subset, and beyond it, each with a statement that meets it or nearly does. */
export const cueCases: fc.Arbitrary<CueCase> = rule.chain(([cue, fields]) =>
  statement(fields).map((json) => ({ cue, json })),
);

/** The same with a text that was changed. */
export const editedCueCases: fc.Arbitrary<CueCase> = fc
  .tuple(cueCases, edits)
  .map(([{ cue, json }, changes]) => ({ cue: changes.reduce(edited, cue), json }));
