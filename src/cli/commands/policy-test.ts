import { type ErrorCategory, exitCodeOf } from "../../errors.ts";
import { writeNewFiles } from "../../keys/files.ts";
import type { CaseResult, TestResult } from "../../policy-tools/run-tests.ts";
import { type CommandContext, defineCommand } from "../command.ts";
import { openTrustedRoot } from "../identity-options.ts";
import type { Output } from "../io.ts";
import { formatTable, paint, plain, printError } from "../print.ts";
import { createResults } from "../results.ts";

export const command = defineCommand({
  name: "policy test",
  summary: "hold policies to what they should decide, on recorded evidence",
  description:
    "Runs the cases of files of kind PolicyTest: an image, the object that names it, and the verdict that the policies " +
    "should give. Everything is judged on evidence that trust policy record wrote, at the time that the file says: no " +
    "network, the same answer every day, in milliseconds. Folders are searched with all that is in them. A case that fails " +
    "tells the whole verdict. Exit code 1 when a case fails, 3 when a file is invalid or evidence is missing.",
  examples: [
    { about: "All tests of a folder", command: "trust policy test policies/tests" },
    { about: "In CI, with a report", command: "trust policy test policies/tests --junit report.xml" },
  ],
  arguments: { path: { summary: "test files, and folders of them", many: true, completes: "files" } },
  options: {
    junit: { value: "FILE", summary: "also write the results to this file, as JUnit XML", completes: "files" },
    failed: { summary: "show only the cases that fail" },
  },
  async run(context, { path: paths }, options) {
    const { io } = context;
    const { readPolicyTests } = await import("../../policy-tools/test-file.ts");
    const { runPolicyTests } = await import("../../policy-tools/run-tests.ts");
    const files = await readPolicyTests(paths, io.folder);
    const started = performance.now();
    const tested = await runPolicyTests(files, (name, tuf) => openTrustedRoot(context, name, tuf));
    const took = performance.now() - started;
    if (options.junit !== undefined) await writeJunit(context.resolvePath(options.junit), tested);
    const results = tested.flatMap((one) => one.results);
    const shown = options.failed ? results.filter(({ passed }) => !passed) : results;
    if (context.output === "table") await printCases(context, shown);
    else printResults(context, shown);
    for (const { error } of tested)
      if (error !== undefined) printError(io, error, { json: context.output !== "table", verbose: context.verbose });
    if (context.output === "table") io.stdout.write(summaryOf(tested, took));
    return exitCodeOf(tested.flatMap(categoriesOf));
  },
});

function categoriesOf({ results, error }: TestResult): readonly ErrorCategory[] {
  const failing = results.filter(({ passed }) => !passed);
  const cases = failing.map((result): ErrorCategory => result.error?.category ?? "untrusted");
  // A file that cannot be used is invalid, whatever is wrong with it.
  return error === undefined ? cases : [...cases, "config"];
}

async function writeJunit(path: string, tested: readonly TestResult[]): Promise<void> {
  const { formatJunit } = await import("../../policy-tools/junit.ts");
  await writeNewFiles([{ path, content: formatJunit(tested), mode: 0o644 }], { replace: true });
}

function printResults(context: CommandContext, results: readonly CaseResult[]): void {
  const printed = createResults<CaseResult>(context, () => "");
  for (const [index, result] of results.entries()) printed.add(result, index);
  printed.end();
}

async function printCases({ io: { stdout } }: CommandContext, results: readonly CaseResult[]): Promise<void> {
  const rows = results.map((result) => [markOf(result), result.name, result.image, gotOf(result)]);
  stdout.write(formatTable(["RESULT", "CASE", "IMAGE", "VERDICT"], rows));
  const failing = results.filter(({ passed }) => !passed);
  if (failing.length === 0) return;
  const { failureText } = await import("../../policy-tools/test-text.ts");
  for (const result of failing) stdout.write(`\n${painted(stdout, failureText(result))}`);
  stdout.write("\n");
}

function painted(output: Output, text: string): string {
  const end = text.indexOf("\n");
  return paint(output, "red", text.slice(0, end)) + text.slice(end);
}

function markOf({ passed, error }: CaseResult): string {
  if (passed) return "pass";
  return error === undefined ? "FAIL" : "ERROR";
}

function gotOf({ verdict, error }: CaseResult): string {
  return error === undefined ? `${verdict.outcome}, ${verdict.status}` : error.code;
}

function summaryOf(tested: readonly TestResult[], took: number): string {
  const results = tested.flatMap((one) => one.results);
  const passed = results.filter((result) => result.passed).length;
  const errors = results.filter(({ error }) => error !== undefined).length;
  const unusable = tested.filter(({ error }) => error !== undefined).length;
  const parts = [
    `${passed} passed`,
    `${results.length - passed - errors} failed`,
    ...(errors === 0 ? [] : [`${errors} not judged`]),
    ...(unusable === 0 ? [] : [`${unusable} ${unusable === 1 ? "file" : "files"} that cannot be used`]),
  ];
  return plain(
    `${results.length} ${results.length === 1 ? "case" : "cases"}: ${parts.join(", ")} (${took.toFixed(0)} ms)`,
  ).concat("\n");
}
