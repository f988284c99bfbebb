import type { VerifierSettings } from "../policy/settings.ts";
import { durationFlag } from "./durations.ts";

const age = (summary: string, byDefault: string) => ({ value: "DURATION", summary, default: byDefault }) as const;

/** How old the facts of a decision may be; see `VerifierSettings`. */
export const ageOptions = {
  "evidence-ttl": age("how old a list of signatures may be for an allow to rest on it", "60s"),
  "stale-evidence": age("how old it may be while the registry is out of reach", "24h"),
  "tag-ttl": age("how old a tag's digest may be", "10s"),
  "stale-tag": age("how old it may be while the registry is out of reach", "0"),
  "deny-relist": age("a denial that rests on facts older than this asks the registry again first", "1s"),
} as const;

type AgeFlags = Readonly<Record<keyof typeof ageOptions, string>>;

/** The settings that the flags stand for. Throws `USAGE` for what is no duration. */
export function agesOf(flags: AgeFlags): Partial<VerifierSettings> {
  return {
    evidenceTtl: ageOf(flags, "evidence-ttl"),
    staleEvidence: ageOf(flags, "stale-evidence"),
    tagTtl: ageOf(flags, "tag-ttl"),
    staleTag: ageOf(flags, "stale-tag"),
    denyRelist: ageOf(flags, "deny-relist"),
  };
}

function ageOf(flags: AgeFlags, name: keyof AgeFlags): number {
  return durationFlag(`--${name}`, flags[name]);
}
