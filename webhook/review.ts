import { TrustError } from "../src/index.ts";
import { isObject, type JsonObject, member, text } from "./json.ts";

export type Operation = "CREATE" | "UPDATE" | "DELETE" | "CONNECT";
const operations: ReadonlySet<string> = new Set<Operation>(["CREATE", "UPDATE", "DELETE", "CONNECT"]);

/** What is read of an admission.k8s.io/v1 AdmissionRequest. */
export interface AdmissionRequest {
  readonly uid: string;
  readonly operation: Operation;
  readonly kind: { readonly group: string; readonly version: string; readonly kind: string };
  /** Group and plural; undefined where the sender left it out. */
  readonly resource: { readonly group: string; readonly resource: string } | undefined;
  /** Empty for the object itself. */
  readonly subResource: string;
  readonly namespace: string | undefined;
  readonly name: string;
  readonly user: { readonly name: string; readonly groups: readonly string[] };
  readonly dryRun: boolean;
  readonly object: JsonObject | undefined;
  readonly oldObject: JsonObject | undefined;
}

/** What an answer must repeat, whatever became of the request. */
export interface Envelope {
  readonly apiVersion: string;
  /** Empty where the request has none that can be read. */
  readonly uid: string;
}

/** A `response` of admission.k8s.io/v1, without the uid. */
export interface AdmissionResponse {
  readonly allowed: boolean;
  readonly status?: { readonly code: number; readonly reason: string; readonly message: string };
  readonly warnings?: readonly string[];
  readonly auditAnnotations?: Readonly<Record<string, string>>;
  readonly patchType?: "JSONPatch";
  /** Base64. */
  readonly patch?: string;
}

const v1 = "admission.k8s.io/v1";
const v1beta1 = "admission.k8s.io/v1beta1";
const maxUid = 256;

/** The envelope of an answer to something that could not be read at all. */
export const unknownEnvelope: Envelope = { apiVersion: v1, uid: "" };

/** The envelope for a body, read as far as it can be; never throws. An old API server is answered in its own version. */
export function envelopeOf(body: unknown): Envelope {
  const uid = text(body, "request", "uid") ?? "";
  const apiVersion = text(body, "apiVersion") === v1beta1 ? v1beta1 : v1;
  return { apiVersion, uid: uid.length > maxUid ? "" : uid };
}

/** Reads an AdmissionReview. Throws `REVIEW_INVALID`, saying which field is wrong. */
export function parseReview(body: unknown): AdmissionRequest {
  expect(isObject(body), "the body", "an object", body);
  const kind = `${text(body, "apiVersion")} ${text(body, "kind")}`;
  expect(kind === `${v1} AdmissionReview`, "apiVersion and kind", `${v1} AdmissionReview`, kind);
  const request = member(body, "request");
  expect(isObject(request), "request", "an object", request);
  const operation = stringIn(request, "operation");
  expect(isOperation(operation), "request.operation", [...operations].join(", "), operation);
  const uid = stringIn(request, "uid");
  expect(uid !== "" && uid.length <= maxUid, "request.uid", `1 to ${maxUid} characters`, `${uid.length}`);
  return {
    uid,
    operation,
    kind: kindOf(request),
    resource: resourceOf(request),
    subResource: optionalString(request, "subResource") ?? "",
    namespace: optionalString(request, "namespace"),
    name: optionalString(request, "name") ?? "",
    user: userOf(request),
    dryRun: member(request, "dryRun") === true,
    object: optionalObject(request, "object"),
    oldObject: optionalObject(request, "oldObject"),
  };
}

/** The AdmissionReview to answer with. */
export function reply(envelope: Envelope, response: AdmissionResponse): object {
  return {
    apiVersion: envelope.apiVersion,
    kind: "AdmissionReview",
    response: { uid: envelope.uid, ...response },
  };
}

/** The core group has no name, and some senders leave it out. */
function kindOf(request: JsonObject): AdmissionRequest["kind"] {
  return {
    group: text(request, "kind", "group") ?? "",
    version: stringIn(request, "kind", "version"),
    kind: stringIn(request, "kind", "kind"),
  };
}

function resourceOf(request: JsonObject): AdmissionRequest["resource"] {
  if (optionalObject(request, "resource") === undefined) return undefined;
  return { group: text(request, "resource", "group") ?? "", resource: stringIn(request, "resource", "resource") };
}

function userOf(request: JsonObject): AdmissionRequest["user"] {
  const groups = member(request, "userInfo", "groups");
  return {
    name: text(request, "userInfo", "username") ?? "",
    groups: Array.isArray(groups) ? groups.filter((group) => typeof group === "string") : [],
  };
}

function stringIn(request: JsonObject, ...path: readonly string[]): string {
  const value = member(request, ...path);
  expect(typeof value === "string", `request.${path.join(".")}`, "a string", value);
  return value;
}

function optionalString(request: JsonObject, key: string): string | undefined {
  const value = member(request, key) ?? undefined;
  expect(value === undefined || typeof value === "string", `request.${key}`, "a string", value);
  return value;
}

function optionalObject(request: JsonObject, key: string): JsonObject | undefined {
  const value = member(request, key) ?? undefined;
  expect(value === undefined || isObject(value), `request.${key}`, "an object", value);
  return value;
}

function isOperation(operation: string): operation is Operation {
  return operations.has(operation);
}

function expect(holds: boolean, what: string, expected: string, found: unknown): asserts holds {
  if (holds) return;
  throw new TrustError("REVIEW_INVALID", `not a readable AdmissionReview: ${what} is not as expected`, {
    expected: `${what}: ${expected}`,
    found: found === undefined ? "nothing" : typeof found === "string" ? found.slice(0, 100) : typeof found,
  });
}
