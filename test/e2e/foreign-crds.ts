import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import type { Kubernetes } from "../support/kubernetes.ts";
import { requirePeer } from "../support/peers.ts";
import { expectDone } from "./expect-done.ts";

/** The peer that holds policy-controller's own custom resource definitions. */
export const foreignCrdsPeer = "policy-controller-crds";

/**
 * Brings policy-controller's own custom resource definitions and waits until they are served. `as-published`, one version
 * of ClusterImagePolicy is made of the other by policy-controller's webhook: where that does not run, v1beta1 cannot be
 * read or written as soon as there are objects, and v1alpha1, in which they are stored, can. With `no-conversion` both can.
 */
export async function applyForeignCrds(cluster: Kubernetes, how: "as-published" | "no-conversion"): Promise<void> {
  for (const file of ["300-clusterimagepolicy.yaml", "300-trustroot.yaml"]) {
    const published = parse(readFileSync(join(requirePeer(foreignCrdsPeer), file), "utf8"));
    const crd =
      how === "as-published"
        ? published
        : { ...published, spec: { ...published.spec, conversion: { strategy: "None" } } };
    await expectDone(cluster.kubectl(["apply", "-f", "-"], { input: JSON.stringify(crd) }));
  }
  await expectDone(cluster.kubectl(["wait", "--for=condition=Established", "--all", "crd", "--timeout=30s"]));
}
