import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { formatPublicKey } from "../../src/crypto/public-key.ts";
import { sigstoreBundle } from "../../src/formats/sigstore-bundle.ts";
import type { Signer } from "../../src/keys/signer.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { signImage } from "../../src/sign.ts";
import { runTrust } from "../support/cli.ts";
import { describeKubernetes, type Kubernetes, startKubernetes } from "../support/kubernetes.ts";
import { newSigner } from "../support/signers.ts";
import { createWorld, trustedRootOf } from "../support/sigstore/world.ts";
import { openStage, type Stage } from "../support/stage.ts";
import { createTufRepository, writeRepository } from "../support/tuf-repository.ts";
import { eventually } from "./eventually.ts";
import { clusterPolicy, cronJob, deployment, type Manifest, namespace, pod, podSpec } from "./objects.ts";
import { crdFolder } from "./stage.ts";

const [alice, bob] = [newSigner(), newSigner()];
const pem = ({ publicKey }: Signer) => formatPublicKey(publicKey);

let cluster: Kubernetes;
let stage: Stage;
let images: { readonly old: string; readonly next: string };
const write = (name: string, content: object) => writeFileSync(join(cluster.folder, name), JSON.stringify(content));
const done = async (...args: Parameters<Kubernetes["kubectl"]>) => {
  const { code, stdout, stderr } = await cluster.kubectl(...args);
  if (code !== 0) throw new Error(`kubectl ${args[0].join(" ")}: ${stderr}`);
  return stdout;
};
const apply = (...items: readonly Manifest[]) =>
  done(["apply", "-f", "-"], { input: JSON.stringify({ apiVersion: "v1", kind: "List", items }) });
const trust = (args: readonly string[], kubeconfig = cluster.kubeconfig) =>
  runTrust(args, { folder: cluster.folder, env: { KUBECONFIG: kubeconfig } });
const replicaSets = async (of: string) =>
  JSON.parse(await done(["get", "replicasets", "-n", of, "-o", "json"])).items as {
    metadata: { name: string };
    spec: { replicas: number; template: { spec: { containers: { image: string }[] } } };
  }[];

interface Row {
  readonly change: string;
  readonly usedBy: string;
  readonly image: string;
}
const rowsOf = (stdout: string) =>
  (JSON.parse(stdout) as Row[]).map(
    ({ change, usedBy, image }) => `${change} ${usedBy} ${image.replace(/^[^/]*\//, "")}`,
  );

async function pushImages(): Promise<typeof images> {
  const old = await stage.newImage("app:1");
  const next = await stage.newImage("app:2");
  const sign = (ref: typeof old.ref, signer: Signer) =>
    signImage(stage.registry, { image: ref, signer, formats: [sigstoreBundle], now: Date.now() });
  await sign(old.ref, alice);
  await sign(next.ref, alice);
  await sign(next.ref, bob);
  return { old: old.text, next: next.text };
}

/** What runs: of a rollout that does not end, an old ReplicaSet; of one that has, one that is kept; and all sorts of others. */
async function fillCluster(): Promise<void> {
  await done(["apply", "-f", crdFolder]);
  await done(["wait", "--for=condition=established", "crd", "--all", "--timeout=30s"]);
  await apply(namespace("shop", { env: "production" }), namespace("lab", { env: "test" }));
  const gone = `${stage.host}/gone:1`;
  const suspended = cronJob("report", "shop", images.old);
  await apply(
    clusterPolicy("production", `${stage.host}/**`, pem(alice)),
    deployment("web", "shop", images.old, 3),
    deployment("idle", "shop", gone, 0),
    deployment("trial", "lab", images.old, 2),
    { ...suspended, spec: { ...(suspended["spec"] as object), suspend: true } },
    pod("bare", "shop", images.old),
    pod("done", "shop", gone),
  );
  await done(["patch", "pod", "done", "-n", "shop", "--subresource=status", "-p", '{"status":{"phase":"Succeeded"}}']);
  await eventually("the first ReplicaSets", async () => ((await replicaSets("shop")).length === 2 ? true : undefined));
  await apply(deployment("web", "shop", images.next, 3), deployment("idle", "shop", images.next, 0));
  await eventually("the rollout", async () => {
    const all = await replicaSets("shop");
    const { items } = JSON.parse(await done(["get", "pods", "-A", "-o", "json"]));
    return all.length === 4 && items.length === 3 + 1 + 2 + 2 ? true : undefined;
  });
}

describeKubernetes("what a change of policies changes in a cluster", () => {
  beforeAll(async () => {
    [cluster, stage] = await Promise.all([startKubernetes({ controllers: true }), openStage()]);
    images = await pushImages();
    await fillCluster();
    mkdirSync(join(cluster.folder, "next"));
    const all = `${stage.host}/**`;
    const policy = (name: string, signer: Signer, namespaceSelector: object) =>
      write(`next/${name}.json`, clusterPolicy(name, all, pem(signer), { match: [{ namespaceSelector }] }));
    policy("release", bob, { matchLabels: { env: "production" } });
    policy("others", alice, { matchExpressions: [{ key: "env", operator: "NotIn", values: ["production"] }] });
    write("bob.json", clusterPolicy("bob", all, pem(bob)));
  });
  afterAll(async () => {
    await stage?.close();
    await cluster?.close();
  });

  it("is told by what somebody would mend, with the labels of namespaces, and of all that has not ended", async () => {
    const [old] = (await replicaSets("shop")).filter(
      ({ spec }) => spec.replicas > 0 && spec.template.spec.containers[0]?.image === images.old,
    );
    const { code, stdout, stderr } = await trust([
      ...["policy", "diff", "cluster", "next", "--against", "cluster", "--all", "--output", "json"],
    ]);
    expect([code, stderr]).toEqual([1, ""]);
    expect(rowsOf(stdout)).toEqual([
      "denied CronJob shop/report app:1",
      "denied Pod shop/bare app:1",
      `denied ReplicaSet shop/${old?.metadata.name} of Deployment shop/web app:1`,
      "same Deployment lab/trial app:1",
      "same Deployment shop/idle app:2",
      "same Deployment shop/web app:2",
    ]);
  });

  it("is the same for what kubectl lists", async () => {
    const kinds = "deployments,replicasets,statefulsets,daemonsets,cronjobs,jobs,pods,namespaces";
    const stdin = await done(["get", kinds, "-A", "-o", "json"]);
    const diff = (against: string) =>
      runTrust(["policy", "diff", "cluster", "next", "--all", "-o", "json", "--against", against], {
        ...{ folder: cluster.folder, env: { KUBECONFIG: cluster.kubeconfig }, stdin },
      });
    const [piped, asked] = [await diff("-"), await diff("cluster")];
    expect([piped.code, rowsOf(piped.stdout)]).toEqual([asked.code, rowsOf(asked.stdout)]);
  });

  it("is told of the namespaces that are named", async () => {
    const diff = ["policy", "diff", "cluster", "next", "--against", "cluster", "--all", "--output", "json", "-n"];
    expect(rowsOf((await trust([...diff, "lab"])).stdout)).toEqual(["same Deployment lab/trial app:1"]);
    const slip = await trust([...diff, "shpo"]);
    expect([slip.code, slip.stderr]).toEqual([3, expect.stringContaining('no namespace \\"shpo\\"')]);
  });

  it("is that of the template where a Pod differs by its pin alone, and of the Pod for what was put into it", async () => {
    const head = { apiVersion: "v1", kind: "PodTemplate", metadata: { name: "template", namespace: "lab" } };
    await apply({ ...head, template: { spec: podSpec(images.old) } });
    const uid = await done(["get", "podtemplate", "template", "-n", "lab", "-o", "jsonpath={.metadata.uid}"]);
    const { digest } = await stage.registry.resolve(parseReference(images.old));
    const made = pod("made", "lab", `${images.old}@${digest}`);
    const owner = { apiVersion: "v1", kind: "PodTemplate", name: "template", uid, controller: true };
    const containers = [...podSpec(`${images.old}@${digest}`).containers, { name: "side", image: images.next }];
    await apply({ ...made, metadata: { ...made.metadata, ownerReferences: [owner] } as never, spec: { containers } });
    const { stdout } = await trust([
      ...["policy", "diff", "cluster", "next", "--against", "cluster", "-n", "lab", "--all", "--output", "json"],
    ]);
    expect(rowsOf(stdout).sort()).toEqual([
      "same Deployment lab/trial app:1",
      "same Pod lab/made of PodTemplate lab/template app:2",
      "same PodTemplate lab/template app:1",
    ]);
    await done(["delete", "podtemplate/template", "pod/made", "-n", "lab"]);
  });

  it("is told as a table, and is nothing where nothing changes", async () => {
    const { code, stdout } = await trust(["policy", "diff", "cluster", "next", "--against", "cluster"]);
    expect([code, stdout]).toEqual([1, expect.stringMatching(/3 newly denied, 3 unchanged\n$/)]);
    const same = await trust(["policy", "diff", "cluster", "cluster", "--against", "cluster"]);
    expect([same.code, same.stdout]).toEqual([0, expect.stringMatching(/0 newly denied, 6 unchanged\n$/)]);
  });

  it("leaves out nothing silently: who may not list a kind is told the right, and what else runs", async () => {
    const kubeconfig = cluster.kubeconfigFor("carol");
    const role = ["create", "clusterrole", "reader", "--verb=list", "--resource=pods,deployments.apps"];
    await done(role);
    await done(["create", "clusterrolebinding", "carol", "--clusterrole=reader", "--user=carol"]);
    const { code, stdout, stderr } = await trust(
      ["policy", "diff", "bob.json", "bob.json", "--against", "cluster", "--all"],
      kubeconfig,
    );
    expect(code).toBe(3);
    expect(stderr).toMatch(/the right to list replicationcontrollers, .*, cronjobs\.batch in all namespaces/);
    // No policy of these asks for the labels of namespaces.
    expect(stderr).not.toContain("namespaces,");
    expect(stdout).toContain("Deployment shop/web");
    expect(stdout).toContain("Pod shop/bare");
    // Its controller may not be read, but it is known.
    expect(stdout).toMatch(/Pod shop\/web-\S+ and 2 more of ReplicaSet shop\/web-/);
    const policies = await trust(["policy", "check", "cluster"], kubeconfig);
    expect([policies.code, policies.stderr]).toEqual([
      3,
      expect.stringMatching(/the right to list \w+\.(?:imagetrust\.dev|policy\.sigstore\.dev)/),
    ]);
  });

  it("is told whole to who has the rights that the guide names", async () => {
    const guide = readFileSync(join(import.meta.dirname, "../../docs/policy-testing.md"), "utf8");
    const [, role = ""] = /```yaml\n(apiVersion: rbac[\s\S]*?)```/.exec(guide) ?? [];
    await done(["apply", "-f", "-"], { input: role });
    await done(["create", "clusterrolebinding", "dora", "--clusterrole=trust-policy-diff", "--user=dora"]);
    const diff = ["policy", "diff", "cluster", "next", "--against", "cluster"];
    const kubeconfig = cluster.kubeconfigFor("dora");
    expect(await trust(diff, kubeconfig)).toMatchObject({ code: 1, stderr: "" });
    expect(await trust([...diff, "-n", "shop"], kubeconfig)).toMatchObject({ code: 1, stderr: "" });
  });

  it("is unavailable where the cluster is, and a mistake where the context is", async () => {
    const diff = ["policy", "diff", "bob.json", "bob.json", "--against", "cluster"];
    const dead = JSON.stringify({
      ...{ apiVersion: "v1", kind: "Config", "current-context": "x" },
      contexts: [{ name: "x", context: { cluster: "x", user: "x" } }],
      clusters: [{ name: "x", cluster: { server: "https://127.0.0.1:1" } }],
      users: [{ name: "x", user: { token: "none" } }],
    });
    writeFileSync(join(cluster.folder, "dead.kubeconfig"), dead);
    const gone = await trust([...diff, "--kubeconfig", "dead.kubeconfig"]);
    expect([gone.code, gone.stderr]).toEqual([4, expect.stringContaining("CLUSTER_UNREACHABLE")]);
    const slip = await trust([...diff, "--context", "nowhere"]);
    expect([slip.code, slip.stderr]).toEqual([3, expect.stringContaining("CLUSTER_CONFIG_INVALID")]);
  });
});

describeKubernetes("the policies of a cluster, in the place of files", () => {
  beforeAll(async () => {
    [cluster, stage] = await Promise.all([startKubernetes(), openStage()]);
    images = await pushImages();
    await done(["apply", "-f", crdFolder]);
    await done(["wait", "--for=condition=established", "crd", "--all", "--timeout=30s"]);
    await apply(clusterPolicy("production", `${stage.host}/**`, pem(alice)));
    write("bob.json", clusterPolicy("bob", `${stage.host}/**`, pem(bob)));
  });
  afterAll(async () => {
    await stage?.close();
    await cluster?.close();
  });

  it("judge images, alone and with those of files", async () => {
    const verify = (image: string, ...more: readonly string[]) =>
      trust(["verify", "--policy", "cluster", ...more, image]);
    expect((await verify(images.old)).code).toBe(0);
    expect((await verify(images.next, "--policy", "bob.json")).code).toBe(0);
    const both = await verify(images.old, "--policy", "bob.json");
    expect([both.code, both.stdout]).toEqual([1, expect.stringContaining("bob")]);
    expect((await trust(["audit", "registry", stage.host, "--policy", "cluster"])).code).toBe(0);
    write("pod.json", pod("web", "shop", images.old));
    expect((await trust(["audit", "manifests", "pod.json", "--policy", "cluster"])).code).toBe(0);
  });

  it("are explained and recorded", async () => {
    const explained = await trust(["policy", "explain", "--policy", "cluster", "--verify", images.old]);
    expect([explained.code, explained.stdout]).toEqual([0, expect.stringContaining("production, enforce: matches")]);
    const recorded = await trust(["policy", "record", "--policy", "cluster", images.old]);
    expect([recorded.code, recorded.stderr]).toEqual([0, ""]);
  });

  it("are held to what they are stored as: one that cannot be used is told, and refuses what it matches", async () => {
    const good = await trust(["policy", "check", "cluster"]);
    expect([good.code, good.stdout]).toEqual([0, "1 policy: 0 warnings, 0 notes\n"]);
    const nobody = { keyless: { identities: [{ issuer: "https://ci", subject: "x" }], trustRoot: "nowhere" } };
    const spec = { authorities: [{ name: "ci", ...nobody }] };
    await apply(clusterPolicy("broken", `${stage.host}/app`, pem(alice), spec));
    const { code, stdout } = await trust(["policy", "check", "cluster", "bob.json", "--output", "json"]);
    expect(code).toBe(3);
    expect(JSON.parse(stdout)).toEqual([
      expect.objectContaining({ level: "error", code: "POLICY_UNUSABLE", place: "clustertrustpolicy/broken" }),
    ]);
    expect((await trust(["policy", "check", "cluster"])).stdout).toContain("1 object of the cluster cannot be used");
    const denied = await trust(["verify", "--policy", "cluster", images.old]);
    expect([denied.code, denied.stderr]).toEqual([
      3,
      expect.stringContaining("warning: ClusterTrustPolicy broken cannot be used, so that it refuses what it matches"),
    ]);
    expect(denied.stdout).toContain("POLICY_UNUSABLE");
    // What it refuses is known, not for want of an answer.
    const diff = (...sets: readonly string[]) => trust(["policy", "diff", ...sets, "--image", images.next]);
    expect(await diff("cluster", "bob.json")).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("1 newly admitted"),
    });
    expect(await diff("bob.json", "cluster")).toMatchObject({
      code: 1,
      stdout: expect.stringContaining("1 newly denied"),
    });
    await done(["delete", "clustertrustpolicy", "broken"]);
  });

  it("know the labels of the namespaces that objects of elsewhere are for", async () => {
    await apply(namespace("shop", { env: "production" }));
    const match = [{ namespaceSelector: { matchLabels: { env: "production" } } }];
    await apply(clusterPolicy("selecting", `${stage.host}/**`, pem(bob), { match }));
    const explain = (of: string) => trust(["policy", "explain", "--policy", "cluster", "-n", of, "--all", images.old]);
    expect((await explain("shop")).stdout).toContain("selecting, enforce: matches");
    expect((await explain("default")).stdout).toContain("selecting, enforce: silent");
    expect((await explain("nowhere")).stdout).toContain("selecting, enforce: unknown");
    const audit = async (of: string) => {
      write("pod.json", pod("web", of, images.old));
      const { code } = await trust(["audit", "manifests", "pod.json", "--policy", "cluster"]);
      const diff = await trust(["policy", "diff", "bob.json", "cluster", "--against", "pod.json", "--output", "json"]);
      return [code, rowsOf(diff.stdout)];
    };
    expect(await audit("shop")).toEqual([1, []]);
    expect(await audit("default")).toEqual([0, ["admitted Pod default/web app:1"]]);
    await done(["delete", "clustertrustpolicy", "selecting"]);
  });

  it("are linted as files are, by the place in the object", async () => {
    const two = ["first", "second"].map((name) => ({ name, key: { data: pem(bob) } }));
    const images = [{ glob: "registry.example.com/x" }, { glob: "registry.example.com/y" }];
    await apply(clusterPolicy("odd", "", "", { images, exclude: ["registry.example.com/y"], authorities: two }));
    const { code, stdout } = await trust(["policy", "check", "cluster", "--strict", "--output", "json"]);
    const found = (JSON.parse(stdout) as { code: string; place: string }[]).map((one) => `${one.place}: ${one.code}`);
    expect([code, found]).toEqual([
      1,
      [
        "clustertrustpolicy/odd spec.authorities[1]: key-shared",
        "clustertrustpolicy/odd spec.images[1].glob: image-excluded",
      ],
    ]);
    await done(["delete", "clustertrustpolicy", "odd"]);
  });

  it("have their roots fetched, as those of files", async () => {
    const repository = createTufRepository();
    repository.publish({ "trusted_root.json": JSON.stringify(trustedRootOf(createWorld())) });
    writeRepository(repository.files, join(cluster.folder, "mirror"));
    const tuf = { root: Buffer.from(repository.root).toString("base64"), mirror: "https://tuf.example.com" };
    const update = (name: string) =>
      trust(["root", "update", "--policy", name, "--mirror", pathToFileURL(join(cluster.folder, "mirror")).href]);
    expect(await update("cluster")).toMatchObject({ code: 3, stderr: expect.stringContaining("TRUST_ROOT_NOT_FOUND") });
    await apply({
      apiVersion: "imagetrust.dev/v1alpha1",
      kind: "TrustRoot",
      metadata: { name: "acme" },
      spec: { tuf },
    });
    expect(await update("cluster")).toMatchObject({ code: 0, stdout: expect.stringContaining("updated  acme") });
    await done(["delete", "trustroot.imagetrust.dev", "acme"]);
  });

  it("may be none at all, which is said", async () => {
    await done(["delete", "clustertrustpolicies", "--all"]);
    const { code, stderr } = await trust(["verify", "--policy", "cluster", images.old]);
    expect([code, stderr]).toEqual([1, expect.stringContaining("there are no policies in the cluster")]);
    const first = await trust(["policy", "diff", "cluster", "bob.json", "--image", images.next]);
    expect([first.code, first.stdout]).toEqual([0, expect.stringContaining("admitted")]);
  });
});
