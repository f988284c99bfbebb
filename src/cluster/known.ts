import { TrustError } from "../errors.ts";
import type { ClusterObject, ObjectList, WatchEvent } from "./cluster.ts";

/** The objects that are known, and whether that was told. */
export interface Known {
  readonly size: number;
  /** What there is, says a list. */
  replace(list: ObjectList): void;
  /**
   * What changed after `version`; gives the version after it. To be told by the next `flush`. Throws
   * `CLUSTER_ANSWER_INVALID` for a version before that.
   */
  apply(event: WatchEvent, version: string, server: string): string;
  /** Tells what changed, if anything did. */
  flush(): void;
}

/** `tell` is called after the first list, and then only when something differs. It keeps what it gets. */
export function createKnown(tell: (objects: ReadonlyMap<string, ClusterObject>) => void): Known {
  let objects: Map<string, ClusterObject> | undefined;
  let changed = false;
  const flush = () => {
    if (!changed || objects === undefined) return;
    changed = false;
    tell(new Map(objects));
  };
  return {
    get size() {
      return objects?.size ?? 0;
    },
    replace({ items }) {
      const listed = new Map(items.map((item) => [keyOf(item), item]));
      changed ||= objects === undefined || differ(objects, listed);
      objects = listed;
      flush();
    },
    apply(event, version, server) {
      const next = event.type === "bookmark" ? event.resourceVersion : event.object.metadata.resourceVersion;
      if (isBefore(next, version))
        throw new TrustError("CLUSTER_ANSWER_INVALID", `${server} tells of changes out of their order`, {
          expected: `a version after ${version}`,
          found: next,
        });
      if (event.type !== "bookmark" && objects !== undefined && changes(objects, event.type, event.object))
        changed = true;
      return next;
    },
    flush,
  };
}

/** The key of an object among those of its kind: `NAMESPACE/NAME`, or `NAME`. */
export function keyOf({ metadata: { namespace, name } }: ClusterObject): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}

function changes(
  objects: Map<string, ClusterObject>,
  type: "added" | "modified" | "deleted",
  object: ClusterObject,
): boolean {
  const key = keyOf(object);
  if (type === "deleted") return objects.delete(key);
  const isNew = !isSame(objects.get(key), object);
  objects.set(key, object);
  return isNew;
}

function differ(before: ReadonlyMap<string, ClusterObject>, after: ReadonlyMap<string, ClusterObject>): boolean {
  return before.size !== after.size || [...after].some(([key, object]) => !isSame(before.get(key), object));
}

/** The same version of the same object; of which as much was kept, since of large ones it may be more or less at another time. */
function isSame(before: ClusterObject | undefined, { metadata, spec }: ClusterObject): boolean {
  return (
    before?.metadata.uid === metadata.uid &&
    before.metadata.resourceVersion === metadata.resourceVersion &&
    typeof before["spec"] === typeof spec
  );
}

/** Versions are opaque, but those of an API server are numbers that grow. */
function isBefore(version: string, other: string): boolean {
  return /^\d+$/.test(version) && /^\d+$/.test(other) && BigInt(version) < BigInt(other);
}
