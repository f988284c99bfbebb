import { afterAll, beforeAll, expect, it } from "vitest";
import { describeKubernetes } from "../support/kubernetes.ts";
import { eventually } from "./eventually.ts";
import { clusterPolicy, deployment, namespace, pod } from "./objects.ts";
import { type ClusterStage, projectFile, startClusterStage } from "./stage.ts";

const stranger = projectFile("test/fixtures/policies/keys/second.pub");

describeKubernetes("a cluster whose parts come and go", () => {
  let stage: ClusterStage;
  beforeAll(async () => {
    stage = await startClusterStage({
      controllers: true,
      // No listing of signatures is taken as still true: only what was proved counts while the registry is away.
      flags: () => ["--evidence-ttl", "0"],
      policies: (host, key) => [
        clusterPolicy("production", `${host}/prod/**`, key),
        clusterPolicy("stricter", `${host}/prod/watched/**`, stranger, { mode: "warn" }),
      ],
    });
    expect(await stage.apply(namespace("shop"))).toMatchObject({ code: 0 });
  });
  afterAll(() => stage?.close());

  const signed = async (name: string) => {
    const { image, digest } = await stage.push(name);
    await stage.sign(image);
    return { image, pinned: `${image}@${digest}` };
  };
  const podsOf = (name: string) => stage.list("pods", "-n", "shop", "-l", `app=${name}`);
  const podsAppear = (name: string, count: number) =>
    eventually(`${count} Pods`, async () => ((await podsOf(name)).length === count ? true : undefined));

  it("scales what was proved while the registry is away, and admits nothing new", async () => {
    const { image } = await signed("prod/app:1");
    const unknown = await signed("prod/unknown:1");
    expect(await stage.apply(deployment("app", "shop", image, 1))).toMatchObject({ code: 0 });
    await podsAppear("app", 1);
    await stage.stopRegistry();
    expect(await stage.cluster.kubectl(["scale", "deployment/app", "-n", "shop", "--replicas=3"])).toMatchObject({
      code: 0,
    });
    await podsAppear("app", 3);
    const { code, stderr } = await stage.apply(pod("unknown", "shop", unknown.image));
    expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining("REGISTRY_UNREACHABLE") });
    expect(stderr).not.toMatch(/NO_SIGNATURE|SIGNER_NOT_TRUSTED/);
    await stage.startRegistry();
    expect(await stage.apply(pod("unknown", "shop", unknown.image))).toMatchObject({ code: 0 });
  });

  it("admits no Pod unchecked while the webhook is away, and lets Pods go", async () => {
    const { image } = await signed("prod/kept:1");
    expect(await stage.apply(pod("kept", "shop", image))).toMatchObject({ code: 0 });
    await stage.webhook.stop();
    expect((await stage.apply(pod("meanwhile", "shop", image))).stderr).toContain("failed calling webhook");
    expect(await stage.cluster.kubectl(["delete", "pod", "kept", "-n", "shop", "--now"])).toMatchObject({ code: 0 });
    await stage.webhook.start();
    expect(await stage.apply(pod("meanwhile", "shop", image))).toMatchObject({ code: 0 });
  });

  it("goes on as before after an outage of the API server", async () => {
    const { image } = await signed("prod/after:1");
    await stage.cluster.stopApiServer();
    await stage.cluster.startApiServer();
    expect((await stage.apply(pod("refused", "shop", "probe.invalid/unknown:1"))).stderr).toContain("NO_POLICY");
    expect(await stage.apply(pod("after", "shop", image))).toMatchObject({ code: 0 });
  });

  it("warns the person at kubectl of what a warning policy finds", async () => {
    const { image } = await signed("prod/watched/app:1");
    const { code, stderr } = await stage.apply(pod("watched", "shop", image));
    expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringMatching(/^Warning: /m) });
    expect(stderr).toMatch(new RegExp(`Warning: ${image}.*SIGNER_NOT_TRUSTED: policy stricter: `));
  });

  it("takes mirror Pods from nodes alone", async () => {
    const bind = ["create", "clusterrolebinding", "everybody", "--clusterrole=cluster-admin"];
    const groups = ["--group=system:nodes", "--group=developers"];
    expect(await stage.cluster.kubectl([...bind, ...groups])).toMatchObject({ code: 0 });
    const mirrored = (name: string) => {
      const { metadata, ...rest } = pod(name, "shop", "registry.invalid/static:1");
      const annotations = { "kubernetes.io/config.mirror": "abc" };
      return { ...rest, metadata: { ...metadata, annotations }, spec: { ...(rest["spec"] as object), nodeName: "n1" } };
    };
    const create = (name: string, kubeconfig: string) =>
      stage.cluster.kubectl(["create", "-f", "-"], { input: JSON.stringify(mirrored(name)), kubeconfig });
    const node = stage.cluster.kubeconfigFor("system:node:n1", ["system:nodes"]);
    const person = stage.cluster.kubeconfigFor("system:node:n1", ["developers"]);
    await eventually(
      "the node may",
      async () => ((await create("static", node)).code === 0 ? true : undefined),
      async () => (await create("static", node)).stderr,
    );
    expect((await create("posing", person)).stderr).toContain("NO_POLICY");
  });
});
