import { isJsonObject, type JsonObject } from "../crypto/json.ts";
import { isForeign } from "./foreign/kinds.ts";
import type { TrustPolicy, Unusable } from "./policy.ts";
import { toScope } from "./rules.ts";
import { policyKinds } from "./schema.ts";

/** A policy object that does not load. */
export interface UnusableObject {
  readonly value: JsonObject;
  readonly name: string;
  readonly namespace: string | undefined;
  readonly unusable: Unusable;
}

/**
 * The policy that stands for an object that does not load: it refuses what the object speaks about, in the mode of the
 * object. What of that cannot be read is taken as wide as it can be: all images, every object, nothing excluded, enforced.
 * A policy of one namespace stays there.
 */
export async function salvagePolicy({ value, name, namespace, unusable }: UnusableObject): Promise<TrustPolicy> {
  const spec = isJsonObject(value["spec"]) ? value["spec"] : {};
  const scope = isForeign(value) ? await foreignScope(spec) : nativeScope(spec);
  return {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    ...scope,
    authorities: [],
    unusable: [unusable],
    threshold: 1,
    source: unusable.name,
  };
}

type Scope = Pick<TrustPolicy, "mode" | "images" | "exclude" | "match">;

const everything: Pick<TrustPolicy, "images"> = { images: [{ glob: "**" }] };
const { images, exclude, match, mode } = policyKinds.ClusterTrustPolicy.shape.spec.shape;

/**
 * Each field by itself: what is wrong with one says nothing about the others. But what is excluded counts as matched, so
 * that the default for other images is not applied to it: of images, objects or a mode that the policy may never have
 * spoken of, that would let some pass.
 */
function nativeScope(spec: JsonObject): Scope {
  const read = {
    images: images.safeParse(spec["images"]),
    exclude: exclude.safeParse(spec["exclude"]),
    match: match.safeParse(spec["match"]),
    mode: mode.safeParse(spec["mode"]),
  };
  const isKnown = read.images.success && read.match.success && read.mode.success;
  const scope = toScope({
    images: read.images.data ?? [{ glob: "**" }],
    exclude: isKnown ? (read.exclude.data ?? []) : [],
    match: read.match.data ?? [],
  });
  return { ...scope, mode: read.mode.data ?? "enforce" };
}

async function foreignScope(spec: JsonObject): Promise<Scope> {
  const { foreignKinds } = await import("./foreign/schema.ts");
  const { toForeignScope } = await import("./foreign/image-policy.ts");
  const { shape } = foreignKinds.ClusterImagePolicy.shape.spec;
  const names = shape.images.safeParse(spec["images"]).data;
  const objects = shape.match.safeParse(spec["match"]).data ?? [];
  const isWarning = shape.mode.safeParse(spec["mode"]).data === "warn";
  const scope = toForeignScope({ images: names ?? [{ glob: "**" }], match: objects });
  return { ...scope, ...(names === undefined ? everything : {}), mode: isWarning ? "warn" : "enforce" };
}
