import type { VerifiedSignature } from "../formats/format.ts";
import { formatReference, formatRepository, type ImageReference } from "../oci/reference.ts";
import { type Binding, bindingOf } from "./binding.ts";
import { formatTime, type Objection, type Situation } from "./facts.ts";
import type { Freshness, TrustPolicy } from "./policy.ts";

/** How far the clocks of a signer and of its verifier may be apart, in milliseconds. */
const clockSkew = 5 * 60 * 1000;

/**
 * Why a proof is not fresh enough for the policy; nothing where it is. An expiry that the signer wrote counts under every
 * policy, all else where the policy has `freshness`. The steps:
 * 1. Not expired.
 * 2. Not created in the future: such a one would outlive every limit, and every later signature.
 * 3. Created within `maxAge`; a creation that is not signed fails.
 * 4. The name of the reference is the one that was bound.
 * 5. Not older than what was accepted under this name before.
 * Who names the digest, as admission pins it, has `grace` more in 1, 3 and 5.
 */
export function staleness(policy: TrustPolicy, proof: VerifiedSignature, situation: Situation): Objection | undefined {
  const { freshness } = policy;
  const binding = bindingOf(proof);
  const grace = situation.ref.digest === undefined ? 0 : (freshness?.grace ?? 0);
  const expired = expiry(binding, situation.now, grace); // 1
  if (expired !== undefined || freshness === undefined) return expired;
  return (
    future(binding, situation.now) ?? // 2
    tooOld(binding, freshness, situation.now, grace) ?? // 3
    unbound(binding, freshness, situation.ref) ?? // 4
    rolledBack(binding, situation.markOf?.(policy), situation.now, grace) // 5
  );
}

function expiry({ expires }: Binding, now: number, grace: number): Objection | undefined {
  if (expires === undefined || now <= expires + grace) return undefined;
  const found = Number.isNaN(expires) ? "an expiry that is not an RFC 3339 time" : `expired at ${formatTime(expires)}`;
  return { code: "SIGNATURE_EXPIRED", message: "the signature has expired", expected: after(now), found };
}

function future({ created }: Binding, now: number): Objection | undefined {
  if (created === undefined || created <= now + clockSkew) return undefined;
  const found = Number.isNaN(created) ? "a creation that is not an RFC 3339 time" : formatTime(created);
  const message = "the signature says it was created in the future";
  return { code: "SIGNATURE_NOT_YET_VALID", message, expected: `created by ${formatTime(now)}`, found };
}

function tooOld({ created }: Binding, { maxAge }: Freshness, now: number, grace: number): Objection | undefined {
  if (maxAge === undefined || (created !== undefined && now <= created + maxAge + grace)) return undefined;
  const found = created === undefined ? "no creation time" : `created at ${formatTime(created)}`;
  const message = "the signature is older than the policy allows";
  return { code: "SIGNATURE_TOO_OLD", message, expected: `created after ${formatTime(now - maxAge)}`, found };
}

function unbound(binding: Binding, freshness: Freshness, ref: ImageReference): Objection | undefined {
  const says = binding.repository === undefined && binding.tag === undefined ? undefined : nameOf(binding);
  if (says === undefined && freshness.tagBinding === "optional") return undefined;
  const wanted = formatRepository(ref);
  if (ref.tag === undefined) {
    if (freshness.tagBinding === "required" && freshness.digestOnly === "deny")
      return {
        code: "TAG_NOT_BOUND",
        message: "the policy asks for a bound tag, and the reference names none",
        expected: `${wanted}:TAG, or with @DIGEST`,
        found: formatReference(ref),
      };
    if (binding.repository === wanted) return undefined;
  } else if (binding.repository === wanted && binding.tag === ref.tag) return undefined;
  const expected = ref.tag === undefined ? wanted : `${wanted}:${ref.tag}`;
  const message = says === undefined ? "the signature binds no tag" : "the signature binds another name";
  return { code: "TAG_NOT_BOUND", message, expected, found: says ?? "no bound name" };
}

function nameOf({ repository, tag }: Binding): string {
  return `${repository ?? "no repository"}:${tag ?? "no tag"}`.slice(0, 500);
}

function rolledBack({ created }: Binding, mark: number | undefined, now: number, grace: number): Objection | undefined {
  if (mark === undefined || (created !== undefined && created >= mark)) return undefined;
  if (grace > 0 && now <= mark + grace) return undefined;
  const found = created === undefined ? "no creation time" : `created at ${formatTime(created)}`;
  const message = "a newer signature was accepted under this name before: this image is an older one";
  return { code: "ROLLBACK", message, expected: `created at ${formatTime(mark)} or later`, found };
}

function after(now: number): string {
  return `an expiry after ${formatTime(now)}`;
}

/** When a proof that counts now stops counting, milliseconds since 1970; infinity where time alone does not end it. */
export function freshUntil(policy: TrustPolicy, proof: VerifiedSignature): number {
  const { created, expires } = bindingOf(proof);
  const maxAge = policy.freshness?.maxAge;
  const aged = maxAge === undefined || created === undefined ? Number.POSITIVE_INFINITY : created + maxAge;
  return Math.min(expires ?? Number.POSITIVE_INFINITY, aged);
}
