import { findingsByWeight, oneLine, policyNameOf, type Verdict } from "../src/index.ts";

// What people read at kubectl is rendered where the command line's text is.
export {
  errorLine as errorMessage,
  findingsByWeight as findingsOf,
  shortLine as denialLine,
  shortText as denialMessage,
} from "../src/index.ts";

/** The API server cuts a warning at 256 characters and all of them at 4096. */
const maxWarning = 256;
const maxWarnings = 8;
const maxAnnotation = 8 * 1024;

/** What the person should know though the object passes: few, short, ASCII. */
export function warningsOf(verdicts: readonly Verdict[]): readonly string[] {
  const warned = verdicts.filter((verdict) => verdict.outcome === "warn");
  const lines = warned.slice(0, maxWarnings).map((verdict) => {
    const [first] = findingsByWeight(verdict);
    const where = first?.policy === undefined ? "" : `policy ${first.policy}: `;
    const what = first === undefined ? "not trusted" : `${first.finding.code}: ${where}${first.finding.message}`;
    return ascii(`${oneLine(verdict.image, 150)}: ${what}`, maxWarning);
  });
  return warned.length > maxWarnings ? [...lines, `and ${warned.length - maxWarnings} more images`] : lines;
}

/** Lines as warnings: few, short, ASCII. */
export function asWarnings(lines: readonly string[]): readonly string[] {
  const told = lines.slice(0, maxWarnings).map((line) => ascii(line, maxWarning));
  return lines.length > maxWarnings ? [...told, `and ${lines.length - maxWarnings} more`] : told;
}

/** For the audit log of the API server: image, digest, outcome and what each rests on; compact JSON, bounded. */
export function evidenceAnnotation(verdicts: readonly Verdict[]): string {
  const items = verdicts.map((verdict) =>
    JSON.stringify({
      image: verdict.image.slice(0, 300),
      digest: verdict.digest,
      outcome: verdict.outcome,
      status: verdict.status,
      codes: [...new Set(findingsByWeight(verdict).map(({ finding }) => finding.code))],
      policies: verdict.policies.slice(0, 10).map(policyNameOf),
      evidence: verdict.evidence.slice(0, 3),
      ...(verdict.unsafe.length === 0 ? {} : { unsafe: verdict.unsafe.slice(0, 3) }),
    }),
  );
  return `[${bounded(items, maxAnnotation, ",", (more) => JSON.stringify({ more }))}]`;
}

function bounded(items: readonly string[], max: number, separator: string, more: (count: number) => string): string {
  let length = 0;
  const fitting = items.findIndex((item) => {
    length += Buffer.byteLength(item) + separator.length;
    return length > max;
  });
  if (fitting < 0) return items.join(separator);
  return [...items.slice(0, fitting), more(items.length - fitting)].join(separator);
}

function ascii(text: string, max: number): string {
  const clean = oneLine(text, max * 2).replace(/[^\x20-\x7e]/g, "?");
  return clean.length > max ? `${clean.slice(0, max - 3)}...` : clean;
}
