import type { VerifiedSignature } from "../formats/format.ts";
import { issuedAt, stalenessOf } from "../trust/staleness.ts";
import type { TrustRoot } from "../trust/trust-root.ts";
import { formatTime } from "./facts.ts";
import type { MatchedPolicy } from "./match.ts";
import type { Authority } from "./policy.ts";
import type { PolicyResult, Satisfaction } from "./verdict.ts";

/** The trust root that a signature of the authority rests on, and how old it is; nothing for a key that signed alone. */
export function rootFacts(authority: Authority, { signedAt }: VerifiedSignature): Pick<Satisfaction, "trustRoot"> {
  const root = rootOf(authority);
  if (root === undefined || (authority.kind !== "keyless" && signedAt.length === 0)) return {};
  const issued = issuedAt(root);
  return { trustRoot: { name: root.name, ...(issued === undefined ? {} : { issuedAt: formatTime(issued) }) } };
}

/** The trust root that an authority believes. */
export function rootOf(authority: Authority | undefined): TrustRoot | undefined {
  if (authority === undefined) return undefined;
  return authority.kind === "certificate" ? authority.trust.times : authority.root;
}

/** What weakens the trust roots that policies were passed on, in words: that one was not renewed in time, or asks for less than usual. */
export function rootWarnings(
  matched: readonly MatchedPolicy[],
  results: readonly PolicyResult[],
  now: number,
): readonly string[] {
  const warnings = results.flatMap(({ satisfiedBy }, index) => {
    const authorities = matched[index]?.policy.authorities ?? [];
    const restingOn = satisfiedBy
      .filter(({ trustRoot }) => trustRoot !== undefined)
      .map(({ authority }) => rootOf(authorities.find(({ name }) => name === authority)));
    return restingOn.flatMap((root) => (root === undefined ? [] : warningsAbout(root, now)));
  });
  return [...new Set(warnings)];
}

function warningsAbout(root: TrustRoot, now: number): readonly string[] {
  const stale = stalenessOf(root, now);
  const outdated =
    stale === undefined
      ? []
      : [
          `the trust root ${root.name} expired at ${formatTime(stale.since)}; it is used until ${formatTime(stale.usableUntil)}`,
        ];
  const relaxed = root.relaxed.map(
    (kind) => `the trust root ${root.name} asks for less evidence than usual: ${kind} ${root.require[kind]}`,
  );
  return [...outdated, ...relaxed];
}
