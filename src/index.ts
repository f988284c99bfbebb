/** The public API. Re-exports only. */
export type { Digest } from "./crypto/digest.ts";
export {
  asTrustError,
  type ErrorCategory,
  type ErrorCode,
  errorCodes,
  type Finding,
  TrustError,
  toFinding,
} from "./errors.ts";
export { readSmallFile, writeNewFiles } from "./keys/files.ts";
export type { ObjectContext, PolicySet } from "./policy/policy.ts";
export { defaultSettings, type VerifierSettings } from "./policy/settings.ts";
export { type Outcome, type PolicyResult, type Status, type Verdict, verdictOf } from "./policy/verdict.ts";
export type { Verifier, VerifyRequest } from "./verify.ts";
