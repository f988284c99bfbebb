import type { Proof } from "../formats/format.ts";
import { timeOf } from "./binding.ts";
import { formatTime, type Objection } from "./facts.ts";
import type { Authority, KeyLifetime } from "./policy.ts";

/**
 * Why the key of an authority does not count for this proof; nothing where it does. A key signature says nothing about
 * time that a thief of the key could not say as well, so only verified times (of a log or timestamp) count:
 * 1. What was frozen stays accepted: revocation and the end of the key's time are not asked.
 * 2. Revoked: what is verified to be from before `revoked.at` counts, everything else does not.
 * 3. Not before `validFrom`, not after `validUntil`: by the verified time, or by now where there is none.
 */
export function keyObjection(
  authority: Authority,
  proof: Pick<Proof, "evidence" | "signedAt">,
  now: number,
): Objection | undefined {
  if (authority.kind !== "key" || authority.lifetime === undefined) return undefined;
  const { name, lifetime } = authority;
  const { validFrom = Number.NEGATIVE_INFINITY, validUntil = Number.POSITIVE_INFINITY, revoked } = lifetime;
  const verified = verifiedTime(proof);
  const frozen = isFrozen(lifetime, proof); // 1
  const found = verified === undefined ? "no verified time" : `verified at ${formatTime(verified)}`;
  if (!frozen && revoked !== undefined && !(verified !== undefined && verified < revoked.at)) {
    const expected = `a signature verified to be from before ${formatTime(revoked.at)}, or a frozen one`;
    return { code: "KEY_REVOKED", message: `the key of ${name} is revoked: ${revoked.reason}`, expected, found }; // 2
  }
  const time = verified ?? now;
  if (time >= validFrom && (frozen || time <= validUntil)) return undefined; // 3
  const early = time < validFrom;
  return {
    code: "KEY_NOT_VALID",
    message: early ? `the key of ${name} is not valid yet` : `the key of ${name} is not valid any more`,
    expected: early ? `a time from ${formatTime(validFrom)}` : `a time until ${formatTime(validUntil)}`,
    found: verified === undefined ? `${found}; it is ${formatTime(now)}` : found,
  };
}

/** When the key stops counting for this proof, milliseconds since 1970; infinity where time alone does not end it. */
export function keyCountsUntil(authority: Authority, proof: Pick<Proof, "evidence" | "signedAt">): number {
  const lifetime = authority.kind === "key" ? authority.lifetime : undefined;
  if (lifetime?.validUntil === undefined) return Number.POSITIVE_INFINITY;
  return isFrozen(lifetime, proof) || verifiedTime(proof) !== undefined
    ? Number.POSITIVE_INFINITY
    : lifetime.validUntil;
}

function isFrozen({ frozen }: KeyLifetime, { evidence }: Pick<Proof, "evidence">): boolean {
  return frozen?.includes(evidence) === true;
}

/** The earliest: what several witnesses saw was there when the first of them saw it. */
function verifiedTime({ signedAt }: Pick<Proof, "signedAt">): number | undefined {
  const times = signedAt.map(timeOf).filter((time) => !Number.isNaN(time));
  return times.length === 0 ? undefined : Math.min(...times);
}
