import { TrustError } from "../src/index.ts";
import { member, text } from "./json.ts";
import type { AdmissionRequest } from "./review.ts";
import { type ImageUse, imagesOf, type Workload, workloads } from "./workload.ts";

/** Why a request passes without any image being verified. */
export type PassReason = "deletion" | "connection" | "no-image" | "unchanged" | "mirror-pod";

/** What of a request has to be verified: nothing, or these images of this workload. */
export type Scope =
  | { readonly pass: PassReason }
  | {
      readonly pass?: never;
      readonly workload: Workload;
      readonly images: readonly ImageUse[];
      readonly labels: Readonly<Record<string, string>>;
    };

/** Through these the API server takes a status, a number or a node name, never an image, whatever the object says. */
const imageless: ReadonlySet<string> = new Set([
  ...["status", "scale", "binding", "eviction", "exec", "attach", "portforward", "proxy", "log"],
]);
const ephemeral = "ephemeralcontainers";

/**
 * What has to be verified. The steps:
 * 1. Deletions and connections name no image.
 * 2. Neither do some subresources of the known kinds; any other unknown kind or subresource is refused.
 * 3. A mirror Pod shows what a node runs already; only the node itself can make one.
 * 4. The images; of ephemeral containers only the new ones, since that subresource can change nothing else.
 * 5. An update passes when every image stays in its place, and namespace and labels too, so the same policies match.
 * Throws `OBJECT_UNSUPPORTED` and `REVIEW_INVALID`.
 */
export function scopeOf(request: AdmissionRequest): Scope {
  if (request.operation === "DELETE") return { pass: "deletion" }; // 1
  if (request.operation === "CONNECT") return { pass: "connection" };
  if (isImageless(request)) return { pass: "no-image" }; // 2
  const workload = workloadOf(request);
  const { object, oldObject } = request;
  if (object === undefined) throw new TrustError("REVIEW_INVALID", "the request has no object");
  if (isMirrorPod(request, workload)) return { pass: "mirror-pod" }; // 3
  const images = imagesOf(workload, object); // 4
  const labels = labelsOf(object);
  const kept =
    request.operation === "UPDATE" && oldObject !== undefined ? imagesBefore(workload, oldObject) : new Map();
  const changed = images.filter(({ path, image }) => kept.get(path) !== image);
  if (request.subResource === ephemeral) {
    const added = changed.filter(({ path }) => path.startsWith("/spec/ephemeralContainers/"));
    return added.length === 0 ? { pass: "unchanged" } : { workload, images: added, labels };
  }
  if (images.length === 0) return { pass: "no-image" };
  const unchanged = changed.length === 0 && kept.size === images.length && sameMatch(request, labels); // 5
  return unchanged ? { pass: "unchanged" } : { workload, images, labels };
}

function isImageless({ subResource, resource }: AdmissionRequest): boolean {
  if (resource === undefined || !imageless.has(subResource)) return false;
  return workloads.some((row) => row.group === resource.group && row.resource === resource.resource);
}

function workloadOf({ kind, resource, subResource }: AdmissionRequest): Workload {
  const row = workloads.find((candidate) => candidate.group === kind.group && candidate.kind === kind.kind);
  const sameResource = resource === undefined || (resource.group === row?.group && resource.resource === row.resource);
  if (row === undefined || kind.version !== "v1" || !sameResource) {
    const name = `${kind.group === "" ? "" : `${kind.group}/`}${kind.version} ${kind.kind}`.slice(0, 200);
    throw new TrustError("OBJECT_UNSUPPORTED", `${name} has no Pod template that is known here`, {
      expected: workloads.map((known) => known.kind).join(", "),
      found: name,
    });
  }
  const known = subResource === "" || (row.kind === "Pod" && (subResource === ephemeral || subResource === "resize"));
  if (known) return row;
  throw new TrustError(
    "OBJECT_UNSUPPORTED",
    `the subresource ${row.resource}/${subResource.slice(0, 100)} is not known`,
  );
}

/** Only a kubelet may say so: anybody can write the annotation. */
function isMirrorPod({ operation, object, subResource, user }: AdmissionRequest, workload: Workload): boolean {
  if (operation !== "CREATE" || workload.kind !== "Pod" || subResource !== "") return false;
  const annotation = text(object, "metadata", "annotations", "kubernetes.io/config.mirror");
  return annotation !== undefined && user.name.startsWith("system:node:") && user.groups.includes("system:nodes");
}

/** An old object that cannot be read has no images to compare with. */
function imagesBefore(workload: Workload, oldObject: NonNullable<AdmissionRequest["oldObject"]>): Map<string, string> {
  try {
    return new Map(imagesOf(workload, oldObject).map(({ path, image }) => [path, image]));
  } catch {
    return new Map();
  }
}

function sameMatch(
  { object, oldObject, namespace }: AdmissionRequest,
  labels: Readonly<Record<string, string>>,
): boolean {
  const before = labelsOf(oldObject);
  const keys = Object.keys(labels);
  return (
    (text(object, "metadata", "namespace") ?? namespace) === (text(oldObject, "metadata", "namespace") ?? namespace) &&
    keys.length === Object.keys(before).length &&
    keys.every((key) => Object.hasOwn(before, key) && before[key] === labels[key])
  );
}

/** Labels that are not strings are none that a selector could have matched; the API server sends none. */
function labelsOf(object: unknown): Readonly<Record<string, string>> {
  const labels = member(object, "metadata", "labels");
  if (typeof labels !== "object" || labels === null || Array.isArray(labels)) return {};
  return Object.fromEntries(Object.entries(labels).filter(([, value]) => typeof value === "string"));
}
