import type { TrustException } from "../policy/exception.ts";
import { formatTime } from "../policy/facts.ts";
import type { PolicySet } from "../policy/policy.ts";
import { suggestion } from "../policy/problem.ts";
import { overlaps } from "./glob-language.ts";
import { isForeign, nameOf, type Remark } from "./remark.ts";
import type { Written } from "./written.ts";

type Named = Remark & { readonly policy: string };

/** Exceptions that are over, and those that except nothing. `now` in milliseconds since 1970. */
export function lintExceptions(set: PolicySet, written: (source: string) => Written, now: number): readonly Named[] {
  return (set.exceptions ?? []).flatMap((exception) => {
    const { placeOf } = written(exception.source);
    const remarks = [...expired(exception, placeOf, now), ...forNothing(exception, set, placeOf)];
    return remarks.map((remark) => ({ ...remark, policy: exception.name }));
  });
}

function expired({ name, expires }: TrustException, placeOf: Written["placeOf"], now: number): readonly Remark[] {
  if (expires > now) return [];
  const message = `the exception ${name} expired at ${formatTime(expires)} and lets nothing pass`;
  return [{ code: "exception-expired", place: placeOf(["spec", "expires"]), message, advice: "take it out" }];
}

function forNothing(
  { name, policies, images }: TrustException,
  set: PolicySet,
  placeOf: Written["placeOf"],
): readonly Remark[] {
  // Alone in a file, it is for policies that are elsewhere.
  if (set.policies.length === 0) return [];
  const known = set.policies.map(nameOf);
  const unknown = (policies ?? []).flatMap((policy, index): readonly Remark[] => {
    if (known.includes(policy)) return [];
    const message = `the exception ${name} names the policy ${policy}, which is not there${suggestion(policy, known)}`;
    const advice = known.length === 1 ? `${known[0]}` : `one of ${known.slice(0, 10).join(", ")}`;
    return [{ code: "exception-for-nothing", place: placeOf(["spec", "policies", index]), message, advice }];
  });
  const spoken = set.policies.filter((policy) => policies?.includes(nameOf(policy)) ?? true);
  const idle = images.flatMap((image, index): readonly Remark[] => {
    if ("digest" in image || spoken.length === 0 || spoken.some(isForeign)) return [];
    if (spoken.some((policy) => policy.images.some(({ glob }) => overlaps(glob, image.glob)))) return [];
    const message = `the exception ${name} excepts nothing: no policy speaks about images called ${image.glob}`;
    return [
      { code: "exception-for-nothing", place: placeOf(["spec", "images", index]), message, advice: "take it out" },
    ];
  });
  return [...unknown, ...idle];
}
