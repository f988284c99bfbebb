import { type Finding, TrustError, toFinding } from "../errors.ts";
import type { TrustPolicy, Unusable } from "./policy.ts";
import { aboutPolicy, type PolicyResult } from "./verdict.ts";

/** Whether the policy asks for nothing that could be known: what it says, it says of every image. */
export function decidesAlone({ authorities, statics, unusable, attestations, condition }: TrustPolicy): boolean {
  const says = statics !== undefined || unusable !== undefined;
  return authorities.length === 0 && says && attestations === undefined && condition === undefined;
}

/** The result of a policy that decides alone. */
export function outright(policy: TrustPolicy): PolicyResult {
  const base = { ...aboutPolicy(policy), satisfiedBy: [] };
  const opening = openingOf(policy);
  if (opening === undefined) return { ...base, passed: false, findings: refusals(policy) };
  return { ...base, passed: true, findings: [], static: opening };
}

/**
 * The static authority that lets an image pass without a signature; nothing where none does. One that would have to stand
 * beside a signer is none: it is never counted.
 */
export function openingOf({ statics, threshold }: TrustPolicy): PolicyResult["static"] {
  const passing = threshold > 1 ? undefined : statics?.find(({ action }) => action === "pass");
  if (passing === undefined) return undefined;
  const { name, message } = passing;
  return { authority: name, ...(message === undefined ? {} : { message }) };
}

/** A finding for each static authority that refuses, and for each that cannot be judged by. */
export function refusals({ statics, unusable }: TrustPolicy): readonly Finding[] {
  const failing = (statics ?? [])
    .filter(({ action }) => action === "fail")
    .map(({ name, message = "the policy refuses the image" }) =>
      toFinding(new TrustError("STATIC_FAIL", message, { expected: "another authority", found: `${name}: fail` }), {
        authority: name,
      }),
    );
  return [...failing, ...(unusable ?? []).map(unjudged)];
}

function unjudged({ name, reason, expected, object }: Unusable): Finding {
  if (object === undefined)
    return toFinding(new TrustError("POLICY_NOT_EVALUABLE", reason, { expected, found: name }), { authority: name });
  const hint = `Correct the policy, or what it refers to: kubectl describe ${object}`;
  return toFinding(new TrustError("POLICY_UNUSABLE", reason, { hint }));
}
