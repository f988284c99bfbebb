import { readdir, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { TrustError } from "../errors.ts";
import { readSmallFile } from "../keys/files.ts";
import { parseSource, type SourceDocument } from "../policy/document.ts";
import { type Problem, policyInvalid } from "../policy/problem.ts";
import { shapeProblems } from "../policy/shape-problems.ts";
import { type PolicyTestDocument, policyTest } from "./test-schema.ts";

/** A PolicyTest, where it stands, and the folder that its paths start at. */
export interface PolicyTestFile {
  /** The file, as the user names it. */
  readonly name: string;
  readonly folder: string;
  readonly test: PolicyTestDocument;
  /** `file:line:column` of a case. */
  placeOf(index: number): string;
}

const testFileName = /\.(?:yaml|yml|json)$/i;
const declaresTest = /(?:^|[\s{,])["']?kind["']?\s*:\s*["']?PolicyTest\b/;
const maxTestBytes = 4 * 1024 * 1024;
const maxFiles = 10_000;
const guide = "docs/policy-testing.md shows how to write the first one, and every field";

/**
 * The tests of files and folders, in the order of their names. Folders are searched with all that is in them, but for
 * what starts with a dot and `node_modules`; of what is in them, the files that hold a PolicyTest count. Throws
 * `POLICY_INVALID` with every problem there is, `POLICY_NOT_FOUND` where there is no test, `FILE_UNREADABLE`.
 */
export async function readPolicyTests(paths: readonly string[], cwd: string): Promise<readonly PolicyTestFile[]> {
  const files = new Map<string, string>();
  for (const path of paths)
    for (const name of await filesAt(path, cwd))
      if (!files.has(resolve(cwd, name))) files.set(resolve(cwd, name), name);
  const read = await Promise.all([...files].map(([path, name]) => readTests(path, name, paths.includes(name))));
  const problems = read.flatMap((one) => one.problems);
  if (problems.length > 0) throw policyInvalid(problems, guide);
  const tests = read.flatMap((one) => one.tests);
  if (tests.length > 0) return tests;
  throw new TrustError("POLICY_NOT_FOUND", `there is no PolicyTest in ${paths.join(", ")}`, {
    expected: "YAML files with kind: PolicyTest",
    hint: guide,
  });
}

async function filesAt(name: string, cwd: string): Promise<readonly string[]> {
  const found = await stat(resolve(cwd, name)).catch((cause: unknown) => {
    throw new TrustError("POLICY_NOT_FOUND", `${name} does not exist`, { expected: "a file or a folder", cause });
  });
  if (!found.isDirectory()) return [name];
  const entries = await readdir(resolve(cwd, name), { recursive: true });
  const files = entries.filter((entry) => testFileName.test(entry) && !entry.endsWith(".evidence.json"));
  const visible = files.filter((entry) => !/(?:^|[\\/])(?:\.|node_modules[\\/])/.test(entry)).sort();
  if (visible.length <= maxFiles) return visible.map((entry) => join(name, entry));
  throw new TrustError("POLICY_INVALID", `too many files in ${name}`, { expected: `at most ${maxFiles}` });
}

/** Of a folder, a file that says nothing of a PolicyTest is something else; a file that is named must be one. */
async function readTests(
  path: string,
  name: string,
  isNamed: boolean,
): Promise<{ readonly tests: readonly PolicyTestFile[]; readonly problems: readonly Problem[] }> {
  const text = (await readSmallFile(path, "the test", maxTestBytes)).toString("utf8");
  if (!isNamed && !declaresTest.test(text)) return { tests: [], problems: [] };
  const { documents, problems } = parseSource(text, name);
  const checked = documents.map((document) => checkTest(document, { name, folder: dirname(path) }));
  const empty = documents.length === 0 && problems.length === 0;
  return {
    tests: checked.flatMap(({ test }) => test ?? []),
    problems: [
      ...problems,
      ...(empty ? [{ place: name, what: "the file holds no PolicyTest" }] : []),
      ...checked.flatMap((one) => one.problems),
    ],
  };
}

function checkTest(
  document: SourceDocument,
  file: Pick<PolicyTestFile, "name" | "folder">,
): { readonly test?: PolicyTestFile; readonly problems: readonly Problem[] } {
  const checked = policyTest.safeParse(document.value);
  if (!checked.success) return { problems: shapeProblems(policyTest, checked.error.issues, document) };
  const placeOf = (index: number) => document.placeOf(["cases", index]);
  return { test: { ...file, test: checked.data, placeOf }, problems: sameNames(checked.data, document) };
}

/** Reports tell cases by their names. */
function sameNames({ cases }: PolicyTestDocument, document: SourceDocument): readonly Problem[] {
  const seen = new Set<string>();
  return cases.flatMap(({ name }, index) => {
    if (!seen.has(name)) {
      seen.add(name);
      return [];
    }
    const place = document.placeOf(["cases", index, "name"]);
    return [{ place, what: `cases[${index}].name is taken`, expected: "each name once", found: JSON.stringify(name) }];
  });
}
