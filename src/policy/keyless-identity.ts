import { type CertificateClaims, certificateClaims } from "../crypto/fulcio-claims.ts";
import type { Certificate } from "../crypto/x509.ts";
import { createPattern, identitiesOf } from "../crypto/x509-identity.ts";
import type { KeylessIdentity } from "./policy.ts";

type Rule = Omit<KeylessIdentity, "matches">;

/**
 * What an identity of a policy means; made once. To be asked about certificates that a trust root has proved, whose claims can
 * therefore be read. Throws `CONFIG_INVALID` for an expression that RE2 does not take.
 */
export async function toKeylessIdentity(rule: Rule): Promise<KeylessIdentity> {
  const isIssuer = await createTest(rule.issuer, rule.issuerRegex);
  return identityOf(rule, isIssuer, await createTest(rule.subject, rule.subjectRegex));
}

/** The same from tests of issuer and subject: for rules that mean their expressions otherwise. */
export function identityOf(
  rule: Rule,
  isIssuer: (value: string) => boolean,
  isSubject: (value: string) => boolean,
): KeylessIdentity {
  const wanted = Object.entries(rule.claims ?? {});
  return {
    ...rule,
    matches(certificate) {
      const claims = claimsOf(certificate);
      const { issuer } = claims;
      if (issuer === undefined || !isIssuer(issuer)) return undefined;
      const isMissing = ([name, value]: readonly [string, string | undefined]) =>
        !Object.hasOwn(claims, name) || Reflect.get(claims, name) !== value;
      if (wanted.some(isMissing)) return undefined;
      const subject = identitiesOf(certificate).find(({ value }) => isSubject(value))?.value;
      return subject === undefined ? undefined : { issuer, subject };
    },
  };
}

/** What a proved certificate says where identities ask for claims, for findings; nothing where none of them does. */
export function statedClaims(identities: readonly Rule[], certificate: Certificate): string {
  const names = new Set(identities.flatMap((rule) => Object.keys(rule.claims ?? {})));
  const claims = claimsOf(certificate);
  const stated = (name: string) => (Object.hasOwn(claims, name) ? Reflect.get(claims, name) : undefined) ?? "none";
  return names.size === 0 ? "" : ` ${claimsText([...names].map((name) => [name, stated(name)]))}`;
}

/** Claims by name, for findings. */
export function claimsText(claims: readonly (readonly [string, unknown])[]): string {
  return `with ${claims.map(([name, value]) => `${name} ${String(value)}`).join(" and ")}`;
}

/** Without an expectation everything is as wanted: the schema has seen to it that not all of them are missing. */
async function createTest(text: string | undefined, regex: string | undefined): Promise<(value: string) => boolean> {
  if (text !== undefined) return (value) => value === text;
  return regex === undefined ? () => true : createPattern(regex);
}

const known = new WeakMap<Certificate, CertificateClaims>();

function claimsOf(certificate: Certificate): CertificateClaims {
  const claims = known.get(certificate) ?? certificateClaims(certificate);
  known.set(certificate, claims);
  return claims;
}
