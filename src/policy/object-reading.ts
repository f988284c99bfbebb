import { createHash } from "node:crypto";
import type { JsonObject } from "../crypto/json.ts";
import { asTrustError } from "../errors.ts";
import { expiryOf } from "../trust/staleness.ts";
import type { TrustRoot } from "../trust/trust-root.ts";
import type { PolicySources } from "./authority-rules.ts";
import { boundsProblem, writtenPart } from "./object-problems.ts";
import { parsePolicyDocument } from "./parse.ts";
import { type Problem, problemText } from "./problem.ts";
import type { ParsedPolicies } from "./rules.ts";

/** Where policies of a cluster get what they name: roots by their names, keys in Secrets. Never a file. */
export type ObjectSources = Omit<PolicySources, "readKeyFile">;

/** What an object says, and why it cannot be used, one line each; none where it can. */
export interface ObjectReading {
  readonly parsed: ParsedPolicies;
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
}

/** Something that an object named, and what it was when the object was read. */
interface Asked {
  readonly again: (sources: ObjectSources) => Promise<string>;
  readonly answer: string;
}

interface Remembered {
  readonly version: string;
  readonly asked: readonly Asked[];
  readonly reading: ObjectReading;
}

/** Reads objects; one that did not change, and that names nothing that did, is not read again. Never throws. */
export interface ObjectReader {
  /**
   * `version` changes with every change of the object that `key` stands for; what has none is always read. `place` names the
   * object in messages.
   */
  read(object: JsonObject, about: ObjectAbout, sources: ObjectSources): Promise<ObjectReading>;
  /** Forgets all that was not read since this was last called. */
  sweep(): void;
}

interface ObjectAbout {
  readonly key: string;
  readonly version: string | undefined;
  readonly place: string;
}

export function createObjectReader(): ObjectReader {
  const before = new Map<string, Remembered>();
  const read = new Set<string>();
  return {
    async read(object, { key, version, place }, sources) {
      read.add(key);
      const known = before.get(key);
      if (known !== undefined && known.version === version && (await isSame(known.asked, sources)))
        return known.reading;
      const asked: Asked[] = [];
      const reading = await readObject(object, place, recording(sources, asked));
      if (version !== undefined) before.set(key, { version, asked, reading });
      return reading;
    },
    sweep() {
      for (const key of before.keys()) if (!read.has(key)) before.delete(key);
      read.clear();
    },
  };
}

async function readObject(object: JsonObject, place: string, sources: ObjectSources): Promise<ObjectReading> {
  try {
    const beyond = boundsProblem(object);
    if (beyond !== undefined) return refused([{ place, what: beyond }]);
    const parsed = await parsePolicyDocument(writtenPart(object), sources, place);
    if (parsed.problems.length > 0) return refused(parsed.problems);
    return { parsed, problems: [], warnings: linesOf(parsed.warnings ?? []) };
  } catch (error) {
    const { message: what, expected, found } = asTrustError(error);
    return refused([{ place, what, expected, found }]);
  }
}

/** Of each of thousands of objects this is kept: nobody reads more. */
const maxProblems = 20;
const maxProblem = 1000;

function refused(problems: readonly Problem[]): ObjectReading {
  return { parsed: { policies: [], problems: [] }, problems: linesOf(problems), warnings: [] };
}

function linesOf(problems: readonly Problem[]): readonly string[] {
  const lines = problems.slice(0, maxProblems).map((problem) => problemText(problem).slice(0, maxProblem));
  return problems.length > maxProblems ? [...lines, `and ${problems.length - maxProblems} more`] : lines;
}

async function isSame(asked: readonly Asked[], sources: ObjectSources): Promise<boolean> {
  for (const { again, answer } of asked) if ((await again(sources)) !== answer) return false;
  return true;
}

/** The sources, noting what is asked of them. */
function recording(sources: ObjectSources, asked: Asked[]): ObjectSources {
  const { openRoot, openForeignRoot, readSecret } = sources;
  const noting = async <T>(
    ask: (sources: ObjectSources) => Promise<T>,
    describe: (answer: T) => string,
  ): Promise<T> => {
    const again = (later: ObjectSources) => ask(later).then(describe, failureOf);
    try {
      const answer = await ask(sources);
      asked.push({ again, answer: describe(answer) });
      return answer;
    } catch (error) {
      asked.push({ again, answer: failureOf(error) });
      throw error;
    }
  };
  return {
    ...(openRoot === undefined
      ? {}
      : { openRoot: (name) => noting((from) => asking(from.openRoot?.(name)), describeRoot) }),
    ...(openForeignRoot === undefined
      ? {}
      : { openForeignRoot: (name) => noting((from) => asking(from.openForeignRoot?.(name)), describeRoot) }),
    ...(readSecret === undefined
      ? {}
      : { readSecret: (secret) => noting((from) => asking(from.readSecret?.(secret)), hashOf) }),
  };
}

/** What was there when the object was read is there for as long as the sources are. */
async function asking<T>(answer: Promise<T> | undefined): Promise<T> {
  if (answer === undefined) throw new Error("a source of policies is gone");
  return answer;
}

/** Also where it means the same: a root that was renewed may have nothing new but the time of its expiry. */
function describeRoot(root: TrustRoot): string {
  return `${root.revision} ${root.source.kind} ${expiryOf(root) ?? ""}`;
}

/** What is kept of a Secret tells nothing of it. */
function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function failureOf(error: unknown): string {
  const { code, message, found } = asTrustError(error);
  return `${code} ${message} ${found ?? ""}`;
}
