/** The public API. Re-exports only. */
export type { Cluster, ClusterObject, Resource } from "./cluster/cluster.ts";
export { follow } from "./cluster/follow.ts";
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
export {
  loadPolicies,
  type OpenedRoots,
  type PolicyWatch,
  type PolicyWatchOptions,
  watchPolicies,
} from "./policy/load.ts";
export { createMarks, type HighWaterMarks } from "./policy/marks.ts";
export {
  checkPolicyObject,
  type PolicyObjectCheck,
  policyKindGroups,
  policyKindNames,
} from "./policy/object-problems.ts";
export type { ObjectContext, PolicySet } from "./policy/policy.ts";
export { mergeSets } from "./policy/policy-set.ts";
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
export {
  followPolicyObjects,
  type PolicyObjects,
  type PolicyObjectsOptions,
  type PolicyObjectsWatch,
} from "./policy-objects/follow.ts";
export type { AwaitedKind } from "./policy-objects/kind-lists.ts";
export { kindLabel, policyResources } from "./policy-objects/kinds.ts";
export { createStatusWriter, type StatedObject, type StatusWriter } from "./policy-objects/status.ts";
export { followStoredMarks } from "./policy-objects/stored-marks.ts";
export { trimming } from "./policy-objects/trimmed.ts";
export { createVerifier, type Verifier, type VerifierOptions, type VerifyRequest } from "./verify.ts";
