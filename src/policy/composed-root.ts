import { digestOf } from "../crypto/digest.ts";
import { expiryOf } from "../trust/staleness.ts";
import type { EvidenceMinima, TrustRoot } from "../trust/trust-root.ts";

/** Roots whose parts are used together, each for one purpose. */
export interface RootParts {
  /** Certificate authorities and certificate logs. */
  readonly certificates: TrustRoot;
  readonly logs: TrustRoot;
  readonly timestamps: TrustRoot;
  /** What is asked for instead of the minima of `certificates`. */
  readonly require?: Partial<EvidenceMinima>;
}

/**
 * One root of the parts of several: policy-controller lets an authority take certificates, logs and timestamps from different
 * ones. It is as old as the one that expires first. The same parts and minima give the same revision.
 */
export function composeRoot({ certificates, logs, timestamps, require: changed }: RootParts): TrustRoot {
  const parts = [certificates, logs, timestamps];
  const require = { ...certificates.require, ...changed };
  const kinds = ["log", "timestamp", "logOrTimestamp", "sct"] as const;
  const isSame = kinds.every((kind) => require[kind] === certificates.require[kind]);
  if (isSame && parts.every(({ revision }) => revision === certificates.revision)) return certificates;
  const names = [...new Set(parts.map(({ name }) => name))];
  // One that was never fetched lets none of them be believed.
  const expiry = (root: TrustRoot) =>
    root.source.kind === "unfetched" ? Number.NEGATIVE_INFINITY : (expiryOf(root) ?? Number.POSITIVE_INFINITY);
  const oldest = parts.toSorted((a, b) => expiry(a) - expiry(b))[0] ?? certificates;
  return {
    ...certificates,
    name: names.join("+"),
    revision: digestOf(
      Buffer.from(JSON.stringify([parts.map(({ revision }) => revision), kinds.map((kind) => require[kind])])),
    ),
    source: oldest.source,
    logs: logs.logs,
    timestampAuthorities: timestamps.timestampAuthorities,
    require,
    // A log in the place of "log or timestamp" asks for more, not for less.
    relaxed: [
      ...new Set([...certificates.relaxed, ...(require.sct < certificates.require.sct ? ["sct" as const] : [])]),
    ],
    skipped: parts.flatMap(({ skipped }) => skipped),
  };
}

/** The root, where also an entry in a log, or a timestamp, is asked for. Never asks for less. */
export function withEvidence(
  root: TrustRoot,
  asked: { readonly log: boolean; readonly timestamp: boolean },
): TrustRoot {
  const raise = (minimum: number, isAsked: boolean) => (isAsked ? Math.max(1, minimum) : minimum);
  const require = {
    log: raise(root.require.log, asked.log),
    timestamp: raise(root.require.timestamp, asked.timestamp),
  };
  return composeRoot({ certificates: root, logs: root, timestamps: root, require });
}
