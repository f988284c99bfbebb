import { stripVTControlCharacters, styleText } from "node:util";
import { type Finding, type TrustError, toFinding } from "../errors.ts";
import type { Io, Output } from "./io.ts";

type Style = Parameters<typeof styleText>[0];

/** Colours a text where colours are wanted. */
export function paint(output: Output, style: Style, text: string): string {
  return output.hasColors ? styleText(style, text, { validateStream: false }) : text;
}

// Controls of terminals, and marks that make text run the other way: registries and clients choose these texts.
const controls = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069]/g;

/** Text that cannot steer a terminal: on one line, without control characters. */
export function plain(text: string): string {
  return stripVTControlCharacters(text)
    .replace(/[\t\n]+/g, " ")
    .replace(controls, "\u{fffd}");
}

/** JSON that cannot steer a terminal either. */
export function toJson(value: unknown, indent?: number): string {
  return escapeControls(JSON.stringify(value, undefined, indent));
}

/** The same for a piece of JSON that is there already: such characters stand in its strings only. */
export function escapeControls(json: string): string {
  return json.replace(
    /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Rows under a header, in columns; nothing for no rows. */
export function formatTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return "";
  const cells = [header, ...rows].map((row) => row.map(plain));
  const widths = header.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const lines = cells.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  return `${lines.join("\n")}\n`;
}

/** A finding as lines: code and message, then what was expected, what was found, and the next step. */
export function formatFinding(output: Output, finding: Finding, indent = ""): string {
  const { code, message, expected, found, hint, authority } = finding;
  const who = authority === undefined ? "" : `${plain(authority)}: `;
  const details = Object.entries({ expected, found, hint }).filter(([, text]) => text !== undefined && text !== "");
  const lines = [
    `${indent}${paint(output, "yellow", code)}: ${who}${plain(message)}`,
    ...details.map(([name, text]) => `${indent}  ${paint(output, "dim", name.padEnd(9))}${plain(text ?? "")}`),
  ];
  return `${lines.join("\n")}\n`;
}

/** Findings one after the other; a hint that several in a row share is said once, after the last of them. */
export function formatFindings(output: Output, findings: readonly Finding[], indent: string): string {
  const distinct = countedFindings(findings);
  const texts = distinct.map((finding, index) => {
    const shared = distinct[index + 1]?.hint === finding.hint;
    return formatFinding(output, shared ? { ...finding, hint: "" } : finding, indent);
  });
  return texts.join("");
}

/** Errors about the user's own files, with a line for each problem. What strangers say has one line. */
const listed: ReadonlySet<string> = new Set(["POLICY_INVALID", "CONFIG_INVALID"]);

/** What would be printed several times is printed once, with the number. */
function countedFindings(findings: readonly Finding[]): readonly Finding[] {
  const counts = new Map<string, { readonly finding: Finding; times: number }>();
  for (const finding of findings) {
    const { code, message, expected, found, hint, authority } = finding;
    const key = JSON.stringify([code, message, expected, found, hint, authority]);
    const counted = counts.get(key) ?? { finding, times: 0 };
    counted.times += 1;
    counts.set(key, counted);
  }
  return [...counts.values()].map(({ finding, times }) =>
    times === 1 ? finding : { ...finding, message: `${finding.message} (${times} times)` },
  );
}

/** Prints an error on standard error: for people, or as one line of JSON; its causes only when asked. */
export function printError(
  io: Pick<Io, "stderr">,
  error: TrustError,
  wishes: { readonly json: boolean; readonly verbose: boolean },
): void {
  const finding = toFinding(error);
  if (wishes.json) {
    io.stderr.write(`${toJson({ error: finding })}\n`);
    return;
  }
  const [message = "", ...more] = listed.has(finding.code) ? finding.message.split("\n") : [finding.message];
  const [head, ...details] = formatFinding(io.stderr, { ...finding, message }).split("\n");
  const lines = [`${paint(io.stderr, "red", "error")} ${head}`, ...more.map((line) => `  ${plain(line)}`), ...details];
  io.stderr.write(lines.join("\n"));
  if (wishes.verbose) io.stderr.write(causesOf(error));
}

/** What led to the error, and where a bug is. */
function causesOf(error: TrustError): string {
  const lines: string[] = [];
  let last: Error = error;
  for (let cause: unknown = error.cause; cause instanceof Error && lines.length < 10; cause = cause.cause) {
    lines.push(`  ${"cause".padEnd(9)}${plain(cause.message)}`);
    last = cause;
  }
  if (error.category === "internal")
    lines.push(
      ...(last.stack ?? "")
        .split("\n")
        .slice(1)
        .map((line) => `  ${plain(line)}`),
    );
  return lines.map((line) => `${line}\n`).join("");
}
