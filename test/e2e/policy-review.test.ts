import { basename } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeKubernetes } from "../support/kubernetes.ts";
import { clusterPolicy, namespace } from "./objects.ts";
import { policyFiles, policyObjects } from "./policy-files.ts";
import { type ClusterStage, projectFile, startClusterStage } from "./stage.ts";

const folder = "test/fixtures/policies/invalid";
const key = projectFile("test/fixtures/policies/keys/release.pub");

/**
 * Files that no disk may hold but a cluster may: what is wrong is gone when `kubectl` has read the YAML, one object has the
 * place of another of its name, `default` is a namespace, and objects come in any order.
 */
const onlyFiles = new Set([
  ...["duplicate-key.yaml", "merge-key.yaml", "unknown-yaml-tag.yaml", "alias.yaml"],
  ...["policy-name-twice.yaml", "trust-root-twice.yaml", "namespace-missing.yaml", "keyless-root-unknown.yaml"],
  ...["unknown-metadata-field.yaml", "unknown-top-field.yaml", "key-secret-ref.yaml"],
]);

/** By kubectl for its YAML, by the API server for its kind or shape, or by the webhook. */
const refusals = new RegExp(
  [
    "error parsing|error validating|no matches for kind|resource name may not be empty",
    "strict decoding error: unknown field|is invalid: ",
    'webhook "policies.imagetrust.dev" denied the request: POLICY_INVALID',
  ].join("|"),
);

describeKubernetes("a policy on its way into the cluster", () => {
  let stage: ClusterStage;
  beforeAll(async () => {
    stage = await startClusterStage();
    expect(await stage.apply(["payments", "prod", "shop"].map((name) => namespace(name)))).toMatchObject({ code: 0 });
  });
  afterAll(() => stage?.close());

  it.each([
    ...[...policyFiles("policies/examples"), ...policyFiles("test/fixtures/policies/valid")].map((file) => [
      basename(file),
      file,
    ]),
  ])("%s is accepted", async (_, file) => {
    expect(await stage.apply(policyObjects(file), "--dry-run=server")).toMatchObject({ code: 0, stderr: "" });
  });

  const refused = policyFiles(folder).filter((file) => !onlyFiles.has(basename(file)));
  it.each(refused.map((file) => [basename(file), file]))("%s is refused", async (_, file) => {
    const { code, stderr } = await stage.cluster.kubectl(["apply", "--dry-run=server", "-f", file]);
    expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringMatching(refusals) });
  });

  it.each([...onlyFiles])("%s is accepted as an object", async (name) => {
    const file = policyFiles(folder).find((path) => basename(path) === name) ?? name;
    expect(await stage.cluster.kubectl(["apply", "--dry-run=server", "-f", file])).toMatchObject({ code: 0 });
  });

  it.each([
    ["key-certificate.yaml", "spec.authorities[0].key.data: the PEM block is not a public key"],
    ["condition-types.yaml", "spec.condition: no such overload: int + string"],
    ["glob-bracket.yaml", "spec.images[0].glob: a repository that no image can have"],
    ["condition-regular-expression.yaml", "spec.condition: "],
    ["threshold-same-key.yaml", "spec.threshold can never be reached"],
  ])("%s has the right shape, and is refused with the reason", async (name, reason) => {
    const file = policyFiles(folder).find((path) => basename(path) === name) ?? name;
    const { code, stderr } = await stage.cluster.kubectl(["apply", "-f", file]);
    expect(code).toBe(1);
    expect(stderr).toContain('admission webhook "policies.imagetrust.dev" denied the request: POLICY_INVALID');
    expect(stderr).toContain(reason);
    expect(await stage.list("ctp")).toEqual([]);
  });

  it("is refused by the reason again when it gets worse, and stays as it was", async () => {
    const good = clusterPolicy("edited", "registry.example.com/**", key);
    expect(await stage.apply(good)).toMatchObject({ code: 0 });
    const bad = { ...good, spec: { ...(good["spec"] as object), condition: "image.tag ==" } };
    expect((await stage.apply(bad)).stderr).toContain("spec.condition");
    expect(JSON.stringify(await stage.list("ctp", "edited"))).not.toContain("image.tag ==");
    expect(await stage.cluster.kubectl(["delete", "ctp", "edited"])).toMatchObject({ code: 0 });
  });

  it("may be labelled and deleted though it does not load, but not made worse", async () => {
    const stored = "stored-before";
    expect(await stage.cluster.kubectl(["delete", "validatingwebhookconfiguration", "trust-policies"])).toMatchObject({
      code: 0,
    });
    const broken = clusterPolicy(stored, "registry.example.com/[ab]/**", key);
    // A moment passes until the API server has noticed that nobody looks any more.
    await expect.poll(async () => (await stage.apply(broken)).code, { timeout: 20_000 }).toBe(0);
    await stage.register();
    const kubectl = (...args: string[]) => stage.cluster.kubectl(args);
    expect(await kubectl("label", "ctp", stored, "team=web")).toMatchObject({ code: 0 });
    expect(await kubectl("annotate", "ctp", stored, "note=kept")).toMatchObject({ code: 0 });
    const worse = await kubectl("patch", "ctp", stored, "--type=merge", "-p", '{"spec":{"mode":"warn"}}');
    expect(worse).toMatchObject({ code: 1, stderr: expect.stringContaining("spec.images[0].glob") });
    const [object] = await stage.list("ctp", stored);
    expect(object).toMatchObject({ metadata: { labels: { team: "web" } }, spec: { mode: "enforce" } });
    expect(await kubectl("delete", "ctp", stored)).toMatchObject({ code: 0 });
    expect(await stage.list("ctp")).toEqual([]);
  });

  it("is not stored unchecked while the webhook is away", async () => {
    await stage.webhook.stop();
    const policy = clusterPolicy("meanwhile", "registry.example.com/**", key);
    expect((await stage.apply(policy)).stderr).toContain("failed calling webhook");
    await stage.webhook.start();
    expect(await stage.apply(policy)).toMatchObject({ code: 0 });
  });
});
