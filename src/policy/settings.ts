import { TrustError } from "../errors.ts";

/** How far a verifier reads before it says `EVIDENCE_INCOMPLETE` or gives up. */
export interface VerifierLimits {
  /** Signatures and attestations read at each place. */
  readonly signatures: number;
  /** Bytes of one signature. */
  readonly signatureBytes: number;
  /** Pages of a list. */
  readonly pages: number;
  /** Milliseconds for what one image needs from its registry. */
  readonly timeout: number;
}

/** Settings of a verifier (docs/policy.md, "Settings"). All durations in milliseconds. */
export interface VerifierSettings {
  /** What happens to an image that no enforcing cluster policy matches. */
  readonly noMatch: "deny" | "allow" | "warn";
  /** How old a list of signatures may be for an allow to rest on it. */
  readonly evidenceTtl: number;
  /** How old it may be while the registry is out of reach. */
  readonly staleEvidence: number;
  /** How old a tag's digest may be. */
  readonly tagTtl: number;
  /** How old it may be while the registry is out of reach. */
  readonly staleTag: number;
  /** A denial that rests on older facts asks the registry again first. */
  readonly denyRelist: number;
  /** `pin`: admission replaces a tag by the digest that was verified. */
  readonly digest: "pin" | "verify-only";
  /** `pods`: templates keep their tags, only Pods are pinned. */
  readonly pin: "all" | "pods";
  /** Whether a tag passes under `digest: verify-only`. */
  readonly unpinned: "deny" | "allow";
  /** Hosts and CIDR blocks of registries that are otherwise refused (loopback, link-local). */
  readonly allowRegistry: readonly string[];
  readonly limits: VerifierLimits;
}

const second = 1000;
const hour = 3600 * second;

/** What holds where nobody said otherwise. */
export const defaultSettings: VerifierSettings = {
  noMatch: "deny",
  evidenceTtl: 60 * second,
  staleEvidence: 24 * hour,
  tagTtl: 10 * second,
  staleTag: 0,
  denyRelist: second,
  digest: "pin",
  pin: "all",
  unpinned: "deny",
  allowRegistry: [],
  limits: { signatures: 200, signatureBytes: 4 * 1024 * 1024, pages: 20, timeout: 10 * second },
};

const units: Readonly<Record<string, number>> = { ms: 1, s: second, m: 60 * second, h: hour, d: 24 * hour };
const duration = /^(?:0|(?:[0-9]{1,9}(?:ms|s|m|h|d))+)$/;
const part = /([0-9]+)(ms|s|m|h|d)/g;

/**
 * Parses a duration into milliseconds: `0`, or whole numbers with the units `d h m s ms`, largest first, each at most
 * once (`90d`, `1h30m`). Throws `CONFIG_INVALID`.
 */
export function parseDuration(text: string): number {
  const parts = duration.test(text) ? [...text.matchAll(part)] : undefined;
  const sizes = parts?.map(([, , unit]) => units[unit ?? ""] ?? 0) ?? [];
  const falling = sizes.every((size, index) => index === 0 || size < (sizes[index - 1] ?? 0));
  const total = parts?.reduce((sum, [, count], index) => sum + Number(count) * (sizes[index] ?? 0), 0);
  if (total === undefined || !falling || !Number.isSafeInteger(total))
    throw new TrustError("CONFIG_INVALID", "not a duration", {
      expected: "a whole number with a unit: 500ms, 60s, 30m, 24h, 90d",
      found: JSON.stringify(text.slice(0, 100)),
    });
  return total;
}
