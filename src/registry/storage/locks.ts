import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { TrustError } from "../../errors.ts";

/** Runs functions of the same key one after the other, in the order of the calls. */
export type Turns = <T>(key: string, run: () => Promise<T>) => Promise<T>;

export function createTurns(): Turns {
  const last = new Map<string, Promise<unknown>>();
  return async (key, run) => {
    const turn = (last.get(key) ?? Promise.resolve()).then(run);
    const settled = turn.then(
      () => undefined,
      () => undefined,
    );
    last.set(key, settled);
    try {
      return await turn;
    } finally {
      if (last.get(key) === settled) last.delete(key);
    }
  };
}

/**
 * Takes a lock that one process holds at a time, and that the system frees however the process ends. The lock is
 * SQLite's on an empty database, because Node has no other way to lock a file. Throws `CONFIG_INVALID` where it is held.
 */
export function lockFile(path: string, what: string): { release(): void } {
  const database = openDatabase(path);
  if (tryLock(database, "BEGIN EXCLUSIVE")) return { release: () => database.close() };
  database.close();
  throw new TrustError("CONFIG_INVALID", `${what} is in use by another process`, {
    expected: "one process at a time",
    found: path,
    hint: "Stop the other process, or give another storage folder with --storage",
  });
}

/** A lock that a server shares among its requests, and that a collector takes alone, for moments. */
export interface Guard {
  /** Runs while no collector deletes anything. Calls may be nested. */
  readonly during: <T>(run: () => Promise<T>) => Promise<T>;
  release(): void;
}

const retryMs = 2;
const patienceMs = 30_000;

export function openGuard(path: string): Guard {
  const database = openDatabase(path);
  let users = 0;
  let entering: Promise<void> | undefined;

  async function enter(): Promise<void> {
    users++;
    if (users === 1) entering = lockSoon(database, "BEGIN; SELECT 1 FROM sqlite_master");
    await entering;
  }
  function leave(): void {
    users--;
    if (users === 0 && database.isTransaction) database.exec("COMMIT");
  }
  return {
    async during(run) {
      try {
        await enter();
        return await run();
      } finally {
        leave();
      }
    },
    release: () => database.close(),
  };
}

/** Runs while no server is between checking that content is there and referring to it. */
export async function alone<T>(path: string, run: () => Promise<T>): Promise<T> {
  const database = openDatabase(path);
  try {
    await lockSoon(database, "BEGIN EXCLUSIVE");
    return await run();
  } finally {
    database.close();
  }
}

async function lockSoon(database: DatabaseSync, sql: string): Promise<void> {
  for (const end = Date.now() + patienceMs; !tryLock(database, sql); await sleep(retryMs)) {
    if (Date.now() > end) throw new TrustError("REGISTRY_ERROR", "the storage is locked for too long");
  }
}

function openDatabase(path: string): DatabaseSync {
  try {
    return new DatabaseSync(path, { timeout: 0 });
  } catch (cause) {
    throw new TrustError("FILE_UNWRITABLE", `${path} cannot be opened as a lock`, { cause });
  }
}

/** False where another holds a lock that stands in the way. */
function tryLock(database: DatabaseSync, sql: string): boolean {
  try {
    database.exec(sql);
    return true;
  } catch (cause) {
    if (database.isTransaction) database.exec("ROLLBACK");
    // 5 is SQLITE_BUSY.
    if (cause instanceof Error && "errcode" in cause && cause.errcode === 5) return false;
    throw new TrustError("FILE_UNWRITABLE", "the storage cannot be locked", { cause });
  }
}
