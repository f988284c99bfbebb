import { type ErrorCode, TrustError, toFinding, type Verdict, type VerifierSettings, verdictOf } from "../src/index.ts";
import { denialMessage, evidenceAnnotation, warningsOf } from "./explain.ts";
import type { AdmissionResponse } from "./review.ts";
import type { ImageUse } from "./workload.ts";

export type Route = "validate" | "mutate";
/** Where reviews arrive: of workloads, and of policies. */
export type Endpoint = Route | "validate-policy";
export type AdmissionSettings = Pick<VerifierSettings, "digest" | "pin" | "unpinned">;

/** What a decision is made of. `verdicts` goes by the image name as it stands in the object. */
export interface Question {
  readonly route: Route;
  readonly images: readonly ImageUse[];
  readonly isTemplate: boolean;
  readonly verdicts: ReadonlyMap<string, Verdict>;
  readonly settings: AdmissionSettings;
}

export interface Decision {
  readonly outcome: "allow" | "warn" | "deny";
  readonly response: AdmissionResponse;
  /** The verdict of each distinct image name, with what pinning has to say about it. */
  readonly verdicts: readonly Verdict[];
}

/**
 * Decides a review. Pure. The steps:
 * 1. A name without a verdict is refused, and one whose verdict is about another digest than it says.
 * 2. A name that is still a tag, while its verdict speaks of a digest, is pinned by `/mutate`; otherwise it is refused
 *    or passes with a warning, as the settings say.
 * 3. Any denial refuses the object, with one line for each image.
 * 4. `/mutate` writes the verified digest behind the name, in every place that has it.
 * Warnings, and the evidence for the audit log, go with every answer.
 */
export function decide(question: Question): Decision {
  const names = [...new Set(question.images.map(({ image }) => image))];
  const verdicts = names.map((image) => settle(question, image)); // 1, 2
  const denied = verdicts.filter((verdict) => verdict.outcome === "deny");
  const warnings = warningsOf(verdicts);
  const common = {
    ...(warnings.length === 0 ? {} : { warnings }),
    auditAnnotations: { verdicts: evidenceAnnotation(verdicts) },
  };
  if (denied.length > 0) {
    const status = { ...refusalOf(denied), message: denialMessage(denied) };
    return { outcome: "deny", verdicts, response: { allowed: false, status, ...common } }; // 3
  }
  const outcome = warnings.length === 0 ? "allow" : "warn";
  return { outcome, verdicts, response: { allowed: true, ...common, ...patchOf(question) } }; // 4
}

/** Where nothing is known against any image, the client hears that the service has no answer, not that it may not. */
function refusalOf(denied: readonly Verdict[]) {
  const isOutage = denied.every(({ status }) => status === "unavailable");
  return isOutage ? { code: 503, reason: "ServiceUnavailable" } : { code: 403, reason: "Forbidden" };
}

function settle(question: Question, image: string): Verdict {
  const verdict = question.verdicts.get(image) ?? unverified(image);
  if (verdict.outcome === "deny") return verdict;
  if (!isTag(image)) {
    // A verdict without a digest rests on none: no policy spoke, or an exemption.
    if (verdict.digest === undefined || image.endsWith(`@${verdict.digest}`)) return verdict;
    return deny(verdict, "DIGEST_MISMATCH", "another digest was verified than the name says", image, verdict.digest);
  }
  return mustPin(question, verdict) ? settleTag(question, verdict, image) : verdict;
}

function settleTag({ route, settings }: Question, verdict: Verdict, image: string): Verdict {
  if (settings.digest === "pin" && route === "mutate") return verdict;
  const expected = `${image}@${verdict.digest}`;
  const denied = deny(verdict, "IMAGE_UNPINNED", "the name is a tag, which may move", expected, image);
  if (settings.digest === "pin" || settings.unpinned === "deny") return denied;
  const unsafe = "a tag was admitted as it is (unpinned: allow); it may move to what nobody verified";
  return { ...denied, outcome: "warn", status: verdict.status, unsafe: [...verdict.unsafe, unsafe] };
}

/** A decision that enforces and rests on a digest holds for that digest only, not for what the tag becomes. */
function mustPin({ settings, isTemplate }: Question, verdict: Verdict): boolean {
  if (isTemplate && settings.pin === "pods") return false;
  // A policy that excludes the image passes it by its name, satisfied by nobody.
  const rests = verdict.policies.some(
    (policy) =>
      policy.mode === "enforce" &&
      (policy.satisfiedBy.length > 0 || policy.exception !== undefined || policy.static !== undefined),
  );
  return verdict.digest !== undefined && rests;
}

function patchOf(question: Question): Pick<AdmissionResponse, "patch" | "patchType"> {
  if (question.route !== "mutate" || question.settings.digest !== "pin") return {};
  const operations = question.images.flatMap(({ path, image }) => {
    const verdict = question.verdicts.get(image);
    if (verdict === undefined || !isTag(image) || !mustPin(question, verdict)) return [];
    return [{ op: "replace", path, value: `${image}@${verdict.digest}` }];
  });
  if (operations.length === 0) return {};
  return { patchType: "JSONPatch", patch: Buffer.from(JSON.stringify(operations)).toString("base64") };
}

function isTag(image: string): boolean {
  return !image.includes("@");
}

function deny(verdict: Verdict, code: ErrorCode, message: string, expected: string, found: string): Verdict {
  const finding = toFinding(new TrustError(code, message, { expected, found }));
  return { ...verdict, outcome: "deny", status: "untrusted", findings: [finding, ...verdict.findings] };
}

function unverified(image: string): Verdict {
  const failure = toFinding(new TrustError("INTERNAL", "the image was not verified"));
  return verdictOf({ image, decidedAt: 0, policies: [], failure });
}
