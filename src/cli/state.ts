import { promises } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { asTrustError, TrustError } from "../errors.ts";
import { readSmallFile, writeNewFiles } from "../keys/files.ts";
import { timeOf } from "../policy/binding.ts";
import { createMarks, type HighWaterMarks } from "../policy/marks.ts";

const apiVersion = "imagetrust.dev/v1alpha1";
const kind = "VerifierState";
const maxStateBytes = 32 * 1024 * 1024;
const maxMarks = 100_000;
/** Milliseconds: a lock so old was left behind by a process that was killed. */
const staleLock = 10_000;

/** What a verifier remembers between runs, in a file. */
export interface State {
  readonly marks: HighWaterMarks;
  /** Writes what was learnt, whole or not at all; what others wrote meanwhile stays. Throws `FILE_UNWRITABLE`. */
  save(): Promise<void>;
  /** Marks that are saved whenever one is raised; for servers. */
  saving(onError: (error: TrustError) => void): HighWaterMarks;
}

/**
 * Reads the file, or starts empty where there is none. Throws `CONFIG_INVALID` for a file that is something else: to
 * forget what was seen would let an older image pass.
 */
export async function readState(path: string): Promise<State> {
  const marks = createMarks(await readMarks(path));
  const learnt = new Map<string, number>();
  const recording: HighWaterMarks = {
    get: marks.get,
    raise(key, created) {
      const old = marks.get(key);
      if (old !== undefined && old >= created) return;
      marks.raise(key, created);
      learnt.set(key, created);
    },
  };
  const save = async () => {
    if (learnt.size === 0) return;
    await using _ = await lock(`${path}.lock`);
    const merged = new Map(await readMarks(path));
    const news = [...learnt].filter(([key, created]) => (merged.get(key) ?? Number.NEGATIVE_INFINITY) < created);
    if (news.length === 0) return;
    for (const [key, created] of news) merged.set(key, created);
    await writeNewFiles([{ path, content: format(merged), mode: 0o600 }], { replace: true });
  };
  return { marks: recording, save, saving: (onError) => savingMarks(recording, save, onError) };
}

/** One writer at a time, also among processes. */
async function lock(path: string): Promise<AsyncDisposable> {
  for (;;) {
    try {
      await (await promises.open(path, "wx", 0o600)).close();
      return { [Symbol.asyncDispose]: () => promises.rm(path, { force: true }) };
    } catch (cause) {
      if (!(cause instanceof Error && "code" in cause && cause.code === "EEXIST"))
        throw new TrustError("FILE_UNWRITABLE", `${path} cannot be written`, { cause });
    }
    const since = await promises.stat(path).then(
      ({ mtimeMs }) => mtimeMs,
      () => undefined,
    );
    if (since !== undefined && Date.now() - since > staleLock) await promises.rm(path, { force: true });
    else await setTimeout(10 + Math.random() * 20);
  }
}

function savingMarks(
  marks: HighWaterMarks,
  save: () => Promise<void>,
  onError: (error: TrustError) => void,
): HighWaterMarks {
  let saving = false;
  let again = false;
  const run = async () => {
    saving = true;
    while (again) {
      again = false;
      await save().catch((error: unknown) => onError(asTrustError(error)));
    }
    saving = false;
  };
  return {
    get: marks.get,
    raise(key, created) {
      const old = marks.get(key);
      if (old !== undefined && old >= created) return;
      marks.raise(key, created);
      again = true;
      if (!saving) void run();
    },
  };
}

function format(marks: ReadonlyMap<string, number>): string {
  const youngest = [...marks].sort(([, a], [, b]) => b - a).slice(0, maxMarks);
  const sorted = youngest.sort(([a], [b]) => (a < b ? -1 : 1));
  const times = Object.fromEntries(sorted.map(([key, created]) => [key, new Date(created).toISOString()]));
  return `${JSON.stringify({ apiVersion, kind, marks: times }, undefined, 2)}\n`;
}

async function readMarks(path: string): Promise<readonly (readonly [string, number])[]> {
  let text: string;
  try {
    text = (await readSmallFile(path, "the state", maxStateBytes)).toString();
  } catch (error) {
    if (error instanceof TrustError && error.code === "FILE_NOT_FOUND") return [];
    throw error;
  }
  return parseMarks(text, path);
}

function parseMarks(text: string, path: string): readonly (readonly [string, number])[] {
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
