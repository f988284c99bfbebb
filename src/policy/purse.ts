import { identitiesOf } from "../crypto/x509-identity.ts";
import { type Finding, TrustError, toFinding } from "../errors.ts";
import type { VerifiedSignature } from "../formats/format.ts";
import type { EvaluationFacts } from "./facts.ts";
import type { Authority, TrustPolicy } from "./policy.ts";

/**
 * What the policies of one namespace may cost together when they judge an image, in steps of some hundred nanoseconds at most: whoever
 * writes them may also make the images, and while they are judged all others wait.
 */
export interface Purse {
  left: number;
}

const all = 500_000;

export function createPurse(): Purse {
  return { left: all };
}

/** The purse that the policy pays from; nothing for those of the cluster, whose authors are trusted with its time. */
export function purseOf({ namespace }: TrustPolicy, { purse }: EvaluationFacts): Purse | undefined {
  return namespace === undefined ? undefined : purse;
}

/**
 * Pays for holding every signature and attestation against every authority of a policy, before it is done. Gives the reason where
 * that is more than is left. Conditions pay for themselves.
 */
export function payFor(policy: TrustPolicy, facts: EvaluationFacts): Finding | undefined {
  const purse = purseOf(policy, facts);
  if (purse === undefined) return undefined;
  purse.left -= costOf(policy, facts);
  if (purse.left >= 0) return undefined;
  const message = `the policies of the namespace ${policy.namespace} ask for too much together: they are not all judged`;
  const expected = "fewer policies, authorities and regular expressions, or fewer signatures of the image";
  return toFinding(new TrustError("POLICY_UNUSABLE", message, { expected, found: `more than ${all} steps` }));
}

function costOf({ authorities, attestations }: TrustPolicy, facts: EvaluationFacts): number {
  const signatures = costOfProofs(authorities, facts.proofs);
  const attested = (attestations ?? []).map(({ authorities: names }) => {
    const asked = names === undefined ? authorities : authorities.filter(({ name }) => names.includes(name));
    return costOfProofs(asked, facts.attestations ?? []);
  });
  return attested.reduce((sum, cost) => sum + cost, signatures);
}

type Proofs = readonly Pick<VerifiedSignature, "backings">[];

function costOfProofs(authorities: readonly Authority[], proofs: Proofs): number {
  const expressions = authorities.reduce((sum, authority) => sum + expressionsOf(authority), 0);
  const names = expressions === 0 ? 0 : proofs.reduce((sum, { backings = [] }) => sum + namesIn(backings), 0);
  return authorities.length * proofs.length + (expressions * names) / charactersPerStep;
}

/** Each character of a name may be held against each of an expression. */
const charactersPerStep = 8;

function expressionsOf(authority: Authority): number {
  if (authority.kind === "key") return 0;
  if (authority.kind === "certificate") return lengthOf(authority.identities.map(({ sanRegex }) => sanRegex));
  return lengthOf(authority.identities.flatMap(({ issuerRegex, subjectRegex }) => [issuerRegex, subjectRegex]));
}

function namesIn(backings: NonNullable<VerifiedSignature["backings"]>): number {
  return backings.reduce((sum, { certificate }) => {
    if (certificate === undefined) return sum;
    return sum + lengthOf(identitiesOf(certificate).map(({ value }) => value));
  }, 0);
}

function lengthOf(texts: readonly (string | undefined)[]): number {
  return texts.reduce((sum, text = "") => sum + text.length, 0);
}
