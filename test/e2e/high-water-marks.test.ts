import { afterAll, beforeAll, expect, it } from "vitest";
import { sigstoreBundle } from "../../src/formats/sigstore-bundle.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { bindingAnnotations } from "../../src/policy/binding.ts";
import { signImage } from "../../src/sign.ts";
import { pushImage, tinyImage } from "../support/images.ts";
import { describeKubernetes } from "../support/kubernetes.ts";
import { signerOf } from "../support/signers.ts";
import { ask } from "./ask.ts";
import { eventually } from "./eventually.ts";
import { expectDone } from "./expect-done.ts";
import { clusterPolicy, namespace } from "./objects.ts";
import { type ClusterStage, startClusterStage } from "./stage.ts";
import { documentedRights, webhookAccount } from "./webhook-account.ts";

describeKubernetes("high-water marks in a ConfigMap", () => {
  let stage: ClusterStage;
  let rights: readonly string[];
  const flags = ["--cluster", "--state", "configmap/trust-state", "--evidence-ttl", "1s", "--tag-ttl", "0s"];
  beforeAll(async () => {
    stage = await startClusterStage({ withoutPolicyFile: true, flags: () => flags, unregistered: true });
    await stage.webhook.stop();
    await expectDone(stage.apply(namespace("trust-system")));
    for (const what of ["always", "state"] as const)
      await expectDone(stage.cluster.kubectl(["apply", "-f", "-"], { input: documentedRights(what) }));
    const account = ["--kubeconfig", webhookAccount(stage.cluster), "--allow-registry", "127.0.0.1"];
    rights = [...flags, ...account];
    await stage.webhook.start(rights);
  });
  afterAll(() => stage?.close());

  const marks = async (): Promise<string> => {
    const { stdout } = await stage.cluster.kubectl([
      "get",
      "configmap",
      "trust-state",
      "-n",
      "trust-system",
      "-o",
      "jsonpath={.data}",
    ]);
    return stdout;
  };
  const outcome = async (image: string) => {
    const answer = await ask(stage.webhook, image, "default");
    return answer.allowed ? "allowed" : (answer.status?.message ?? "");
  };
  const comesTo = (what: string, image: string, expected: RegExp) =>
    eventually(what, async () => {
      const last = await outcome(image);
      return expected.test(last) ? last : undefined;
    });

  it("refuse after a restart what was once replaced", async () => {
    const ref = parseReference(`${stage.host}/prod/app:1`);
    const image = `${stage.host}/prod/app:1`;
    const sign = () => {
      const now = Date.now();
      const annotations = bindingAnnotations({ bindTo: ref, expiresIn: 30 * 86_400_000 }, now);
      const made = { image: ref, signer: signerOf(stage.key), formats: [sigstoreBundle], annotations, now };
      return signImage(stage.registry, made);
    };
    await expectDone(
      stage.apply(
        clusterPolicy("fresh", `${stage.host}/prod/**`, stage.publicKey, { freshness: { tagBinding: "required" } }),
      ),
    );
    const old = await pushImage(stage.registry, ref, tinyImage("old"));
    await sign();
    await comesTo("the first one is admitted", `${image}@${old}`, /^allowed$/);
    const young = await pushImage(stage.registry, ref, tinyImage("young"));
    await sign();
    await comesTo("the second one is admitted", `${image}@${young}`, /^allowed$/);
    await eventually("the mark is stored", async () => ((await marks()).includes("prod/app:1") ? true : undefined));
    expect(await outcome(`${image}@${old}`)).toContain("ROLLBACK");
    await stage.webhook.stop();
    await stage.webhook.start(rights);
    expect(await outcome(`${image}@${old}`)).toContain("ROLLBACK");
    expect(await outcome(`${image}@${young}`)).toBe("allowed");
  });
});
