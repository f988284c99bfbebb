import { TrustError } from "../src/index.ts";
import { isObject, type JsonObject, member } from "./json.ts";

/** A kind that has a Pod specification, and where. To admit another kind, add a row to {@link workloads}. */
export interface Workload {
  readonly group: string;
  readonly kind: string;
  /** Plural, as policies name it. */
  readonly resource: string;
  readonly podSpec: readonly string[];
}

const template = ["spec", "template", "spec"];

/** Version v1 of each: the API server converts to the version that the webhook is registered for. */
export const workloads: readonly Workload[] = [
  { group: "", kind: "Pod", resource: "pods", podSpec: ["spec"] },
  { group: "", kind: "ReplicationController", resource: "replicationcontrollers", podSpec: template },
  { group: "", kind: "PodTemplate", resource: "podtemplates", podSpec: ["template", "spec"] },
  { group: "apps", kind: "Deployment", resource: "deployments", podSpec: template },
  { group: "apps", kind: "ReplicaSet", resource: "replicasets", podSpec: template },
  { group: "apps", kind: "StatefulSet", resource: "statefulsets", podSpec: template },
  { group: "apps", kind: "DaemonSet", resource: "daemonsets", podSpec: template },
  { group: "batch", kind: "Job", resource: "jobs", podSpec: template },
  { group: "batch", kind: "CronJob", resource: "cronjobs", podSpec: ["spec", "jobTemplate", ...template] },
];

/** One place of an object that names an image; `path` is a JSON pointer (RFC 6901). */
export interface ImageUse {
  readonly path: string;
  readonly image: string;
}

/** Whether the object runs nothing itself but has Pods made from its template. */
export function isTemplate(workload: Workload): boolean {
  return workload.podSpec.length > 1;
}

const containerLists = ["initContainers", "containers", "ephemeralContainers"];
/** An object of 3 MiB has room for more, a Pod that runs has not. */
const maxImages = 5000;
const maxImageLength = 4096;

/**
 * Every place of the object that names an image to pull: containers of all sorts and image volumes. A template that is
 * not there names none. Throws `OBJECT_UNSUPPORTED` where the shape is not that of a Pod specification.
 */
export function imagesOf(workload: Workload, object: JsonObject): readonly ImageUse[] {
  const pointer = `/${workload.podSpec.join("/")}`;
  const spec = podSpecOf(workload, object);
  if (spec === undefined && isTemplate(workload)) return [];
  if (!isObject(spec)) throw unsupported(`${pointer} is not an object`, "a Pod specification", spec);
  const images = [
    ...containerLists.flatMap((list) => imagesOfContainers(spec, pointer, list)),
    ...imagesOfVolumes(spec, pointer),
  ];
  if (images.length === 0) throw unsupported(`${pointer} names no image`, "at least one container", undefined);
  if (images.length > maxImages)
    throw unsupported(`${pointer} names too many images`, `at most ${maxImages}`, images.length);
  return images;
}

/** Undefined where it, or something above it, is not there; what is there and no object hides nothing. */
function podSpecOf(workload: Workload, object: JsonObject): unknown {
  let at: unknown = object;
  for (const [depth, key] of workload.podSpec.entries()) {
    if (!isObject(at))
      throw unsupported(`/${workload.podSpec.slice(0, depth).join("/")} is not an object`, "an object", at);
    at = member(at, key) ?? undefined;
    if (at === undefined) return undefined;
  }
  return at;
}

function imagesOfContainers(spec: JsonObject, pointer: string, list: string): readonly ImageUse[] {
  return listOf(spec, pointer, list).map((container, index) => {
    const path = `${pointer}/${list}/${index}/image`;
    return { path, image: imageAt(path, member(container, "image")) };
  });
}

function imagesOfVolumes(spec: JsonObject, pointer: string): readonly ImageUse[] {
  return listOf(spec, pointer, "volumes").flatMap((volume, index) => {
    const source = member(volume, "image") ?? undefined;
    if (source === undefined) return [];
    const path = `${pointer}/volumes/${index}/image/reference`;
    if (!isObject(source)) throw unsupported(`${path} cannot be read`, "an image volume source", source);
    const reference = member(source, "reference") ?? "";
    // A template may leave it to be filled in later; nothing is pulled then.
    return reference === "" ? [] : [{ path, image: imageAt(path, reference) }];
  });
}

function listOf(spec: JsonObject, pointer: string, key: string): readonly JsonObject[] {
  const list = member(spec, key) ?? [];
  if (!Array.isArray(list)) throw unsupported(`${pointer}/${key} is not a list`, "a list", list);
  return list.map((item: unknown, index) => {
    if (!isObject(item)) throw unsupported(`${pointer}/${key}/${index} is not an object`, "an object", item);
    return item;
  });
}

function imageAt(path: string, image: unknown): string {
  if (typeof image !== "string" || image === "") throw unsupported(`${path} is not an image`, "an image name", image);
  if (image.length > maxImageLength)
    throw unsupported(`${path} is too long`, `at most ${maxImageLength} characters`, image.length);
  return image;
}

function unsupported(message: string, expected: string, found: unknown): TrustError {
  const shown = found === undefined ? "nothing" : typeof found === "number" ? `${found}` : typeof found;
  return new TrustError("OBJECT_UNSUPPORTED", message, {
    expected,
    found: found === "" ? "an empty string" : shown,
    hint: "Correct the object: every container needs an image, in the shape the Kubernetes API reference gives",
  });
}
