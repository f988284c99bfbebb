import { readFileSync } from "node:fs";

/** Sums vitest's JSON reports and prints the closing line; exit 1 when a step or a test failed, or nothing was counted. */
interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly success: boolean;
}

const [failedSteps = "1", ...files] = process.argv.slice(2);
const reports = files.map((file) => JSON.parse(readFileSync(file, "utf8")) as Report);
const sum = (count: (report: Report) => number): number => reports.reduce((total, report) => total + count(report), 0);
const passed = sum((report) => report.numPassedTests);
const failed = sum((report) => report.numFailedTests);
const skipped = sum((report) => report.numPendingTests + report.numTodoTests);
const ok = failedSteps === "0" && failed === 0 && passed > 0 && reports.every((report) => report.success);
// A step that failed without a failing test (lint, demo, a suite that could not be collected) must show in the line.
console.log(`${passed} passed, ${ok ? failed : Math.max(failed, 1)} failed, ${skipped} skipped`);
process.exitCode = ok ? 0 : 1;
