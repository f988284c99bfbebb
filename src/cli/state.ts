import { promises } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { asTrustError, TrustError } from "../errors.ts";
import { readSmallFile, writeNewFiles } from "../keys/files.ts";
import { createMarks, type HighWaterMarks } from "../policy/marks.ts";
import { formatMarks, parseMarks } from "../policy/marks-text.ts";

const maxStateBytes = 32 * 1024 * 1024;
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
    await writeNewFiles([{ path, content: formatMarks(merged), mode: 0o600 }], { replace: true });
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
