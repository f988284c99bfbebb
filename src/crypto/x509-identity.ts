import { TrustError } from "../errors.ts";
import type { Certificate } from "./x509.ts";
import type { AlternativeName } from "./x509-general-names.ts";

/** Kinds of alternative name that may name a signer. */
export type IdentityType = "email" | "uri" | "dns" | "ip" | "otherName";

/**
 * Whom a certificate must name: `san` is the alternative name exactly, `sanRegex` an RE2 regular expression that matches all of
 * it; one of the two. `type` wants a name of that kind; without it any kind counts.
 */
export interface IdentityRule {
  readonly san?: string | undefined;
  readonly sanRegex?: string | undefined;
  readonly type?: IdentityType | undefined;
}

/** The first alternative name that fits, or undefined. To be asked about certificates with a proved path only. */
export type IdentityMatcher = (certificate: Certificate) => string | undefined;

/** User names that Fulcio writes (github.com/sigstore/fulcio, docs/oid-info.md); other otherNames name nobody here. */
const fulcioUserName = "1.3.6.1.4.1.57264.1.7";
const maxPatternLength = 2048;
/** Longer names match no regular expression: it bounds the work. */
const maxNameLength = 4096;

/** The alternative names that may name a signer, in the order of the certificate. */
export function identitiesOf(
  certificate: Certificate,
): readonly { readonly type: IdentityType; readonly value: string }[] {
  return certificate.subjectAlternativeNames.flatMap((name) => (isIdentity(name) ? [name] : []));
}

function isIdentity(name: AlternativeName): name is AlternativeName & { type: IdentityType; value: string } {
  if (name.type === "otherName") return name.oid === fulcioUserName && name.value !== undefined;
  return name.type !== "directoryName" && name.type !== "other";
}

/**
 * Makes a matcher, once per rule. Throws `CONFIG_INVALID` for a rule with none or both of `san` and `sanRegex`, an empty one, or
 * an expression that RE2 does not take.
 */
export async function createIdentityMatcher(rule: IdentityRule): Promise<IdentityMatcher> {
  const { type } = rule;
  const matches = await createTest(rule);
  return (certificate) =>
    identitiesOf(certificate).find((name) => (type === undefined || name.type === type) && matches(name.value))?.value;
}

async function createTest({ san, sanRegex }: IdentityRule): Promise<(value: string) => boolean> {
  if ((san === undefined) === (sanRegex === undefined) || san === "" || sanRegex === "")
    throw new TrustError("CONFIG_INVALID", "an identity names nobody, or in two ways", {
      expected: "either san or sanRegex, not empty",
    });
  return sanRegex === undefined ? (value) => value === san : await createPattern(sanRegex);
}

/**
 * A test whether an expression matches the whole of a text, or with `anywhere` some part of it, as Go's
 * `regexp.MatchString` does. RE2 takes time linear in the text, whatever the expression; it is
 * loaded when the first expression is. Throws `CONFIG_INVALID`.
 */
export async function createPattern(
  expression: string,
  extent: "whole" | "anywhere" = "whole",
): Promise<(value: string) => boolean> {
  if (expression.length > maxPatternLength)
    throw new TrustError("CONFIG_INVALID", "a regular expression is too long", {
      expected: `at most ${maxPatternLength} characters`,
      found: `${expression.length} characters`,
    });
  const { compilePattern } = await import("./pattern.ts");
  try {
    const pattern = compilePattern(expression).expression;
    const test = (value: string) => (extent === "whole" ? pattern.matches(value) : pattern.matcher(value).find());
    return (value) => value.length <= maxNameLength && test(value);
  } catch (cause) {
    throw new TrustError("CONFIG_INVALID", "a regular expression is not valid", {
      expected: "RE2 syntax (github.com/google/re2/wiki/Syntax), with few counted repetitions",
      found: cause instanceof Error ? cause.message.slice(0, 300) : undefined,
      cause,
    });
  }
}

/** Whether the certificate names the identity. For many certificates make a matcher once. */
export async function matchesIdentity(certificate: Certificate, rule: IdentityRule): Promise<boolean> {
  const match = await createIdentityMatcher(rule);
  return match(certificate) !== undefined;
}
