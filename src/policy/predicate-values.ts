import { scanStrictJson } from "../crypto/json-scan.ts";
import { TrustError } from "../errors.ts";
import type { VerifiedAttestation } from "../formats/format.ts";
import { statedTime } from "../formats/stated-time.ts";
import { predicateOf } from "../formats/statement.ts";

/** The largest predicate that a condition looks at, in bytes. */
const maxPredicateBytes = 32 * 1024 * 1024;
/** More could not be looked at within what a condition may cost, and would fill the memory of whoever asks. */
const maxValues = 2_000_000;
/** What is larger is read again when it is asked for again: values take many times the room of their text. */
const maxKeptBytes = 256 * 1024;

const kept = new WeakMap<VerifiedAttestation, unknown>();
const times = new WeakMap<VerifiedAttestation, number | undefined>();

/** The predicate of a proved attestation as values. Throws `SIGNATURE_MALFORMED` where there is none, or too much. */
export function predicateValue(attestation: VerifiedAttestation): unknown {
  if (kept.has(attestation)) return kept.get(attestation);
  const bytes = predicateOf(attestation.statement);
  if (bytes === undefined) throw new TrustError("SIGNATURE_MALFORMED", "the statement has no predicate");
  if (bytes.length > maxPredicateBytes)
    throw new TrustError("SIGNATURE_MALFORMED", "the predicate is too large for a condition", {
      expected: `at most ${maxPredicateBytes} bytes`,
      found: `${bytes.length} bytes`,
    });
  if (bytes.length > maxValues) refuseMostlyStructure(bytes);
  // That it is strict JSON was checked when it was proved.
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8");
  const value: unknown = JSON.parse(text);
  if (longNumber.test(text) && hasInfinity(value))
    throw new TrustError("SIGNATURE_MALFORMED", "the predicate has a number beyond all that can be compared", {
      expected: "numbers within 1.8e308",
    });
  if (bytes.length <= maxKeptBytes) kept.set(attestation, value);
  return value;
}

/** Most texts hold nothing that could be so large a number. */
const longNumber = /[0-9][eE]\+?[0-9]{3}|[0-9]{300}/;

/** What is beyond the range of a double is read as larger than everything; other programs refuse it. */
function hasInfinity(value: unknown): boolean {
  const waiting: unknown[] = [value];
  while (waiting.length > 0) {
    const item = waiting.pop();
    if (item === Number.POSITIVE_INFINITY || item === Number.NEGATIVE_INFINITY) return true;
    if (typeof item !== "object" || item === null) continue;
    for (const inner of Object.values(item)) waiting.push(inner);
  }
  return false;
}

function refuseMostlyStructure(bytes: Uint8Array): void {
  try {
    scanStrictJson(bytes, undefined, maxValues);
  } catch (cause) {
    throw new TrustError("SIGNATURE_MALFORMED", "the predicate has too many values for a condition", {
      expected: `at most ${maxValues} values`,
      cause,
    });
  }
}

/** When the predicate says that it was made, milliseconds since 1970; undefined where it does not say. */
export function predicateTime(attestation: VerifiedAttestation): number | undefined {
  if (times.has(attestation)) return times.get(attestation);
  const bytes = predicateOf(attestation.statement);
  const time = bytes === undefined ? undefined : statedTime(bytes);
  times.set(attestation, time);
  return time;
}
