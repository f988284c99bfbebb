import type { Resource } from "../cluster/cluster.ts";

const native = { group: "imagetrust.dev", version: "v1alpha1" } as const;
const foreign = { group: "policy.sigstore.dev" } as const;

/** The kinds of policy objects that a cluster may hold: our own, and policy-controller's. */
export const policyResources: readonly Resource[] = [
  { ...native, plural: "clustertrustpolicies", kind: "ClusterTrustPolicy", namespaced: false },
  { ...native, plural: "trustpolicies", kind: "TrustPolicy", namespaced: true },
  { ...native, plural: "trustroots", kind: "TrustRoot", namespaced: false },
  { ...native, plural: "trustexceptions", kind: "TrustException", namespaced: false },
  { ...foreign, version: "v1alpha1", plural: "clusterimagepolicies", kind: "ClusterImagePolicy", namespaced: false },
  { ...foreign, version: "v1alpha1", plural: "trustroots", kind: "TrustRoot", namespaced: false },
];

/** Where keys of policies may be. */
export const secretResource: Resource = {
  group: "",
  version: "v1",
  plural: "secrets",
  kind: "Secret",
  namespaced: true,
};

/** Whether objects of a kind are policy-controller's, which has a controller of its own. */
export function isForeignResource({ group }: Resource): boolean {
  return group === foreign.group;
}

/** How a kind is told in metrics and logs: with its group where another group has a kind of that name. */
export function kindLabel({ group, kind }: Pick<Resource, "group" | "kind">): string {
  return group === foreign.group && kind === "TrustRoot" ? `${kind}.${group}` : kind;
}

/**
 * The versions of a kind to ask for, best first. policy-controller stores v1alpha1 and makes v1beta1 of it in a webhook of its own:
 * where that is gone, a list of v1beta1 fails, and a watch tells nothing.
 */
export function versionsOf(resource: Resource): readonly Resource[] {
  const isImagePolicy = resource.group === foreign.group && resource.plural === "clusterimagepolicies";
  return isImagePolicy ? [resource, { ...resource, version: "v1beta1" }] : [resource];
}
