import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { runTrust } from "../support/cli.ts";
import { type Kubernetes, kubernetesPeers, startKubernetes } from "../support/kubernetes.ts";
import { describePeers, requirePeer } from "../support/peers.ts";
import { run } from "../support/process.ts";
import { openStage, type Stage } from "../support/stage.ts";
import { expectDone } from "./expect-done.ts";
import { type Manifest, namespace } from "./objects.ts";
import { applyCrds } from "./stage.ts";

const apiVersion = "imagetrust.dev/v1alpha1";

describePeers([...kubernetesPeers, "cosign2"], "a key pair that cosign keeps in a Secret", () => {
  let cluster: Kubernetes;
  let stage: Stage;
  let image: string;
  beforeAll(async () => {
    [cluster, stage] = await Promise.all([startKubernetes(), openStage()]);
    await applyCrds(cluster);
    await applyCrds(cluster, join(import.meta.dirname, "../../policies/crds/foreign"));
    await apply(namespace("ci"));
    await cosign("generate-key-pair", "k8s://ci/release");
    await cosign("generate-key-pair", "k8s://default/other");
    ({ text: image } = await stage.newImage("app:1"));
    await cosign("sign", "--key", "k8s://ci/release", "--tlog-upload=false", "--yes", image);
  });
  afterAll(async () => {
    await stage?.close();
    await cluster?.close();
  });

  const cosign = (...args: readonly string[]) =>
    expectDone(
      // It also writes the public key into the folder it runs in.
      run(requirePeer("cosign2"), args, {
        cwd: cluster.folder,
        env: { KUBECONFIG: cluster.kubeconfig, COSIGN_PASSWORD: "secret" },
      }),
    );
  const apply = (...items: readonly Manifest[]) => {
    const input = JSON.stringify({ apiVersion: "v1", kind: "List", items });
    return expectDone(cluster.kubectl(["apply", "-f", "-"], { input }));
  };
  const trust = (...args: readonly string[]) =>
    runTrust(args, { folder: cluster.folder, env: { KUBECONFIG: cluster.kubeconfig } });

  /** What becomes of something while only this policy is in force. */
  async function under<T>(policy: Manifest, judge: () => Promise<T>): Promise<T> {
    await apply(policy);
    return judge().finally(() => expectDone(cluster.kubectl(["delete", policy.kind, policy.metadata.name])));
  }
  const outcomeBy = (policy: Manifest) =>
    under(policy, async () => {
      const { stdout } = await trust("verify", "--policy", "cluster", "-o", "json", image);
      const [{ outcome, policies }] = JSON.parse(stdout);
      return [outcome, policies[0].findings[0]?.code];
    });

  const bySecret = (secretRef: object): Manifest => ({
    ...{ apiVersion, kind: "ClusterTrustPolicy", metadata: { name: "native" } },
    spec: { images: [{ glob: `${stage.host}/**` }], authorities: [{ name: "release", key: { secretRef } }] },
  });

  it("is what a policy trusts that names the Secret", async () => {
    expect(await outcomeBy(bySecret({ name: "release", namespace: "ci" }))).toEqual(["allow", undefined]);
    expect(await outcomeBy(bySecret({ name: "other" }))).toEqual(["deny", "SIGNER_NOT_TRUSTED"]);
  });

  it("is not believed by its private half, and no word of that is told", async () => {
    const policy = bySecret({ name: "release", namespace: "ci", key: "cosign.key" });
    expect(await outcomeBy(policy)).toEqual(["deny", "POLICY_UNUSABLE"]);
    const { code, stdout, stderr } = await under(policy, () => trust("policy", "check", "cluster"));
    expect([code, stdout + stderr]).toEqual([3, expect.stringContaining("a private key")]);
    expect(stdout + stderr).not.toMatch(/ENCRYPTED/);
  });

  it("has three entries, of which a ClusterImagePolicy takes none; of one entry it takes that", async () => {
    const policy = (name: string): Manifest => ({
      ...{ apiVersion: "policy.sigstore.dev/v1beta1", kind: "ClusterImagePolicy", metadata: { name: "foreign" } },
      spec: { images: [{ glob: `${stage.host}/**` }], authorities: [{ key: { secretRef: { name } } }] },
    });
    expect(await outcomeBy(policy("other"))).toEqual(["deny", "POLICY_NOT_EVALUABLE"]);
    const path = "jsonpath={.data.cosign\\.pub}";
    const { stdout } = await expectDone(cluster.kubectl(["get", "secret", "release", "-n", "ci", "-o", path]));
    const data = { "any.name": stdout };
    await apply({ apiVersion: "v1", kind: "Secret", metadata: { name: "public", namespace: "default" }, data });
    expect(await outcomeBy(policy("public"))).toEqual(["allow", undefined]);
  });
});
