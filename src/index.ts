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
export { type AllowAddress, createLocalAddressFilter } from "./oci/address.ts";
export { createHttpRegistry, type HttpRegistry, type HttpRegistryOptions } from "./oci/http-registry.ts";
export type { Registry } from "./oci/registry.ts";
export type { RequestEvent } from "./oci/transport.ts";
export { loadPolicies, type PolicyWatch, type PolicyWatchOptions, watchPolicies } from "./policy/load.ts";
export { createMarks, type HighWaterMarks } from "./policy/marks.ts";
export {
  checkPolicyObject,
  type PolicyObjectCheck,
  policyKindGroups,
  policyKindNames,
} from "./policy/object-problems.ts";
export type { ObjectContext, PolicySet } from "./policy/policy.ts";
export { defaultSettings, type VerifierSettings } from "./policy/settings.ts";
export {
  type Outcome,
  type PolicyResult,
  policyNameOf,
  type Status,
  type Verdict,
  verdictOf,
} from "./policy/verdict.ts";
export {
  errorLine,
  findingsByWeight,
  oneLine,
  shortLine,
  shortText,
  type ToldFinding,
} from "./policy/verdict-text.ts";
export { createVerifier, type Verifier, type VerifierOptions, type VerifyRequest } from "./verify.ts";
