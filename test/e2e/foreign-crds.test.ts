import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Kubernetes, kubernetesPeers, startKubernetes } from "../support/kubernetes.ts";
import { describePeers } from "../support/peers.ts";
import { expectDone } from "./expect-done.ts";
import { applyForeignCrds, foreignCrdsPeer } from "./foreign-crds.ts";
import type { Manifest } from "./objects.ts";
import { policyFiles, policyObjects } from "./policy-files.ts";
import { applyCrds } from "./stage.ts";

const ours = join(import.meta.dirname, "../../policies/crds/foreign");
const valid = policyFiles("test/fixtures/policies/foreign/valid");
const named = valid.map((file) => [basename(file), file] as const);
/** Of a version of policy-controller that is newer than the peer. */
const newer = new Set(["trust-root-json.yaml"]);

/** `kubectl create` without storing anything: the specifications as the API server would keep them. */
function kept(cluster: Kubernetes, file: string): Promise<readonly unknown[]> {
  const create = ["create", "--dry-run=server", "-f", "-", "-o", "json"];
  return Promise.all(
    policyObjects(file).map(async (object) => {
      const { stdout } = await expectDone(cluster.kubectl(create, { input: JSON.stringify(object) }));
      return (JSON.parse(stdout) as Manifest)["spec"];
    }),
  );
}

describePeers([...kubernetesPeers, foreignCrdsPeer], "policies of policy-controller", () => {
  let cluster: Kubernetes;
  beforeAll(async () => {
    cluster = await startKubernetes();
  });
  afterAll(() => cluster?.close());

  describe("with its own definitions", () => {
    const theirs = new Map<string, readonly unknown[]>();
    beforeAll(() => applyForeignCrds(cluster, "no-conversion"));

    it.each(named.filter(([name]) => !newer.has(name)))("%s is one that a cluster has", async (name, file) => {
      theirs.set(name, await kept(cluster, file));
    });

    describe("and then with ours in their place", () => {
      beforeAll(() => applyCrds(cluster, ours));

      it.each(named)("%s is kept as it was", async (name, file) => {
        const specs = await kept(cluster, file);
        if (!newer.has(name)) expect(specs).toEqual(theirs.get(name));
      });
    });
  });

  it("are readable in the version they are stored in, when policy-controller and its conversion are gone", async () => {
    await applyForeignCrds(cluster, "as-published");
    const policy = policyObjects(valid.find((file) => basename(file) === "key-v1alpha1.yaml") ?? "");
    const input = JSON.stringify({ apiVersion: "v1", kind: "List", items: policy });
    await expectDone(cluster.kubectl(["apply", "-f", "-"], { input }));
    const list = (version: string) => cluster.kubectl(["get", `clusterimagepolicies.${version}.policy.sigstore.dev`]);
    expect((await list("v1beta1")).stderr).toContain("conversion webhook");
    expect(await list("v1alpha1")).toMatchObject({ code: 0, stderr: "" });
  });
});
