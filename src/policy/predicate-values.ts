import { TrustError } from "../errors.ts";
import type { VerifiedAttestation } from "../formats/format.ts";
import { statedTime } from "../formats/stated-time.ts";
import { predicateOf } from "../formats/statement.ts";

/** The largest predicate that a condition looks at, in bytes. */
const maxPredicateBytes = 32 * 1024 * 1024;
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
  // That it is strict JSON was checked when it was proved.
  const value: unknown = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8"));
  if (bytes.length <= maxKeptBytes) kept.set(attestation, value);
  return value;
}

/** When the predicate says that it was made, milliseconds since 1970; undefined where it does not say. */
export function predicateTime(attestation: VerifiedAttestation): number | undefined {
  if (times.has(attestation)) return times.get(attestation);
  const bytes = predicateOf(attestation.statement);
  const time = bytes === undefined ? undefined : statedTime(bytes);
  times.set(attestation, time);
  return time;
}
