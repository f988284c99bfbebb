import { createPublicKey } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { foreignRoot, sigstoreKeysOf } from "../support/foreign.ts";
import { describeKubernetes } from "../support/kubernetes.ts";
import { quietPort } from "../support/kubernetes-programs.ts";
import { describePeers } from "../support/peers.ts";
import { newPrivateKey } from "../support/signers.ts";
import { createWorld } from "../support/sigstore/world.ts";
import { ask, get } from "./ask.ts";
import { eventually } from "./eventually.ts";
import { expectDone } from "./expect-done.ts";
import { applyForeignCrds, foreignCrdsPeer } from "./foreign-crds.ts";
import { clusterPolicy, type Manifest, namespace, pod } from "./objects.ts";
import { policyWebhook } from "./registrations.ts";
import { type ClusterStage, startClusterStage } from "./stage.ts";
import { documentedRights, webhookAccount } from "./webhook-account.ts";
import { startWebhookProcess, type WebhookProcess } from "./webhook-process.ts";

const native = { apiVersion: "imagetrust.dev/v1alpha1" };
const other = newPrivateKey();
const otherKey = createPublicKey(other).export({ type: "spki", format: "pem" }).toString();

function secret(name: string, namespace: string, entries: Readonly<Record<string, string>>): Manifest {
  return { apiVersion: "v1", kind: "Secret", metadata: { name, namespace }, stringData: entries };
}

type Condition = Readonly<Record<string, unknown>>;

describeKubernetes("policies in the cluster", () => {
  let stage: ClusterStage;
  /** A webhook with the documented rights and no others. */
  let flags: readonly string[];
  beforeAll(async () => {
    stage = await startClusterStage({
      withoutPolicyFile: true,
      flags: () => ["--cluster", "--evidence-ttl", "1s"],
      unregistered: true,
    });
    await expectDone(stage.apply(["trust-system", "shop", "team-a", "team-b"].map((name) => namespace(name))));
    await expectDone(stage.cluster.kubectl(["apply", "-f", "-"], { input: documentedRights() }));
    flags = [
      "--allow-registry",
      "127.0.0.1",
      "--cluster",
      "--kubeconfig",
      webhookAccount(stage.cluster),
      "--evidence-ttl",
      "1s",
    ];
    await stage.webhook.stop();
    await stage.webhook.start(flags);
    await stage.register();
    // Policies are stored as they are, as before the webhook for them was registered.
    await expectDone(
      stage.cluster.kubectl(["delete", "validatingwebhookconfiguration", policyWebhookName(stage.webhook)]),
    );
  });
  afterAll(() => stage?.close());

  const policyWebhookName = (webhook: WebhookProcess) => (policyWebhook(webhook) as Manifest).metadata.name;

  const signedImage = async (name: string, key = stage.key) => {
    const { image, digest } = await stage.push(name);
    await stage.sign(image, key);
    return `${image}@${digest}`;
  };
  const policy = (name: string, glob: string, key = stage.publicKey, spec: object = {}) =>
    clusterPolicy(name, `${stage.host}/${glob}`, key, spec);
  const tenantPolicy = (name: string, ns: string, glob: string, key: string): Manifest => ({
    ...policy(name, glob, key),
    kind: "TrustPolicy",
    metadata: { name, namespace: ns },
  });
  /** Whether a Pod would be admitted; else why not. */
  const tryPod = async (image: string, ns: string) => {
    const { code, stderr } = await stage.apply(pod("try", ns, image), "--dry-run=server");
    return code === 0 ? "admitted" : stderr;
  };
  const comesTo = (what: string, image: string, ns: string, expected: RegExp) => {
    let last = "";
    return eventually(
      what,
      async () => {
        last = await tryPod(image, ns);
        return expected.test(last) ? last : undefined;
      },
      async () => `${last}\n${stage.webhook.log().slice(-3000)}`,
    );
  };
  const ready = async (...object: readonly string[]): Promise<Condition | undefined> => {
    const [found] = await stage.list<{ status?: { conditions?: readonly Condition[] } }>(...object);
    return found?.status?.conditions?.find(({ type }) => type === "Ready");
  };
  const readyComesTo = (status: string, ...object: readonly string[]) =>
    eventually(
      `${object.join(" ")} is ${status}`,
      async () => {
        const condition = await ready(...object);
        return condition?.["status"] === status ? condition : undefined;
      },
      async () => stage.webhook.log().slice(-5000),
    );
  const remove = (...object: readonly string[]) => expectDone(stage.cluster.kubectl(["delete", ...object]));

  it("take effect without a restart, say so, and let go when they are deleted", async () => {
    const image = await signedImage("first/app:1");
    expect(await tryPod(image, "shop")).toContain("NO_POLICY");
    await expectDone(stage.apply(policy("first", "first/**")));
    await comesTo("the policy takes effect", image, "shop", /^admitted$/);
    expect(await readyComesTo("True", "clustertrustpolicy", "first")).toMatchObject({
      reason: "InForce",
      observedGeneration: 1,
    });
    await expectDone(stage.apply(policy("first", "first/**", otherKey)));
    await comesTo("the change takes effect", image, "shop", /SIGNER_NOT_TRUSTED/);
    await remove("clustertrustpolicy", "first");
    await comesTo("the deletion takes effect", image, "shop", /NO_POLICY/);
  });

  it("that do not load deny what they match and nothing else, and kubectl shows it", async () => {
    const [good, bad] = [await signedImage("good/app:1"), await signedImage("bad/app:1")];
    await expectDone(stage.apply([policy("good", "good/**"), policy("bad", "bad/**", "no key at all")]));
    await comesTo("the good one takes effect", good, "shop", /^admitted$/);
    expect(await tryPod(bad, "shop")).toMatch(/POLICY_UNUSABLE/);
    expect(await readyComesTo("False", "clustertrustpolicy", "bad")).toMatchObject({ reason: "Unusable" });
    const { stdout } = await stage.cluster.kubectl(["get", "ctp"]);
    expect(stdout).toMatch(/^bad +enforce +1 +False/m);
    expect(stdout).toMatch(/^good +enforce +1 +True/m);
    expect(stage.webhook.log()).toMatch(/"name":"bad".*policy object unusable/);
    await expectDone(stage.apply(policy("bad", "bad/**")));
    await comesTo("the corrected one takes effect", bad, "shop", /^admitted$/);
    await readyComesTo("True", "clustertrustpolicy", "bad");
  });

  it("of a tenant that do not load deny in its namespace only, and hold up nobody's revocation", async () => {
    const image = await signedImage("tenants/app:1");
    await expectDone(stage.apply(policy("tenants", "tenants/**")));
    await comesTo("the policy takes effect", image, "team-a", /^admitted$/);
    await expectDone(stage.apply(tenantPolicy("broken", "team-a", "**", "no key")));
    await comesTo("the tenant denies itself", image, "team-a", /POLICY_UNUSABLE/);
    expect(await tryPod(image, "team-b")).toBe("admitted");
    const revoked = { at: "2020-01-01T00:00:00Z", reason: "stolen" };
    const authorities = [{ name: "release", key: { data: stage.publicKey, revoked } }];
    await expectDone(stage.apply(policy("tenants", "tenants/**", stage.publicKey, { authorities })));
    await comesTo("the revocation takes effect elsewhere", image, "team-b", /KEY_REVOKED|SIGNER_NOT_TRUSTED/);
    await readyComesTo("False", "trustpolicy", "broken", "-n", "team-a");
    await remove("trustpolicy", "broken", "-n", "team-a");
  });

  it("take their keys from Secrets, and follow them", async () => {
    const image = await signedImage("secret/app:1");
    const secretRef = { name: "release-keys", key: "cosign.pub" };
    const authorities = [{ name: "release", key: { secretRef } }];
    await expectDone(stage.apply(policy("secret", "secret/**", "", { authorities })));
    await comesTo("the missing Secret denies", image, "shop", /POLICY_UNUSABLE/);
    await expectDone(stage.apply(secret("release-keys", "trust-system", { "cosign.pub": stage.publicKey })));
    await comesTo("the key is there", image, "shop", /^admitted$/);
    await expectDone(stage.apply(secret("release-keys", "trust-system", { "cosign.pub": otherKey })));
    await comesTo("the key is rotated", image, "shop", /SIGNER_NOT_TRUSTED/);
    // The rights name one Secret; of others only the policies suffer that name them.
    const unreadable = { authorities: [{ name: "release", key: { secretRef: { ...secretRef, name: "others" } } }] };
    await expectDone(stage.apply(policy("unreadable", "unreadable/**", "", unreadable)));
    const { message } = await readyComesTo("False", "clustertrustpolicy", "unreadable");
    expect(message).toMatch(/Secret trust-system\/others .* list secrets/);
    expect(stage.webhook.log()).not.toContain(otherKey.split("\n")[1]);
    await remove("clustertrustpolicy", "secret", "unreadable");
  });

  it("apply to namespaces by their labels, as those are now", async () => {
    const image = await signedImage("labels/app:1");
    const match = [{ namespaceSelector: { matchLabels: { tier: "web" } } }];
    await expectDone(
      stage.apply([policy("labels", "labels/**"), policy("web-only", "labels/**", otherKey, { match })]),
    );
    await readyComesTo("True", "clustertrustpolicy", "web-only");
    await comesTo("the namespace is not selected", image, "shop", /^admitted$/);
    await expectDone(stage.cluster.kubectl(["label", "namespace", "shop", "tier=web"]));
    await comesTo("the namespace is selected", image, "shop", /SIGNER_NOT_TRUSTED/);
    await expectDone(stage.cluster.kubectl(["label", "namespace", "shop", "tier-"]));
    await comesTo("the namespace is not selected any more", image, "shop", /^admitted$/);
  });

  it("know the labels of a namespace that was made a moment ago", async () => {
    const image = await signedImage("labels/app:2");
    for (const turn of [1, 2, 3]) {
      await expectDone(stage.apply(namespace(`web-${turn}`, { tier: "web" })));
      expect(await tryPod(image, `web-${turn}`)).toContain("SIGNER_NOT_TRUSTED");
      await expectDone(stage.apply(namespace(`plain-${turn}`)));
      expect(await tryPod(image, `plain-${turn}`)).toBe("admitted");
    }
    await remove("clustertrustpolicy", "labels", "web-only");
  });

  it("are excepted from for as long as an exception is there and not over", async () => {
    const image = await signedImage("excepted/app:1", other);
    await expectDone(stage.apply(policy("excepted", "excepted/**")));
    await comesTo("the policy denies", image, "shop", /SIGNER_NOT_TRUSTED/);
    const exception = (name: string, expires: number): Manifest => ({
      ...native,
      kind: "TrustException",
      metadata: { name },
      spec: {
        images: [{ glob: `${stage.host}/excepted/**` }],
        namespaces: ["shop"],
        expires: new Date(expires).toISOString(),
        reason: "incident 4711",
        approvedBy: "security@example.com",
      },
    });
    await expectDone(stage.apply(exception("long", Date.now() + 3_600_000)));
    await comesTo("the exception takes effect", image, "shop", /^admitted$/);
    expect(await tryPod(image, "team-a")).toContain("SIGNER_NOT_TRUSTED");
    await remove("trustexception", "long");
    await comesTo("the exception is gone", image, "shop", /SIGNER_NOT_TRUSTED/);
    const held = exception("held", Date.now() + 3_600_000);
    const metadata = { ...held.metadata, finalizers: ["example.com/hold"] };
    await expectDone(stage.apply({ ...held, metadata }));
    await comesTo("the held exception takes effect", image, "shop", /^admitted$/);
    await expectDone(stage.cluster.kubectl(["delete", "--wait=false", "trustexception", "held"]));
    await comesTo("one on its way out lets nothing pass", image, "shop", /SIGNER_NOT_TRUSTED/);
    const release = ["patch", "trustexception", "held", "--type=merge", "-p", '{"metadata":{"finalizers":null}}'];
    await expectDone(stage.cluster.kubectl(release));
    await expectDone(stage.apply(exception("short", Date.now() + 4000)));
    await comesTo("the short exception takes effect", image, "shop", /^admitted$/);
    await comesTo("the short exception is over", image, "shop", /EXCEPTION_EXPIRED|SIGNER_NOT_TRUSTED/);
    await remove("trustexception", "short");
  });

  it("stay in force while the API server is away, and change again when it is back", async () => {
    const known = await signedImage("away/app:1");
    await expectDone(stage.apply(policy("away", "away/**")));
    await comesTo("the policy takes effect", known, "shop", /^admitted$/);
    await stage.cluster.stopApiServer();
    const unsigned = await stage.push("away/unsigned:1");
    const fresh = await signedImage("away/app:2");
    expect(await ask(stage.webhook, fresh, "shop")).toMatchObject({ allowed: true });
    const refused = await ask(stage.webhook, `${unsigned.image}@${unsigned.digest}`, "shop");
    expect(refused).toMatchObject({ allowed: false, status: { message: expect.stringContaining("NO_SIGNATURE") } });
    expect((await get(stage.webhook, "/readyz")).status).toBe(200);
    await eventually("the outage is told", async () =>
      /CLUSTER_UNREACHABLE.*stays in force/.test(stage.webhook.log()) ? true : undefined,
    );
    expect((await get(stage.webhook, "/metrics")).body).toMatch(/^trust_cluster_watch_failures_total [1-9]/m);
    await stage.cluster.startApiServer();
    await expectDone(stage.apply(policy("away", "away/**", otherKey)));
    await comesTo("a change takes effect", fresh, "shop", /SIGNER_NOT_TRUSTED/);
    await remove("clustertrustpolicy", "away");
  });

  it("get one status from any number of webhooks, which then stays as it is", async () => {
    const folder = join(stage.cluster.folder, "second");
    mkdirSync(folder);
    const second = await startWebhookProcess({ folder, port: await quietPort(), flags });
    try {
      await expectDone(stage.apply([policy("twice-good", "twice/**"), policy("twice-bad", "twice/**", "no key")]));
      await readyComesTo("True", "clustertrustpolicy", "twice-good");
      await readyComesTo("False", "clustertrustpolicy", "twice-bad");
      const versions = async () =>
        (await stage.list("clustertrustpolicies")).map(({ metadata }) => Reflect.get(metadata, "resourceVersion"));
      await sleep(1000);
      const before = await versions();
      await sleep(7000);
      expect(await versions()).toEqual(before);
    } finally {
      await second.stop();
      await remove("clustertrustpolicy", "twice-good", "twice-bad");
    }
  });

  describePeers([foreignCrdsPeer], "of policy-controller, by its own definitions", () => {
    const foreign = (name: string, glob: string, authority: object): Manifest => ({
      apiVersion: "policy.sigstore.dev/v1alpha1",
      kind: "ClusterImagePolicy",
      metadata: { name },
      spec: { images: [{ glob: `${stage.host}/${glob}` }], authorities: [authority] },
    });
    // Its conversion does not run. The webhook watches the kind before there is an object, when either version can be listed.
    beforeAll(async () => {
      await applyForeignCrds(stage.cluster, "as-published");
      await stage.webhook.stop();
      await stage.webhook.start(flags);
    });

    it("take effect with the trust roots they name, and get the status that nobody else writes", async () => {
      const image = await signedImage("foreign/app:1");
      await expectDone(stage.apply(foreign("by-key", "foreign/**", { key: { data: stage.publicKey } })));
      await comesTo("the policy takes effect", image, "shop", /^admitted$/);
      await readyComesTo("True", "clusterimagepolicies.v1alpha1.policy.sigstore.dev", "by-key");
      const identities = [{ issuer: "https://issuer.example.com", subject: "ci" }];
      const keyless = { keyless: { identities, trustRootRef: "own" } };
      await expectDone(stage.apply(foreign("by-root", "foreign/**", keyless)));
      await comesTo("the root is missing", image, "shop", /trust root/);
      await expectDone(stage.apply(foreignRoot("own", { sigstoreKeys: sigstoreKeysOf(createWorld()) }) as Manifest));
      await comesTo("the root is there", image, "shop", /SIGNER_NOT_TRUSTED/);
      await remove("clusterimagepolicies.v1alpha1.policy.sigstore.dev", "by-root");
      await comesTo("the policy is gone", image, "shop", /^admitted$/);
    });
  });

  it("are counted", async () => {
    const { body } = await get(stage.webhook, "/metrics");
    expect(body).toMatch(/^trust_policy_objects\{kind="ClusterTrustPolicy",state="in_force"\} [1-9]/m);
    expect(body).toMatch(/^trust_policy_objects\{kind="TrustRoot.policy.sigstore.dev",state="unusable"\} 0/m);
    const seen = /^trust_cluster_watch_last_seen_timestamp_seconds\{kind="TrustPolicy"\} ([\d.e+]+)/m.exec(body)?.[1];
    expect(Date.now() / 1000 - Number(seen)).toBeLessThan(600);
  });
});
