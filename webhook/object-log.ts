import type { StatedObject } from "../src/index.ts";
import type { Log } from "./log.ts";

const maxLines = 10;
const maxLine = 500;
/** Lines about the objects of one namespace, or of the cluster, in a minute: whoever changes them without end fills no disk. */
const maxPerMinute = 100;
const minute = 60_000;

/**
 * Tells of policy objects that cannot be used, of warnings about others, and of those that are well again; each once. `now`:
 * milliseconds since 1970.
 */
export function createObjectLog(log: Log, now: () => number): (objects: readonly StatedObject[]) => void {
  const told = new Map<string, string>();
  const mayTell = createRates(log, now);
  return (objects) => {
    const seen = new Set<string>();
    for (const stated of objects) {
      const { uid } = stated.object.metadata;
      seen.add(uid);
      const news = newsOf(stated);
      const before = told.get(uid);
      if (news === before) continue;
      if (news === undefined) told.delete(uid);
      else told.set(uid, news);
      if (mayTell(stated.object.metadata.namespace)) tell(log, stated, before);
    }
    for (const uid of told.keys()) if (!seen.has(uid)) told.delete(uid);
  };
}

/** Whether another line about objects of that namespace may be written; says so where it is the first that may not. */
function createRates(log: Log, now: () => number): (namespace: string | undefined) => boolean {
  let since = now();
  const lines = new Map<string | undefined, number>();
  return (namespace) => {
    if (Math.abs(now() - since) >= minute) {
      since = now();
      lines.clear();
    }
    const count = (lines.get(namespace) ?? 0) + 1;
    lines.set(namespace, count);
    if (count === maxPerMinute + 1)
      log.warn({ namespace }, "policy objects change again and again: for a minute their status alone tells of it");
    return count <= maxPerMinute;
  };
}

/** What is to be told of an object; undefined where all is well. */
function newsOf({ object, state: { usable, problems, warnings } }: StatedObject): string | undefined {
  if (usable && warnings.length === 0) return undefined;
  return JSON.stringify([usable, object.metadata.generation, problems, warnings]);
}

function tell(log: Log, { state }: StatedObject, before: string | undefined): void {
  const { object, usable, problems, warnings } = state;
  const fields = { kind: object.kind, name: object.name, namespace: object.namespace };
  if (!usable)
    log.error({ ...fields, problems: shortened(problems) }, `policy object unusable: ${effectOf(object.kind)}`);
  else if (before?.startsWith("[false")) log.info({ ...fields }, "policy object in force again");
  if (usable && warnings.length > 0) log.warn({ ...fields, warnings: shortened(warnings) }, "policy warning");
}

function effectOf(kind: string): string {
  if (kind === "TrustException") return "it lets nothing pass";
  return kind === "TrustRoot" ? "nothing is believed by it" : "it refuses what it matches";
}

function shortened(lines: readonly string[]): readonly string[] {
  const told = lines.slice(0, maxLines).map((line) => line.slice(0, maxLine));
  return lines.length > maxLines ? [...told, `and ${lines.length - maxLines} more`] : told;
}
