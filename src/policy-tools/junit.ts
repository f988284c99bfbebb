import type { CaseResult, TestResult } from "./run-tests.ts";
import { failureText } from "./test-text.ts";

/** The results as JUnit XML: a suite for each file, a test case for each case. */
export function formatJunit(results: readonly TestResult[]): string {
  const all = results.flatMap((one) => one.results);
  const failed = all.filter(({ passed, error }) => !passed && error === undefined).length;
  const errors = all.filter(({ error }) => error !== undefined).length + results.filter(({ error }) => error).length;
  const counts = `tests="${all.length}" failures="${failed}" errors="${errors}"`;
  return [
    `<?xml version="1.0" encoding="UTF-8"?>`,
    `<testsuites name="trust policy test" ${counts}>`,
    ...results.map(suite),
    "</testsuites>",
    "",
  ].join("\n");
}

function suite({ file, results, error }: TestResult): string {
  const failed = results.filter(({ passed, error: own }) => !passed && own === undefined).length;
  const errors = results.filter(({ error: own }) => own !== undefined).length + (error === undefined ? 0 : 1);
  const counts = `tests="${results.length + (error === undefined ? 0 : 1)}" failures="${failed}" errors="${errors}"`;
  const whole =
    error === undefined
      ? []
      : [
          `    <testcase classname="${escaped(file)}" name="the file can be used">`,
          `      <error type="${error.code}" message="${escaped(error.message)}"/>`,
          "    </testcase>",
        ];
  return [`  <testsuite name="${escaped(file)}" ${counts}>`, ...whole, ...results.map(testCase), "  </testsuite>"].join(
    "\n",
  );
}

function testCase(result: CaseResult): string {
  const { file, name, passed, error, problems } = result;
  const start = `    <testcase classname="${escaped(file)}" name="${escaped(name)}"`;
  if (passed) return `${start}/>`;
  const tag = error === undefined ? "failure" : "error";
  const type = error?.code ?? "unexpected verdict";
  const message = error?.message ?? problems.join("; ");
  return [
    `${start}>`,
    `      <${tag} type="${type}" message="${escaped(message)}">${escaped(failureText(result))}</${tag}>`,
    "    </testcase>",
  ].join("\n");
}

// XML 1.0, "Characters": what is no character cannot be written, not even escaped.
const noCharacters = /[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu;
const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

function escaped(text: string): string {
  return text.replace(noCharacters, "\u{fffd}").replace(/[&<>"]/g, (character) => entities[character] ?? "");
}
