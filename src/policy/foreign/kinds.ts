/** Versions of policy-controller's API whose objects are read. */
export const foreignVersions: readonly string[] = ["policy.sigstore.dev/v1beta1", "policy.sigstore.dev/v1alpha1"];

const group = /^policy\.sigstore\.dev\//;

/** Whether a document is of policy-controller's language; `readForeign` says whether it can be read. */
export function isForeign(value: unknown): boolean {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const apiVersion: unknown = Reflect.get(value, "apiVersion");
  return typeof apiVersion === "string" && group.test(apiVersion);
}
