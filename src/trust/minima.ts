import { describeJson } from "../crypto/describe-json.ts";
import { isSet, membersOf, type Place, problemAt } from "./fields.ts";
import type { EvidenceMinima } from "./trust-root.ts";

/** What a deployment has, whether or not it can be used here: what cannot be used must not lower what is asked for. */
export interface Deployment {
  readonly hasLogs: boolean;
  readonly hasCertificateLogs: boolean;
}

const names = ["log", "timestamp", "logOrTimestamp", "sct"] as const;

/**
 * The minima of a root where nothing else is said: a log entry or a timestamp, since there is no time without one; a timestamp
 * where there are no logs (GitHub's own root); an SCT where there are certificate logs.
 */
export function defaultMinima({ hasLogs, hasCertificateLogs }: Deployment): EvidenceMinima {
  return { log: 0, timestamp: hasLogs ? 0 : 1, logOrTimestamp: 1, sct: hasCertificateLogs ? 1 : 0 };
}

/**
 * Reads `require: { log, timestamp, logOrTimestamp, sct }`: true, false, or how many; what is not said is as by default. Throws
 * with the code of the place.
 */
export function readMinima(place: Place, defaults: EvidenceMinima): EvidenceMinima {
  if (!isSet(place)) return defaults;
  const fields = membersOf(place, names);
  return {
    log: readMinimum(fields.log, defaults.log),
    timestamp: readMinimum(fields.timestamp, defaults.timestamp),
    logOrTimestamp: readMinimum(fields.logOrTimestamp, defaults.logOrTimestamp),
    sct: readMinimum(fields.sct, defaults.sct),
  };
}

const maxMinimum = 100;

function readMinimum(place: Place, otherwise: number): number {
  const { value } = place;
  if (!isSet(place)) return otherwise;
  if (typeof value === "boolean") return value ? 1 : 0;
  if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= maxMinimum) return value;
  throw problemAt(place, "is not a minimum", `true, false, or a number from 0 to ${maxMinimum}`, describeJson(value));
}

/** Which minima are lower than by default: shown as `unsafe`. */
export function relaxationsOf(require: EvidenceMinima, defaults: EvidenceMinima): readonly (keyof EvidenceMinima)[] {
  return names.filter((name) => require[name] < defaults[name]);
}
