import { TrustError } from "../errors.ts";
import type { TrustRoot } from "./trust-root.ts";

/** Milliseconds that a root is used beyond its expiry, unless told otherwise: 30 days (setting `maxStale`). */
export const defaultMaxStale = 30 * 24 * 3_600_000;

/** A root whose time is over. */
export interface Staleness {
  /** Since when, milliseconds since 1970. */
  readonly since: number;
  /** Until when it may still be used, shown in the Verdict. */
  readonly usableUntil: number;
  /** `ROOT_STALE`: to be shown, or from `usableUntil` on to be thrown. */
  readonly error: TrustError;
  readonly usable: boolean;
}

/** When the root came to be what it is: for its age in the Verdict. Files have none. */
export function issuedAt({ source }: TrustRoot): number | undefined {
  if (source.kind === "embedded") return source.issued;
  return source.kind === "tuf" ? source.fetched : undefined;
}

/** When the metadata that vouches for the root runs out. Files and policies vouch for themselves. */
export function expiryOf({ source }: TrustRoot): number | undefined {
  return source.kind === "embedded" || source.kind === "tuf" ? source.expires : undefined;
}

/** Whether a root from TUF, also one that is part of the program, is past its expiry, or was never fetched; undefined if not. */
export function stalenessOf(root: TrustRoot, now: number, maxStale = defaultMaxStale): Staleness | undefined {
  if (root.source.kind === "unfetched") return neverFetched(root.name, root.source.mirror, now);
  const since = expiryOf(root);
  if (since === undefined || now <= since) return undefined;
  const usableUntil = since + maxStale;
  const usable = now <= usableUntil;
  const error = new TrustError("ROOT_STALE", `the trust root ${root.name} has expired`, {
    expected: `renewed before ${timeOf(since)}${usable ? `; used until ${timeOf(usableUntil)}` : ""}`,
    found: timeOf(now),
    hint: `Renew it with: trust root update ${root.name}`,
  });
  return { since, usableUntil, error, usable };
}

/** What was never had cannot be used, however long one waits. */
function neverFetched(name: string, mirror: string, now: number): Staleness {
  const error = new TrustError("ROOT_STALE", `the trust root ${name} was not fetched yet`, {
    expected: `fetched from ${mirror}`,
    found: "nothing",
    hint: "Fetch it with: trust root update --policy PATH; a running webhook does so by itself soon after its start",
  });
  return { since: now, usableUntil: now, error, usable: false };
}

/** Throws `ROOT_STALE` (unavailable) for a root that must not be used any more. */
export function refuseStale(root: TrustRoot, now: number, maxStale = defaultMaxStale): void {
  const stale = stalenessOf(root, now, maxStale);
  if (stale?.usable === false) throw stale.error;
}

function timeOf(time: number): string {
  return new Date(time).toISOString();
}
