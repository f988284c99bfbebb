import { formatTime } from "../policy/facts.ts";
import type { Authority } from "../policy/policy.ts";
import { stalenessOf } from "../trust/staleness.ts";
import type { Remark, Subject } from "./remark.ts";
import { indexOfName } from "./written.ts";

/** How long before its end a key or an authority is told, in milliseconds. */
const soon = 30 * 24 * 3_600_000;

/** Keys, certificate authorities and trust roots whose time is over, or nearly. */
export function lintTimes(subject: Subject): readonly Remark[] {
  return subject.policy.authorities.flatMap((authority) => authorityRemarks(subject, authority));
}

function authorityRemarks({ written, at, now }: Subject, authority: Authority): readonly Remark[] {
  const index = indexOfName(written.value, ["spec", "authorities"], authority.name);
  const { name } = authority;
  const root = "root" in authority ? authority.root : undefined;
  const stale = root === undefined ? undefined : stalenessOf(root, now);
  const roots: readonly Remark[] =
    stale === undefined || root === undefined
      ? []
      : [
          {
            code: "trust-root-stale",
            place: at("authorities", index),
            ...(root.source.kind === "unfetched"
              ? {
                  message: `the trust root ${root.name} of ${name} was not fetched yet`,
                  advice: "trust root update --policy PATH",
                }
              : {
                  message: `the trust root ${root.name} of ${name} expired at ${formatTime(stale.since)}`,
                  advice: `trust root update ${root.name}`,
                }),
          },
        ];
  if (authority.kind === "key") return [...keyRemarks(authority, at("authorities", index, "key"), now), ...roots];
  if (authority.kind === "keyless") return roots;
  const ends = authority.trust.roots.map(({ notAfter }) => notAfter);
  const place = at("authorities", index, "certificate");
  return [...endRemarks(`the certificate authority of ${name}`, Math.max(...ends), place, now), ...roots];
}

function keyRemarks(
  { name, lifetime }: Extract<Authority, { kind: "key" }>,
  place: string,
  now: number,
): readonly Remark[] {
  const { validUntil, validFrom, revoked, frozen = [] } = lifetime ?? {};
  if (revoked !== undefined) {
    if (frozen.length > 0 || revoked.at > now) return [];
    const message = `the key of ${name} is revoked and nothing is frozen: only signatures verified to be older count`;
    return [{ code: "key-expired", place, message, advice: "take the authority out when its images are signed anew" }];
  }
  if (validFrom !== undefined && validFrom > now)
    return [
      {
        code: "key-expired",
        place,
        message: `the key of ${name} is not valid before ${formatTime(validFrom)}`,
        advice: "a key that is in use now beside it",
      },
    ];
  return validUntil === undefined || frozen.length > 0 ? [] : endRemarks(`the key of ${name}`, validUntil, place, now);
}

function endRemarks(what: string, end: number, place: string, now: number): readonly Remark[] {
  if (end - now > soon || Number.isNaN(end)) return [];
  const isOver = end < now;
  return [
    {
      code: isOver ? "key-expired" : "key-expires-soon",
      place,
      message: `${what} ${isOver ? "expired" : "expires soon"}, at ${formatTime(end)}`,
      advice: "the next one beside it, under the same owner",
    },
  ];
}
