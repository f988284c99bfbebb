import { isJsonObject } from "../crypto/json.ts";
import type { Inspected } from "../inspect.ts";
import type { Output } from "./io.ts";
import { paint, plain } from "./print.ts";
import { formatBytes } from "./transfer-progress.ts";

const maxLines = 400;
const maxText = 2000;
const maxDepth = 40;

/** An artifact, decoded, for a person: what it says, which is no more than that. */
export function formatInspected(output: Output, inspected: Inspected): string {
  return `${formatOne(output, inspected, "")}${paint(output, "dim", "All of this is what the artifact says of itself: nothing is verified.")}\n`;
}

function formatOne(
  output: Output,
  { source, what, digest, size, says, layers = [] }: Inspected,
  indent: string,
): string {
  const head = [
    `${paint(output, "bold", plain(what))}  ${plain(source)}`,
    `  ${paint(output, "dim", "digest")}  ${digest}`,
    `  ${paint(output, "dim", "size")}  ${formatBytes(size)}`,
  ];
  const lines = linesOf(output, says, 1);
  const cut = lines.length - maxLines;
  const shown = cut > 0 ? [...lines.slice(0, maxLines), `  … ${cut} more lines: --output json prints all`] : lines;
  const own = [...head, ...shown].map((line) => `${indent}${line}\n`).join("");
  return own + layers.map((layer) => formatOne(output, layer, `${indent}  `)).join("");
}

/** Nested values as indented lines; what is empty is left out. */
function linesOf(output: Output, value: unknown, depth: number): readonly string[] {
  const indent = "  ".repeat(Math.min(depth, maxDepth));
  if (depth > maxDepth) return [`${indent}…`];
  if (Array.isArray(value))
    return value.flatMap((item: unknown) => {
      if (!isNested(item)) return [`${indent}- ${textOf(item)}`];
      const [first = "", ...rest] = linesOf(output, item, depth + 1);
      return [`${indent}- ${first.trimStart()}`, ...rest];
    });
  if (!isJsonObject(value)) return [`${indent}${textOf(value)}`];
  return Object.entries(value).flatMap(([name, inner]) => {
    if (isEmpty(inner)) return [];
    const label = `${indent}${paint(output, "dim", plain(name).slice(0, 200))}`;
    return isNested(inner) ? [label, ...linesOf(output, inner, depth + 1)] : [`${label}  ${textOf(inner)}`];
  });
}

function isNested(value: unknown): boolean {
  return Array.isArray(value) || isJsonObject(value);
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  if (Array.isArray(value)) return value.length === 0;
  return isJsonObject(value) && Object.keys(value).length === 0;
}

function textOf(value: unknown): string {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "");
  return text.length > maxText ? `${plain(text.slice(0, maxText))}… (${text.length} characters)` : plain(text);
}
