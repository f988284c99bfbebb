import { TrustError } from "../errors.ts";
import { timeOf } from "./binding.ts";

const apiVersion = "imagetrust.dev/v1alpha1";
const kind = "VerifierState";
const maxMarks = 100_000;

/** The marks as a JSON document, in the order of their names; of more than can be kept the youngest. */
export function formatMarks(
  marks: ReadonlyMap<string, number>,
  { maxBytes = Number.POSITIVE_INFINITY }: { readonly maxBytes?: number } = {},
): string {
  const youngest = [...marks].sort(([, a], [, b]) => b - a).slice(0, maxMarks);
  let bytes = 100;
  const beyond = youngest.findIndex(([key]) => {
    bytes += Buffer.byteLength(JSON.stringify(key)) + lineRest;
    return bytes > maxBytes;
  });
  const kept = beyond < 0 ? youngest : youngest.slice(0, beyond);
  const sorted = kept.sort(([a], [b]) => (a < b ? -1 : 1));
  const times = Object.fromEntries(sorted.map(([key, created]) => [key, new Date(created).toISOString()]));
  return `${JSON.stringify({ apiVersion, kind, marks: times }, undefined, 2)}\n`;
}

/** What a line has beside its key: the indent, a time, and the signs between. */
const lineRest = 40;

/**
 * Reads what {@link formatMarks} wrote; `place` names it in messages. Throws `CONFIG_INVALID` for anything else: to forget what
 * was seen would let an older image pass.
 */
export function parseMarks(text: string, path: string): readonly (readonly [string, number])[] {
  const broken = (found: string) =>
    new TrustError("CONFIG_INVALID", `${path} is not the state of a verifier`, {
      expected: `a ${kind} of ${apiVersion}`,
      found,
      hint: "Name the file that an earlier run with --state wrote, or one that does not exist yet",
    });
  let state: unknown;
  try {
    state = JSON.parse(text);
  } catch {
    throw broken("no JSON");
  }
  if (typeof state !== "object" || state === null) throw broken("no object");
  const { apiVersion: version, kind: found, marks } = state as Readonly<Record<string, unknown>>;
  if (version !== apiVersion || found !== kind || typeof marks !== "object" || marks === null)
    throw broken("another document");
  return Object.entries(marks).map(([key, time]) => {
    const created = typeof time === "string" ? timeOf(time) : Number.NaN;
    if (Number.isNaN(created)) throw broken("a mark without a time");
    return [key, created] as const;
  });
}
