import { asTrustError, type ObjectContext, type TrustError, type Verdict, type Verifier } from "../src/index.ts";
import { type AdmissionSettings, decide, type Route } from "./decide.ts";
import { errorMessage } from "./explain.ts";
import { parseJson } from "./json.ts";
import {
  type AdmissionRequest,
  type AdmissionResponse,
  type Envelope,
  envelopeOf,
  parseReview,
  unknownEnvelope,
} from "./review.ts";
import { type PassReason, type Scope, scopeOf } from "./scope.ts";
import { verifyImages } from "./verify-images.ts";
import { isTemplate } from "./workload.ts";

/** What is kept of a request while its images are verified: not the object, which may be large. */
export interface Prepared {
  readonly envelope: Envelope;
  /** Undefined where the review could not be read. */
  readonly request?: Omit<AdmissionRequest, "object" | "oldObject">;
  readonly scope: Scope | { readonly error: TrustError };
}

/** How a review ended: `pass` needed no check, `refused` could not be checked at all. */
export type ReviewOutcome = "allow" | "warn" | "deny" | "pass" | "refused";

export interface Answer {
  readonly outcome: ReviewOutcome;
  readonly response: AdmissionResponse;
  readonly verdicts: readonly Verdict[];
  readonly reason?: PassReason;
  readonly error?: TrustError;
}

export interface AnswerDeps {
  readonly verifier: Verifier;
  readonly settings: AdmissionSettings;
  /** Absent: nothing is known of namespaces but their names. */
  readonly namespaceLabels?: NamespaceLabels | undefined;
}

/** The labels of a namespace; undefined where they cannot be had within that many milliseconds. Never throws. */
export type NamespaceLabels = (
  namespace: string,
  budget: number,
) => Promise<Readonly<Record<string, string>> | undefined>;

/** Reads a body as far as it can be read and says what of it has to be verified; never throws. */
export function prepare(bytes: Buffer): Prepared {
  let envelope = unknownEnvelope;
  let request: AdmissionRequest | undefined;
  try {
    const body = parseJson(bytes);
    envelope = envelopeOf(body);
    request = parseReview(body);
    return { envelope, request: withoutObjects(request), scope: scopeOf(request) };
  } catch (error) {
    const scope = { error: asTrustError(error) };
    return request === undefined ? { envelope, scope } : { envelope, scope, request: withoutObjects(request) };
  }
}

/** A body that could not even be read. */
export function unreadable(error: unknown): Prepared {
  return { envelope: unknownEnvelope, scope: { error: asTrustError(error) } };
}

/** Answers a prepared review within `budget` milliseconds. Nothing but a bug makes it throw. */
export async function answer(deps: AnswerDeps, route: Route, prepared: Prepared, budget: number): Promise<Answer> {
  const { scope, request } = prepared;
  if ("error" in scope) return refusal(scope.error);
  if (scope.pass !== undefined) return pass(scope.pass);
  const started = performance.now();
  const namespace = request?.namespace === "" ? undefined : request?.namespace;
  // Who does not know them has still to find and check signatures.
  const namespaceLabels = namespace === undefined ? undefined : await deps.namespaceLabels?.(namespace, budget / 2);
  const object: ObjectContext = {
    apiGroup: scope.workload.group,
    resource: scope.workload.resource,
    namespace,
    ...(namespaceLabels === undefined ? {} : { namespaceLabels }),
    labels: scope.labels,
    name: request?.name === "" ? undefined : request?.name,
    kind: request?.kind.kind,
  };
  const images = scope.images.map(({ image }) => image);
  const left = budget - (performance.now() - started);
  const verdicts = await verifyImages({ verifier: deps.verifier, images, object, budget: left });
  return decide({
    route,
    images: scope.images,
    isTemplate: isTemplate(scope.workload),
    verdicts,
    settings: deps.settings,
  });
}

const refusals = {
  untrusted: { code: 403, reason: "Forbidden" },
  unavailable: { code: 503, reason: "ServiceUnavailable" },
  internal: { code: 500, reason: "InternalError" },
} as const;

/** The answer where there is nothing to weigh: what was sent cannot be judged, so it is not allowed. */
export function refusal(error: TrustError): Answer {
  const { category } = error;
  const known = category === "untrusted" || category === "unavailable" ? refusals[category] : refusals.internal;
  const kind = error.code === "REVIEW_INVALID" ? { code: 400, reason: "BadRequest" } : known;
  return {
    outcome: "refused",
    response: { allowed: false, status: { ...kind, message: errorMessage(error) } },
    verdicts: [],
    error,
  };
}

function pass(reason: PassReason): Answer {
  const response = { allowed: true, auditAnnotations: { unchecked: reason } };
  const warnings = ["the images of a mirror Pod are not checked: the node runs them already"];
  const flagged = reason === "mirror-pod" ? { ...response, warnings } : response;
  return { outcome: "pass", response: flagged, verdicts: [], reason };
}

function withoutObjects(request: AdmissionRequest): Omit<AdmissionRequest, "object" | "oldObject"> {
  const { object: _object, oldObject: _oldObject, ...rest } = request;
  return rest;
}
