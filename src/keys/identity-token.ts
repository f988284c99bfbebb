import { isJsonObject, parseStrictJson } from "../crypto/json.ts";
import { TrustError } from "../errors.ts";

/** An OIDC identity token (RFC 7519), as far as its bearer may read it: only the authority can tell whether it is genuine. */
export interface IdentityToken {
  /** The secret itself. Never to be shown. */
  readonly text: string;
  readonly issuer: string;
  /** What the certificate will be proved to be for: the verified e-mail address, else the subject. */
  readonly subject: string;
  /** Milliseconds since 1970. */
  readonly expires: number;
}

const maxLength = 64 * 1024;
/** A request takes a while, and clocks differ. */
const leastLife = 5_000;

/**
 * Reads a token and refuses what no authority would take, so that the token need not be sent to learn it. No error repeats
 * any of it. `now` in milliseconds since 1970. Throws `IDENTITY_TOKEN_INVALID`.
 */
export function readIdentityToken(text: string, now: number): IdentityToken {
  const token = text.trim();
  const claims = claimsOf(token);
  const { iss, sub, email, email_verified: isVerified, exp } = claims;
  if (typeof iss !== "string" || iss === "") throw invalid("it names no issuer", "the claim iss");
  if (typeof exp !== "number" || !Number.isFinite(exp)) throw invalid("it does not say when it ends", "the claim exp");
  if (exp * 1000 < now + leastLife)
    throw invalid("it has expired", `a token that is valid at ${shownTime(now)}`, `one until ${shownTime(exp * 1000)}`);
  const isEmail = typeof email === "string" && email !== "";
  if (isEmail && isVerified !== true && isVerified !== "true")
    throw invalid("its issuer did not verify the e-mail address", "email_verified: true");
  const subject = isEmail ? email : sub;
  if (typeof subject !== "string" || subject === "") throw invalid("it names nobody", "the claim sub or email");
  return { text: token, issuer: iss, subject, expires: exp * 1000 };
}

/** Any claim of a token. Throws `IDENTITY_TOKEN_INVALID`. */
export function claimsOf(token: string): Readonly<Record<string, unknown>> {
  const expected = "three parts of base64url, with points between them: a JWT";
  if (token.length > maxLength || !/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token))
    throw invalid("it is not an identity token", expected, `${token.length} characters`);
  try {
    const claims = parseStrictJson(Buffer.from(token.split(".")[1] ?? "", "base64url"), "the token");
    if (isJsonObject(claims)) return claims;
  } catch {
    // Not as a cause: it may say what the token holds.
  }
  throw invalid("it is not an identity token", expected);
}

/** The text without the token, or anything else that looks like one: services repeat what they were sent. */
export function withoutTokens(text: string, ...secrets: readonly string[]): string {
  const parts = secrets.flatMap((secret) => [secret, ...secret.split(".")]).filter((part) => part.length >= 8);
  const longestFirst = parts.sort((a, b) => b.length - a.length);
  const named = longestFirst.reduce((rest, part) => rest.replaceAll(part, "[token]"), text);
  return named.replace(/\beyJ[\w-]{8,}(?:\.[\w-]*){0,2}/g, "[token]");
}

function shownTime(ms: number): string {
  return Math.abs(ms) < 8.64e15 ? new Date(ms).toISOString() : "no time";
}

function invalid(why: string, expected: string, found?: string): TrustError {
  return new TrustError("IDENTITY_TOKEN_INVALID", `the identity token cannot be used: ${why}`, { expected, found });
}
