import { canonicalJson } from "../crypto/canonical-json.ts";
import { type Checkpoint, parseCheckpoint } from "../crypto/checkpoint.ts";
import { merkleLeafHash, rootOfInclusion } from "../crypto/merkle.ts";
import { type NoteSignature, noteKeyIds } from "../crypto/signed-note.ts";
import { type ErrorCode, TrustError } from "../errors.ts";
import { isSignedByLog } from "./log-signature.ts";
import type { LogEntry, LogProof } from "./material.ts";
import { isWithin, type TransparencyLog } from "./trust-root.ts";

/**
 * Proves the promise of a Rekor v1 log to record the entry (client specification 4.2.2): its signature over body, time, log
 * and index. The body is not looked into. Answers with the time at which the log took it, in milliseconds since 1970, which
 * is within the window of the log. Throws `LOG_ENTRY_INVALID`.
 */
export async function verifyPromise(entry: LogEntry, log: TransparencyLog): Promise<number> {
  const { signedEntryTimestamp: promise, integratedTime: seconds } = entry;
  if (promise === undefined || seconds === undefined)
    throw invalid("LOG_ENTRY_INVALID", log, "has no promise with a time", "a signed entry timestamp", "none");
  const at = seconds * 1000;
  if (!isWithin(log.window, at))
    throw invalid(
      "LOG_ENTRY_INVALID",
      log,
      "is from a time when the log was not to be believed",
      windowText(log),
      time(at),
    );
  if (entry.logIndex > BigInt(Number.MAX_SAFE_INTEGER))
    throw invalid("LOG_ENTRY_INVALID", log, "has an index out of range", "at most 2^53-1", `${entry.logIndex}`);
  const signed = canonicalJson({
    body: entry.body.toString("base64"),
    integratedTime: seconds,
    logID: entry.logId.toString("hex"),
    logIndex: Number(entry.logIndex),
  });
  if (!(await isSignedByLog(log, Buffer.from(signed), promise)))
    throw invalid(
      "LOG_ENTRY_INVALID",
      log,
      "has a promise that the log did not sign",
      "a signature of the log",
      "another",
    );
  return at;
}

/**
 * Proves that the entry is in the tree of the log: a checkpoint signed by the log, and a proof from the entry to its root
 * (RFC 9162 §2.1.3.2, c2sp.org/tlog-checkpoint). Other signatures of the checkpoint (witnesses) count for nothing. Throws
 * `LOG_PROOF_INVALID`.
 */
export async function verifyInclusion(entry: LogEntry, proof: LogProof, log: TransparencyLog): Promise<void> {
  const checkpoint = parseCheckpoint(proof.checkpoint);
  await checkCheckpoint(checkpoint, log);
  if (checkpoint.size !== proof.size || !checkpoint.root.equals(proof.root))
    throw invalid(
      "LOG_PROOF_INVALID",
      log,
      "is proved to be in another tree than the one that is signed",
      `a tree of ${checkpoint.size} with root ${checkpoint.root.toString("hex")}`,
      `a tree of ${proof.size} with root ${proof.root.toString("hex", 0, 32)}`,
    );
  // Trees of Rekor v1 begin anew; in later logs there is one tree, and one index.
  if (!checkpoint.isSharded && proof.index !== entry.logIndex)
    throw invalid("LOG_PROOF_INVALID", log, "is proved at another index", `${entry.logIndex}`, `${proof.index}`);
  const root = rootOfInclusion(merkleLeafHash(entry.body), proof);
  if (!root.equals(checkpoint.root))
    throw invalid(
      "LOG_PROOF_INVALID",
      log,
      "is not in the tree",
      `root ${checkpoint.root.toString("hex")}`,
      `root ${root.toString("hex")}`,
    );
}

async function checkCheckpoint({ note, origin, isSharded }: Checkpoint, log: TransparencyLog): Promise<void> {
  if (!isSharded && !log.origins.includes(origin))
    throw invalid(
      "LOG_PROOF_INVALID",
      log,
      "has a checkpoint of another log",
      log.origins.join(" or "),
      origin.slice(0, 200),
    );
  const lines = note.signatures.filter((line) => isBy(line, origin, isSharded, log));
  if (lines.length === 0)
    throw invalid(
      "LOG_PROOF_INVALID",
      log,
      "has a checkpoint that the log did not sign",
      `a signature line of ${origin.slice(0, 200)} with the id of its key`,
      note.signatures
        .slice(0, 5)
        .map(({ name, keyId }) => `${name.slice(0, 100)} ${keyId.toString("hex")}`)
        .join(", "),
    );
  // A line that names the log and is not by it is a forgery (c2sp.org/signed-note).
  for (const { signature } of lines) {
    if (!(await isSignedByLog(log, note.signed, signature)))
      throw invalid(
        "LOG_PROOF_INVALID",
        log,
        "has a checkpoint with a wrong signature",
        "a signature of the log",
        "another",
      );
  }
}

/** Whether a signature line names this log: under the name of the origin, with the id of the log's key. */
function isBy({ name, keyId }: NoteSignature, origin: string, isSharded: boolean, log: TransparencyLog): boolean {
  const ownName = isSharded ? origin.replace(/ - [0-9]+$/, "") : origin;
  const ids = [log.checkpointKeyId, ...noteKeyIds(log.key, name)];
  return name === ownName && ids.some((id) => id.equals(keyId));
}

/**
 * Checks the log of an entry whose own time is not signed: the log is to be believed at every time that is verified. Throws
 * `LOG_ENTRY_INVALID`.
 */
export function checkLogWindow(log: TransparencyLog, times: readonly number[]): void {
  const outside = times.find((at) => !isWithin(log.window, at));
  if (outside !== undefined)
    throw invalid(
      "LOG_ENTRY_INVALID",
      log,
      "is from a time when the log was not to be believed",
      windowText(log),
      time(outside),
    );
}

function windowText({ window: { start, end } }: TransparencyLog): string {
  return `from ${time(start)}${end === undefined ? "" : ` to ${time(end)}`}`;
}

function time(at: number): string {
  return Math.abs(at) <= 8.64e15 ? new Date(at).toISOString() : "no time";
}

function invalid(code: ErrorCode, log: TransparencyLog, problem: string, expected: string, found: string): TrustError {
  return new TrustError(code, `the entry of ${log.baseUrl} ${problem}`, { expected, found });
}
