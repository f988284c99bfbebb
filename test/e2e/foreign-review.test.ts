import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeKubernetes } from "../support/kubernetes.ts";
import type { Manifest } from "./objects.ts";
import { applyCrds, type ClusterStage, projectFile, startClusterStage } from "./stage.ts";

const key = projectFile("test/fixtures/policies/keys/release.pub");
const group = "policy.sigstore.dev";

const imagePolicy = (name: string, spec: object): Manifest => ({
  apiVersion: `${group}/v1beta1`,
  kind: "ClusterImagePolicy",
  metadata: { name },
  spec: { images: [{ glob: "registry.example.com/**" }], ...spec },
});

const trustRoot = (name: string, spec: object): Manifest => ({
  apiVersion: `${group}/v1alpha1`,
  kind: "TrustRoot",
  metadata: { name },
  spec,
});

describeKubernetes("a policy of policy-controller on its way into a cluster without it", () => {
  let stage: ClusterStage;
  beforeAll(async () => {
    stage = await startClusterStage({ unregistered: true });
    await applyCrds(stage.cluster, join(import.meta.dirname, "../../policies/crds/foreign"));
    await stage.register();
  });
  afterAll(() => stage?.close());

  const byKey = { key: { data: key } };

  it("is stored without a word where it loads and all of it is judged", async () => {
    const bySecret = { key: { secretRef: { name: "not-there-yet" } } };
    const good = imagePolicy("good", { authorities: [byKey, bySecret] });
    expect(await stage.apply(good)).toMatchObject({ code: 0, stderr: "" });
    expect((await stage.list("cip", "good")).map(({ spec }) => spec)).toEqual([good["spec"]]);
  });

  it.each([
    [
      "a policy",
      imagePolicy("bad", { authorities: [{ ...byKey, static: { action: "pass" } }] }),
      "spec.authorities[0]",
    ],
    ["a root", trustRoot("bad", {}), "a root is written in one way"],
    ["a root for TUF to begin with", trustRoot("bad", { remote: { root: "e30=", mirror: "https://a" } }), "signatures"],
  ])("is refused with the reason where it does not load: %s", async (_, object, reason) => {
    const { code, stderr } = await stage.apply(object);
    expect([code, stderr]).toEqual([1, expect.stringContaining("denied the request: POLICY_INVALID")]);
    expect(stderr).toContain(reason);
  });

  it("is stored with a warning where some of it is not judged", async () => {
    const ruled = imagePolicy("ruled", { authorities: [byKey], policy: { type: "cue", data: "x: 1" } });
    const { code, stderr } = await stage.apply(ruled);
    expect([code, stderr]).toEqual([0, expect.stringMatching(/^Warning: spec\.policy: .*CUE/)]);
  });

  it("keeps whatever status somebody writes, apart from what it says", async () => {
    const spec = { remote: { root: "eyJzaWduYXR1cmVzIjpbXX0=", mirror: "https://tuf.example.com" } };
    expect(await stage.apply(trustRoot("stated", spec))).toMatchObject({ code: 0 });
    const status = { observedGeneration: 1, conditions: [{ type: "Ready", status: "True", severity: "Info" }] };
    const patch = JSON.stringify({ spec: null, status });
    const change = ["patch", `trustroots.${group}`, "stated", "--type=merge", "--subresource=status", "-p", patch];
    const { stdout } = await stage.cluster.kubectl([...change, "-o", "json"]);
    expect(JSON.parse(stdout)).toMatchObject({ spec, status });
  });
});
