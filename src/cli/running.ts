import { member, text } from "../../webhook/json.ts";
import { imagesOf, type Workload } from "../../webhook/workload.ts";
import type { JsonObject } from "../crypto/json.ts";
import { parseReference } from "../oci/reference.ts";
import type { DiffSubject, SubjectGroup } from "../policy-tools/diff.ts";
import { labelsOf } from "./namespace-labels.ts";

/** An object of a cluster, as far as what runs is concerned. */
export interface RunningObject {
  readonly uid: string;
  /** The object that made it and looks after it. */
  readonly controller: Controller | undefined;
  readonly workload: Workload;
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Each once; none of an object that runs nothing any more. */
  readonly images: readonly string[];
}

/** An object as another one names it. */
interface Controller {
  readonly uid: string;
  readonly kind: string;
  readonly name: string;
}

/**
 * Reads an object of that kind. One that is over names no image: a Pod or Job that has ended, and a ReplicaSet of no replicas
 * that its controller keeps for a way back. Throws `OBJECT_UNSUPPORTED`.
 */
export function readRunning(workload: Workload, object: JsonObject): RunningObject {
  const controller = controllerOf(object);
  return {
    uid: text(object, "metadata", "uid") ?? "",
    controller,
    workload,
    namespace: text(object, "metadata", "namespace") ?? "",
    name: text(object, "metadata", "name") ?? "",
    labels: labelsOf(object),
    images: isOver(workload, object, controller)
      ? []
      : [...new Set(imagesOf(workload, object).map(({ image }) => image))],
  };
}

/** Of a Pod that a node runs by itself, that node is none: nobody mends it there. */
function controllerOf(object: JsonObject): Controller | undefined {
  const owners = member(object, "metadata", "ownerReferences");
  const found = Array.isArray(owners) ? owners.find((owner) => member(owner, "controller") === true) : undefined;
  const [uid, kind, name] = [text(found, "uid"), text(found, "kind") ?? "", text(found, "name") ?? ""];
  return uid === undefined || kind === "Node" ? undefined : { uid, kind, name };
}

function isOver({ kind }: Workload, object: JsonObject, controller: Controller | undefined): boolean {
  if (kind === "Pod") return ["Succeeded", "Failed"].includes(text(object, "status", "phase") ?? "");
  if (kind === "ReplicaSet" || kind === "ReplicationController")
    return controller !== undefined && member(object, "spec", "replicas") === 0;
  if (kind !== "Job") return false;
  const conditions = member(object, "status", "conditions");
  const isEnd = (condition: unknown) =>
    ["Complete", "Failed"].includes(text(condition, "type") ?? "") && text(condition, "status") === "True";
  return Array.isArray(conditions) && conditions.some(isEnd);
}

/**
 * What is to be judged of a cluster: every image of every object that is not over, as admission would judge the object. Objects
 * are grouped under their topmost controller, whatever kind that is of. Those of one controller that differ in nothing but their
 * names, as the Pods of a ReplicaSet do, are one question.
 */
export function subjectsOf(
  objects: readonly RunningObject[],
  namespaceLabels?: ReadonlyMap<string, Readonly<Record<string, string>>>,
): readonly DiffSubject[] {
  const byUid = new Map(objects.map((object) => [object.uid, object]));
  const questions = new Map<string, DiffSubject & { readonly group: SubjectGroup }>();
  for (const object of objects.toSorted(inOrder)) {
    if (object.images.length === 0) continue;
    const { known, top, depth } = controllersOf(object, byUid);
    const context = contextOf(object, namespaceLabels?.get(object.namespace));
    for (const image of object.images) {
      const group = { of: top, image: nameAbove(image, known), depth };
      const who = depth === 0 ? object.uid : group;
      const key = JSON.stringify([who, image, { ...context, name: "" }]);
      const before = questions.get(key);
      const objects = (before?.group.objects ?? 0) + 1;
      questions.set(key, { image, usedBy: labelOf(object), object: context, ...before, group: { ...group, objects } });
    }
  }
  return [...questions.values()];
}

/** The controllers of an object that are objects themselves, nearest first; what the topmost of all is called, and how many they are. */
function controllersOf(object: RunningObject, byUid: ReadonlyMap<string, RunningObject>) {
  // An object can claim any controller, itself too.
  const known = new Set<RunningObject>([object]);
  let at = object;
  for (let { controller } = object; controller !== undefined; controller = at.controller) {
    const next = byUid.get(controller.uid);
    if (next === undefined)
      return {
        known: [...known].slice(1),
        top: `${controller.kind} ${at.namespace}/${controller.name}`,
        depth: known.size,
      };
    if (known.has(next)) break;
    known.add(next);
    at = next;
  }
  return { known: [...known].slice(1), top: labelOf(at), depth: known.size - 1 };
}

function contextOf(
  { workload, namespace, name, labels }: RunningObject,
  namespaceLabels: Readonly<Record<string, string>> | undefined,
): NonNullable<DiffSubject["object"]> {
  const { group: apiGroup, resource, kind } = workload;
  const context = { apiGroup, resource, kind, namespace, name, labels };
  return namespaceLabels === undefined ? context : { ...context, namespaceLabels };
}

/** The image as the controllers name it; what none of them names, such as a container put in by admission, is as it is. */
function nameAbove(image: string, controllers: readonly RunningObject[]): string {
  return controllers.reduce(
    (name, { images }) => (images.includes(name) ? name : (unpinned(name, images) ?? name)),
    image,
  );
}

/** The one of the images whose pinned form this is: the same repository and tag, and a digest in place of none. */
function unpinned(image: string, images: readonly string[]): string | undefined {
  const pinned = parsed(image);
  if (pinned?.digest === undefined) return undefined;
  const candidates = images.filter((candidate) => {
    const named = parsed(candidate);
    if (named === undefined || named.digest !== undefined) return false;
    const isSameTag = pinned.tag === undefined || pinned.tag === named.tag;
    return named.registry === pinned.registry && named.repository === pinned.repository && isSameTag;
  });
  return candidates.length === 1 ? candidates[0] : undefined;
}

function parsed(image: string): ReturnType<typeof parseReference> | undefined {
  try {
    return parseReference(image);
  } catch {
    return undefined;
  }
}

function labelOf({ workload, namespace, name }: RunningObject): string {
  return `${workload.kind} ${namespace}/${name}`;
}

function inOrder(a: RunningObject, b: RunningObject): number {
  const [first, second] = [a, b].map(({ namespace, workload, name }) => `${namespace}\n${workload.kind}\n${name}`);
  if (first === second) return 0;
  return (first ?? "") < (second ?? "") ? -1 : 1;
}
