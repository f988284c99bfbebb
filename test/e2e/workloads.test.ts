import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { describeKubernetes } from "../support/kubernetes.ts";
import { newPrivateKey } from "../support/signers.ts";
import { eventually } from "./eventually.ts";
import { cronJob, deployment, type Manifest, namespace, pod } from "./objects.ts";
import { templatesLabel } from "./registrations.ts";
import { type ClusterStage, startClusterStage } from "./stage.ts";

const app = "prod/springbootkubernetes/spring-boot-kubernetes";

interface Pod extends Manifest {
  readonly spec: { readonly containers: readonly { readonly image: string }[] };
}

interface Conditions {
  readonly status: { readonly conditions?: readonly { readonly type: string; readonly message: string }[] };
}

describeKubernetes("workloads of a cluster", () => {
  let stage: ClusterStage;
  beforeAll(async () => {
    stage = await startClusterStage({ controllers: true });
    const spaces = [namespace("shop"), namespace("pods-only", { [templatesLabel]: "unchecked" })];
    expect(await stage.apply(spaces)).toMatchObject({ code: 0 });
  });
  afterAll(() => stage?.close());

  const signed = async (name: string) => {
    const { image, digest } = await stage.push(name);
    await stage.sign(image);
    return { image, pinned: `${image}@${digest}` };
  };
  const podsOf = (name: string, space: string) => stage.list<Pod>("pods", "-n", space, "-l", `app=${name}`);
  const imagesOf = (pods: readonly Pod[]) => pods.flatMap(({ spec }) => spec.containers.map(({ image }) => image));
  const events = async (space: string) => (await stage.cluster.kubectl(["get", "events", "-n", space])).stdout;
  const podsAppear = (name: string, space: string, count: number) =>
    eventually(
      `${count} Pods of ${name}`,
      async () => {
        const pods = await podsOf(name, space);
        return pods.length === count ? pods : undefined;
      },
      () => events(space),
    );

  describe("a Deployment of three replicas", () => {
    it("is refused at once while nobody signed its image, with the image and the reason", async () => {
      const { image } = await stage.push(`${app}-refused:0.1.0`);
      const { code, stderr } = await stage.apply(deployment("refused", "shop", image, 3));
      expect(code).toBe(1);
      expect(stderr).toContain('admission webhook "templates.imagetrust.dev" denied the request');
      expect(stderr).toMatch(new RegExp(`${image}.*: .*NO_SIGNATURE: policy production: `));
      expect(await stage.list("deployments", "-n", "shop")).toEqual([]);
    });

    it("is refused where a stranger signed", async () => {
      const { image } = await stage.push(`${app}-stranger:0.1.0`);
      await stage.sign(image, newPrivateKey());
      expect((await stage.apply(deployment("stranger", "shop", image, 3))).stderr).toContain("SIGNER_NOT_TRUSTED");
    });

    it("runs what was signed, pinned to its digest, in template and Pods", async () => {
      const { image, pinned } = await signed(`${app}:0.1.0`);
      expect(await stage.apply(deployment("shop", "shop", image, 3))).toMatchObject({ code: 0 });
      expect(imagesOf(await podsAppear("shop", "shop", 3))).toEqual([pinned, pinned, pinned]);
      const [template] = await stage.list<{ spec: { template: Pod } }>("deployment", "shop", "-n", "shop");
      expect(imagesOf([template?.spec.template as Pod])).toEqual([pinned]);
    });

    it("runs the new image after an update, and the old one where the new one is not signed", async () => {
      const first = await signed(`${app}-updated:0.1.0`);
      expect(await stage.apply(deployment("updated", "shop", first.image, 1))).toMatchObject({ code: 0 });
      await podsAppear("updated", "shop", 1);
      const kubectl = (image: string) =>
        stage.cluster.kubectl(["set", "image", "deployment/updated", `app=${image}`, "-n", "shop"]);
      const unsigned = await stage.push(`${app}-updated:0.2.0`);
      expect((await kubectl(unsigned.image)).stderr).toContain("NO_SIGNATURE");
      expect(imagesOf(await podsOf("updated", "shop"))).toEqual([first.pinned]);
      await stage.sign(unsigned.image);
      // A registry is not asked again for what was refused within the last second.
      await eventually("the update", async () => ((await kubectl(unsigned.image)).code === 0 ? true : undefined));
      const second = `${unsigned.image}@${unsigned.digest}`;
      await eventually("a Pod of the new image", async () =>
        imagesOf(await podsOf("updated", "shop")).includes(second) ? true : undefined,
      );
    });
  });

  describe("where Pods alone are checked, a Deployment", () => {
    it("has no Pods while nobody signed; condition and events say why; then all three come", async () => {
      const { image, digest } = await stage.push(`${app}-later:0.1.0`);
      expect(await stage.apply(deployment("later", "pods-only", image, 3))).toMatchObject({ code: 0 });
      const reason = new RegExp(`${image}.*NO_SIGNATURE`);
      const message = await eventually("a condition", async () => {
        const [found] = await stage.list<Conditions>("deployment", "later", "-n", "pods-only");
        return found?.status.conditions?.find(({ type }) => type === "ReplicaFailure")?.message;
      });
      expect(message).toMatch(reason);
      expect(await events("pods-only")).toMatch(new RegExp(`FailedCreate.*${reason.source}`));
      expect(await podsOf("later", "pods-only")).toEqual([]);
      await stage.sign(image);
      const pods = await podsAppear("later", "pods-only", 3);
      expect(new Set(imagesOf(pods))).toEqual(new Set([`${image}@${digest}`]));
    });
  });

  describe("a CronJob", () => {
    /** As if a start had been missed: the next one need not be waited for. */
    const startNow = (name: string, space: string) => {
      const lastScheduleTime = `${new Date(Date.now() - 120_000).toISOString().slice(0, 19)}Z`;
      const patch = JSON.stringify({ status: { lastScheduleTime } });
      const change = ["patch", "cronjob", name, "-n", space, "--subresource=status", "--type=merge", "-p", patch];
      return stage.cluster.kubectl(change);
    };

    it("starts Jobs whose Pods run the signed image", async () => {
      const { image, pinned } = await signed(`${app}-nightly:1`);
      expect(await stage.apply(cronJob("nightly", "shop", image))).toMatchObject({ code: 0 });
      expect(await startNow("nightly", "shop")).toMatchObject({ code: 0 });
      expect(imagesOf(await podsAppear("nightly", "shop", 1))).toEqual([pinned]);
    });

    it("is refused while nobody signed, and where Pods alone are checked its Jobs have none", async () => {
      const { image } = await stage.push(`${app}-unsigned-job:1`);
      expect((await stage.apply(cronJob("unsigned", "shop", image))).stderr).toContain("NO_SIGNATURE");
      expect(await stage.apply(cronJob("unsigned", "pods-only", image))).toMatchObject({ code: 0 });
      expect(await startNow("unsigned", "pods-only")).toMatchObject({ code: 0 });
      await eventually("an event of the Job", async () =>
        /job\/unsigned.*NO_SIGNATURE/.test(await events("pods-only")) ? true : undefined,
      );
      expect(await podsOf("unsigned", "pods-only")).toEqual([]);
    });
  });

  describe("a Pod that runs", () => {
    it("takes no ephemeral container of an image that nobody signed, and one that is signed", async () => {
      const { image } = await signed(`${app}-debugged:1`);
      expect(await stage.apply(pod("debugged", "shop", image))).toMatchObject({ code: 0 });
      const unsigned = await stage.push("prod/shell:1");
      const debug = (name: string) =>
        stage.cluster.kubectl(["debug", "debugged", "-n", "shop", `--image=${name}`, "--container=shell", "--", "sh"]);
      expect((await debug(unsigned.image)).stderr).toContain("NO_SIGNATURE");
      const tool = await signed("prod/tool:1");
      expect(await debug(tool.image)).toMatchObject({ code: 0 });
      const [found] = await stage.list<{ spec: { ephemeralContainers: readonly object[] } }>(
        ...["pod", "debugged", "-n", "shop"],
      );
      expect(found?.spec.ephemeralContainers).toMatchObject([{ name: "shell", image: tool.pinned }]);
    });

    it("keeps its labels changeable and its image checked", async () => {
      const { image } = await signed(`${app}-labelled:1`);
      expect(await stage.apply(pod("labelled", "shop", image))).toMatchObject({ code: 0 });
      expect(await stage.cluster.kubectl(["label", "pod", "labelled", "-n", "shop", "tier=web"])).toMatchObject({
        code: 0,
      });
      const unsigned = await stage.push(`${app}-labelled:2`);
      const patch = JSON.stringify({ spec: { containers: [{ name: "app", image: unsigned.image }] } });
      const changed = await stage.cluster.kubectl(["patch", "pod", "labelled", "-n", "shop", "-p", patch]);
      expect(changed).toMatchObject({ code: 1, stderr: expect.stringContaining("NO_SIGNATURE") });
    });
  });

  it("is told that nothing is known while the registry is away, and that it is known again afterwards", async () => {
    const { image, pinned } = await signed(`${app}-outage:1`);
    await stage.stopRegistry();
    const { stderr } = await stage.apply(pod("outage", "shop", image));
    expect(stderr).toMatch(/REGISTRY_UNREACHABLE/);
    expect(stderr).not.toMatch(/NO_SIGNATURE|SIGNER_NOT_TRUSTED/);
    await stage.startRegistry();
    expect(await stage.apply(pod("outage", "shop", image))).toMatchObject({ code: 0 });
    expect(imagesOf(await podsOf("outage", "shop"))).toEqual([pinned]);
  });
});
