import { parseDuration, type VerifierSettings } from "../policy/settings.ts";

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

/** The settings that the flags stand for. Throws `CONFIG_INVALID` for what is no duration. */
export function agesOf(flags: AgeFlags): Partial<VerifierSettings> {
  return {
    evidenceTtl: parseDuration(flags["evidence-ttl"]),
    staleEvidence: parseDuration(flags["stale-evidence"]),
    tagTtl: parseDuration(flags["tag-ttl"]),
    staleTag: parseDuration(flags["stale-tag"]),
    denyRelist: parseDuration(flags["deny-relist"]),
  };
}
