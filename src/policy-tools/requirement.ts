import { alternativesOf } from "../policy/alternatives.ts";
import { expectedOf } from "../policy/authority.ts";
import { formatTime } from "../policy/facts.ts";
import type { AttestationRequirement, Authority, Freshness, TrustPolicy } from "../policy/policy.ts";
import { decidesAlone } from "../policy/statics.ts";

/** What an image must have to pass a policy, in words, one sentence for each thing. `now` in milliseconds since 1970. */
export function needsOf(policy: TrustPolicy, now: number): readonly string[] {
  if (policy.anyOf === true) {
    const each = alternativesOf(policy).map((alternative) => needsOf(alternative, now).join("; and "));
    return each.length === 1 ? each : ["any of:", ...each.map((need) => `  ${need}`)];
  }
  const { attestations = [], condition, freshness, signedIdentity, platforms, revokedSignatures = [] } = policy;
  return [
    ...(policy.unusable ?? []).map(({ name, reason }) => `${name} never passes: ${reason}`),
    ...signatureNeeds(policy, now),
    ...attestations.map(attestationNeed),
    ...(condition === undefined ? [] : [`the condition ${condition.expression.trim()} holds`]),
    ...(freshness === undefined ? [] : freshnessNeeds(freshness)),
    ...(signedIdentity === undefined || signedIdentity === "any"
      ? []
      : [`the signature names ${signedIdentity === "exact" ? "this repository and tag" : "this repository"}`]),
    ...(platforms === undefined || platforms === "index" ? [] : [platformNeed[platforms]]),
    ...(revokedSignatures.length === 0 ? [] : [`not by one of ${revokedSignatures.length} revoked signatures`]),
  ];
}

const platformNeed = {
  each: "of an index: all this for the image of every platform",
  "index-or-each": "of an index: all this for the index, or for the image of every platform",
} as const;

function signatureNeeds(policy: TrustPolicy, now: number): readonly string[] {
  const { authorities, statics = [], threshold } = policy;
  const fixed = statics.map(({ name, action, message }) => {
    const what = action === "pass" ? "passes it without a signature" : "never lets it pass";
    return `${name} ${what}${message === undefined ? "" : `: ${message}`}`;
  });
  if (decidesAlone(policy) || threshold === 0) return fixed;
  if (authorities.length === 0) return fixed;
  const who = authorities.map((authority) => authorityNeed(authority, now));
  if (who.length === 1 && threshold === 1) return [...fixed, ...who];
  const of = `${threshold} of ${authorities.length}, by as many distinct signers and owners:`;
  return [...fixed, of, ...who.map((one) => `  ${one}`)];
}

function authorityNeed(authority: Authority, now: number): string {
  const { name, owner, annotations } = authority;
  const root =
    "root" in authority && authority.root !== undefined ? [`proved by the trust root ${authority.root.name}`] : [];
  const details = [
    ...root,
    ...(owner === undefined ? [] : [`counted as ${owner}`]),
    ...(annotations === undefined ? [] : [`with the annotations ${JSON.stringify(annotations)}`]),
    ...lifetimeNeeds(authority, now),
  ];
  return [`${name}: ${expectedOf(authority)}`, ...details].join(", ");
}

function lifetimeNeeds(authority: Authority, now: number): readonly string[] {
  if (authority.kind !== "key" || authority.lifetime === undefined) return [];
  const { validFrom, validUntil, revoked, frozen = [] } = authority.lifetime;
  return [
    ...(revoked === undefined
      ? []
      : [
          `revoked: only what is verified to be from before ${formatTime(revoked.at)}, or one of ${frozen.length} frozen`,
        ]),
    ...(validFrom === undefined ? [] : [`valid from ${formatTime(validFrom)}`]),
    ...(validUntil === undefined
      ? []
      : [`valid until ${formatTime(validUntil)}${validUntil < now ? " (it is over)" : ""}`]),
  ];
}

function attestationNeed({
  name,
  predicateType,
  authorities,
  maxAge,
  condition,
  select,
}: AttestationRequirement): string {
  return [
    `the attestation ${name} of type ${predicateType}`,
    `by ${authorities === undefined ? "any of the authorities" : authorities.join(" or ")}`,
    ...(maxAge === undefined ? [] : [`not older than ${duration(maxAge)}`]),
    ...(condition === undefined ? [] : [`of which ${condition.expression.trim()} holds`]),
    ...(select === "any" ? ["one of several is enough"] : []),
  ].join(", ");
}

function freshnessNeeds({ maxAge, tagBinding, digestOnly, grace }: Freshness): readonly string[] {
  const bound =
    tagBinding === "required"
      ? [`the signature binds this repository and tag${digestOnly === "allow" ? "; a digest alone passes" : ""}`]
      : ["a tag that the signature binds is this one"];
  const graced = grace === 0 ? "" : `, ${duration(grace)} more for a name with a digest`;
  return [...bound, ...(maxAge === undefined ? [] : [`the signature is not older than ${duration(maxAge)}${graced}`])];
}

const units = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
] as const;

function duration(milliseconds: number): string {
  const unit = units.find(([, size]) => milliseconds >= size && milliseconds % size === 0);
  return unit === undefined ? `${milliseconds}ms` : `${milliseconds / unit[1]}${unit[0]}`;
}
