import { merkleLeafHash } from "../crypto/merkle.ts";
import { describeCertificate } from "../crypto/x509.ts";
import { TrustError } from "../errors.ts";
import { checkLogWindow, verifyInclusion, verifyPromise } from "./log-inclusion.ts";
import type { LogEntry, VerificationMaterial } from "./material.ts";
import type { VerifiedTime } from "./timestamps.ts";
import type { TransparencyLog } from "./trust-root.ts";

/** An entry that a log of the root is proved to have. */
export interface VerifiedEntry {
  readonly entry: LogEntry;
  readonly log: TransparencyLog;
  /** When the log took it, milliseconds since 1970, where it signed that. */
  readonly integratedAt?: number;
}

/** Entries that name a log of the root, with the promises that are proved. */
export interface KnownEntries {
  readonly entries: readonly KnownEntry[];
  readonly times: readonly VerifiedTime[];
}

interface KnownEntry extends VerifiedEntry {
  /** The log with the same id, once for each window that it has. */
  readonly candidates: readonly TransparencyLog[];
}

/**
 * Finds the entries that name a log of the root, and verifies their promises (client specification 4.2.2). Entries of other
 * logs are as if not there. Throws `LOG_ENTRY_INVALID`, also for two copies of one entry.
 */
export async function findPromises(
  entries: readonly LogEntry[],
  logs: readonly TransparencyLog[],
): Promise<KnownEntries> {
  checkCopies(entries);
  const known: KnownEntry[] = [];
  for (const entry of entries) {
    const candidates = logs.filter(({ logId }) => logId.equals(entry.logId));
    const [first] = candidates;
    if (first === undefined) continue;
    if (entry.signedEntryTimestamp === undefined) {
      known.push({ entry, log: first, candidates });
      continue;
    }
    const { log, value } = await firstOf(candidates, (candidate) => verifyPromise(entry, candidate));
    known.push({ entry, log, candidates: [log], integratedAt: value });
  }
  return {
    entries: known,
    times: known.flatMap(({ log, integratedAt }) =>
      integratedAt === undefined
        ? []
        : [{ at: integratedAt, source: "log" as const, name: log.baseUrl, operator: log.operator }],
    ),
  };
}

/** Copies would count, and cost, several times. What they are told apart by is what a log proves: itself and the body. */
function checkCopies(entries: readonly LogEntry[]): void {
  if (entries.length < 2) return;
  const ids = entries.map(({ logId, body }) => `${logId.toString("hex")} ${merkleLeafHash(body).toString("hex")}`);
  if (new Set(ids).size !== ids.length)
    throw new TrustError("LOG_ENTRY_INVALID", "a log entry is there twice", { expected: "each once", found: "a copy" });
}

/**
 * Proves that known entries are in their logs (client specification 4.2.2, 4.6): by a promise, by a proof, by both where both are
 * there. Where no promise says when, the log was to be believed at all verified times; where there is no such time at all, as
 * with a plain key, entries of a log that has an end are as if not there: its key may be anybody's now. Throws
 * `LOG_ENTRY_INVALID` or `LOG_PROOF_INVALID`.
 */
export async function verifyEntries(
  material: VerificationMaterial,
  { entries }: KnownEntries,
  moments: readonly number[],
): Promise<readonly VerifiedEntry[]> {
  const verified: VerifiedEntry[] = [];
  const isTimed = moments.length > 0;
  for (const { entry, candidates, integratedAt } of entries) {
    const believed = isTimed ? candidates : candidates.filter(({ window }) => window.end === undefined);
    if (believed.length === 0) continue;
    const { log } = await firstOf(believed, (candidate) => verifyEntry(entry, candidate, integratedAt, moments));
    verified.push({ entry, log, ...(integratedAt === undefined ? {} : { integratedAt }) });
    checkUnsignedTime(material, entry);
  }
  return verified;
}

async function verifyEntry(
  entry: LogEntry,
  log: TransparencyLog,
  integratedAt: number | undefined,
  moments: readonly number[],
): Promise<void> {
  if (integratedAt === undefined) checkLogWindow(log, moments);
  if (entry.proof !== undefined) await verifyInclusion(entry, entry.proof, log);
  else if (integratedAt === undefined)
    throw new TrustError("LOG_ENTRY_INVALID", `nothing proves that ${log.baseUrl} has the entry`, {
      expected: "an inclusion proof or a promise",
      found: "neither",
    });
}

/** A time that nobody signed proves nothing; one that cannot be is a lie all the same. */
function checkUnsignedTime({ leaf }: VerificationMaterial, { integratedTime, signedEntryTimestamp }: LogEntry): void {
  if (leaf === undefined || integratedTime === undefined || signedEntryTimestamp !== undefined) return;
  const at = integratedTime * 1000;
  if (at >= leaf.notBefore && at <= leaf.notAfter) return;
  throw new TrustError(
    "LOG_ENTRY_INVALID",
    `the log entry has a time when ${describeCertificate(leaf)} was not valid`,
    {
      expected: `${new Date(leaf.notBefore).toISOString()} to ${new Date(leaf.notAfter).toISOString()}`,
      found: new Date(at).toISOString(),
    },
  );
}

/** The first candidate that passes; else the error of the first. */
async function firstOf<T>(
  candidates: readonly TransparencyLog[],
  verify: (log: TransparencyLog) => Promise<T>,
): Promise<{ readonly log: TransparencyLog; readonly value: T }> {
  const failures: unknown[] = [];
  for (const log of candidates) {
    try {
      return { log, value: await verify(log) };
    } catch (error) {
      if (!(error instanceof TrustError)) throw error;
      failures.push(error);
    }
  }
  throw failures[0];
}
