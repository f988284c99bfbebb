import { isJsonObject } from "../crypto/json.ts";
import { TrustError } from "../errors.ts";
import type { ClusterObject, ObjectMetadata, Resource } from "./cluster.ts";

/** `GROUP/VERSION`, or the version alone for the group "". */
export function apiVersionOf({ group, version }: Resource): string {
  return group === "" ? version : `${group}/${version}`;
}

/**
 * The path of a kind, of those in one namespace, or of one object. Throws `CONFIG_INVALID` for a name that could lead to
 * another path.
 */
export function pathOf(resource: Resource, namespace?: string, name?: string, subresource?: "status"): string {
  const { group, version, plural } = resource;
  const root = group === "" ? ["api", version] : ["apis", group, version];
  const scope = namespace === undefined ? [] : ["namespaces", namespace];
  const rest = [name, subresource].filter((part) => part !== undefined);
  return `/${[...root, ...scope, plural, ...rest].map(segment).join("/")}`;
}

/** Kubernetes refuses such names too. */
function segment(name: string): string {
  if (name.length > 0 && name.length <= 253 && name !== "." && name !== ".." && !/[/%\s\p{Cc}]/u.test(name))
    return encodeURIComponent(name);
  throw new TrustError("CONFIG_INVALID", "the cluster is asked for a name that no object can have", {
    expected: "a name of at most 253 characters, without / and %",
    found: JSON.stringify(name.slice(0, 80)),
  });
}

/** Whether a text can be the version of an object or a list. They are opaque, and are sent back as they came. */
export function isResourceVersion(value: unknown): value is string {
  return typeof value === "string" && /^[A-Za-z0-9._-]{1,128}$/.test(value) && value !== "0";
}

/**
 * An object with the shape that all objects of the kind have. `implied`: it may lack `apiVersion` and `kind`, as items of a
 * list do. `namespace`: where it must be. Gives what is wrong with it as a text.
 */
export function objectOf(
  value: unknown,
  resource: Resource,
  { implied = false, namespace }: { readonly implied?: boolean; readonly namespace?: string | undefined },
): ClusterObject | string {
  if (!isJsonObject(value)) return "no object";
  const apiVersion = value["apiVersion"] ?? (implied ? apiVersionOf(resource) : undefined);
  const kind = value["kind"] ?? (implied ? resource.kind : undefined);
  if (apiVersion !== apiVersionOf(resource) || kind !== resource.kind) return "an object of another kind";
  const metadata = value["metadata"];
  if (!isMetadata(metadata)) return "an object without name, uid and resourceVersion";
  // Those of all namespaces are told apart by it.
  if ((metadata.namespace === undefined) === resource.namespaced) return "an object of another scope";
  if (namespace !== undefined && metadata.namespace !== namespace) return "an object of another namespace";
  // Who wrote which field takes as much room as the fields.
  const { managedFields: _, ...kept } = metadata;
  return {
    ...value,
    apiVersion,
    kind,
    metadata: { ...kept, name: metadata.name, uid: metadata.uid, resourceVersion: metadata.resourceVersion },
  };
}

function isMetadata(value: unknown): value is ObjectMetadata {
  if (!isJsonObject(value)) return false;
  const { name, namespace, uid, resourceVersion, generation } = value;
  return (
    isText(name) &&
    isText(uid) &&
    isResourceVersion(resourceVersion) &&
    (namespace === undefined || isText(namespace)) &&
    (generation === undefined || typeof generation === "number")
  );
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}
