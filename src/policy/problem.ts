import { TrustError } from "../errors.ts";

/** Something wrong in a policy, and where; told together with all the others. */
export interface Problem {
  /** `file:line:column`, or only the file where there is no place in it. */
  readonly place: string;
  readonly what: string;
  readonly expected?: string | undefined;
  readonly found?: string | undefined;
}

const maxProblemsTold = 20;

/** One line: `file:line:column: what; expected …; found …`. */
export function formatProblem(problem: Problem): string {
  return `${problem.place}: ${problemText(problem)}`;
}

/** The same without the place, where there is none in a file: `what; expected …; found …`. */
export function problemText({ what, expected, found }: Problem): string {
  const rest = [
    ...(expected === undefined ? [] : [`expected ${expected}`]),
    ...(found === undefined ? [] : [`found ${found}`]),
  ];
  return [what, ...rest].join("; ");
}

const told = new WeakMap<TrustError, readonly Problem[]>();

/** All problems that an error of {@link policyInvalid} stands for; nothing for another error. */
export function problemsOf(error: TrustError): readonly Problem[] | undefined {
  return told.get(error);
}

/** One `POLICY_INVALID` that tells every problem, the first 20 in full; `hint` for files that are no policies themselves. */
export function policyInvalid(problems: readonly Problem[], hint?: string): TrustError {
  const error = toError(problems, hint);
  told.set(error, problems);
  return error;
}

function toError(problems: readonly Problem[], hint: string | undefined): TrustError {
  const lines = problems.slice(0, maxProblemsTold).map(formatProblem);
  const [only] = problems;
  if (problems.length === 1 && only !== undefined)
    return new TrustError("POLICY_INVALID", formatProblem(only), { expected: only.expected, found: only.found, hint });
  const rest = problems.length - lines.length;
  const more = rest > 0 ? [`and ${rest} more`] : [];
  return new TrustError(
    "POLICY_INVALID",
    [`${problems.length} problems in the policies`, ...lines, ...more].join("\n"),
    { hint },
  );
}

/** `, did you mean WORD?` for the known word that is most likely meant, or nothing when none is near. */
export function suggestion(word: string, known: readonly string[]): string {
  const text = word.slice(0, 64).toLowerCase();
  const ranked = known
    .map((candidate) => ({ candidate, distance: editDistance(text, candidate.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance);
  const [best] = ranked;
  if (best === undefined || best.distance > Math.min(3, Math.max(1, best.candidate.length / 3))) return "";
  return `, did you mean ${best.candidate}?`;
}

/** How many letters to add, drop, change or swap with the next one ("optimal string alignment"). */
function editDistance(a: string, b: string): number {
  let before: readonly number[] = [];
  let row: readonly number[] = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = at(row, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swap = swapped ? at(before, j - 2) + 1 : change;
      next.push(Math.min(change, swap, at(row, j) + 1, at(next, j - 1) + 1));
    }
    before = row;
    row = next;
  }
  return at(row, b.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? 0;
}

/**
 * A value for a message. Text of several lines, long text and PEM are only named, because a key pasted into the wrong
 * field must not be repeated.
 */
export function describeValue(value: unknown): string {
  if (value === null) return "nothing";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (typeof value === "object") return "an object";
  if (typeof value !== "string") return `${typeof value} ${String(value)}`;
  if (value.length > 100 || /[\r\n]|-----/.test(value)) return "a text";
  return JSON.stringify(value);
}
