import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sigstoreBundle } from "../../src/formats/sigstore-bundle.ts";
import { signImage } from "../../src/sign.ts";
import { runTrust } from "../support/cli.ts";
import { tempDir } from "../support/process.ts";
import { newSigner } from "../support/signers.ts";
import type { Stage } from "../support/stage.ts";
import { openStage } from "../support/stage.ts";

const root = join(import.meta.dirname, "../..");
const folder = tempDir("policy-tools");
const at = (...parts: readonly string[]) => join(folder.path, ...parts);
const write = (name: string, content: string | object) =>
  writeFileSync(at(name), typeof content === "string" ? content : JSON.stringify(content, undefined, 1));
const run = (...args: readonly string[]) => runTrust(["policy", ...args], { folder: folder.path });
const evidence = "policies/tests/require-signature.evidence.json";
const image = "registry.example.com/prod/app:1.2";

beforeAll(() => cpSync(join(root, "policies"), at("policies"), { recursive: true }));
afterAll(() => folder.cleanup());

const testOf = (cases: readonly object[], more: object = {}) => ({
  kind: "PolicyTest",
  policies: ["policies/examples/require-signature.yaml"],
  evidence: [evidence],
  now: "2026-11-20T00:00:00Z",
  cases,
  ...more,
});
const signed = { name: "signed", image, expect: { outcome: "allow" } };

describe("trust policy test", () => {
  it("passes where every case does", async () => {
    const { code, stdout } = await run("test", "policies/tests");
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^\d+ cases: \d+ passed, 0 failed \(\d+ ms\)$/m)]);
  });

  it("fails with the place of the case, what is unlike, and the whole verdict", async () => {
    const wrong = {
      name: "not signed",
      image: "registry.example.com/prod/app:dev",
      expect: { outcome: "allow", status: "trusted" },
    };
    write("failing.json", testOf([signed, wrong]));
    const { code, stdout } = await run("test", "failing.json", "--failed");
    expect(code).toBe(1);
    expect(stdout).toContain("failing.json:18:3: not signed");
    expect(stdout).toContain("expected outcome allow, got deny");
    expect(stdout).toContain("NO_SIGNATURE");
    expect(stdout).toContain("2 cases: 1 passed, 1 failed");
    expect(stdout).not.toMatch(/^pass/m);
  });

  it.each([
    ["another code", { outcome: "deny", code: "KEY_REVOKED" }],
    ["another policy", { outcome: "deny", policy: "other" }],
    ["another status", { outcome: "deny", status: "no-policy" }],
    ["a policy that passes", { outcome: "allow", policy: "require-signature" }],
  ])("fails for %s", async (_, expected) => {
    write("one.json", testOf([{ name: "dev", image: "registry.example.com/prod/app:dev", expect: expected }]));
    expect((await run("test", "one.json")).code).toBe(1);
  });

  it("never passes a denial that rests on missing evidence, and says how to record it", async () => {
    write(
      "missing.json",
      testOf([{ name: "x", image: "registry.example.com/prod/other:1", expect: { outcome: "deny" } }]),
    );
    const { code, stdout } = await run("test", "missing.json");
    expect(code).toBe(3);
    expect(stdout).toContain("EVIDENCE_NOT_RECORDED");
    expect(stdout).toContain("trust policy record registry.example.com/prod/other:1");
  });

  it("says how to record a file that is not there, and runs the other files", async () => {
    mkdirSync(at("several"), { recursive: true });
    write(
      "several/a.json",
      testOf([signed], { policies: ["../policies/examples/require-signature.yaml"], evidence: ["app.evidence.json"] }),
    );
    write(
      "several/b.json",
      testOf([signed], { policies: ["../policies/examples/require-signature.yaml"], evidence: [`../${evidence}`] }),
    );
    const { code, stdout, stderr } = await run("test", "several");
    expect(code).toBe(3);
    expect(stderr).toMatch(
      /FILE_NOT_FOUND: several\/a\.json: .*\n(?:.*\n)*.*trust policy record IMAGE --file app\.evidence\.json/,
    );
    expect(stdout).toContain("1 case: 1 passed, 0 failed, 1 file that cannot be used");
  });

  it.each([
    ["an unknown field", { kind: "PolicyTest", expects: [] }, /bad\.json:\d+:\d+: .*expects/],
    [
      "an unknown code",
      testOf([{ ...signed, expect: { outcome: "deny", code: "NO_SIGNATUR" } }]),
      /bad\.json:\d+:\d+: .*did you mean NO_SIGNATURE/,
    ],
    ["an outcome that is none", testOf([{ ...signed, expect: { outcome: "denied" } }]), /bad\.json:\d+:\d+: .*outcome/],
    ["no time", testOf([signed], { now: undefined }), /now is missing/],
    ["a name twice", testOf([signed, signed]), /bad\.json:\d+:\d+: cases\[1\]\.name is taken/],
    ["no case", testOf([]), /bad\.json:\d+:\d+: cases is not valid/],
    ["another kind", { kind: "ClusterTrustPolicy" }, /bad\.json/],
  ])("refuses %s, with its place", async (_, content, message) => {
    write("bad.json", content);
    const { code, stderr } = await run("test", "bad.json");
    expect(code).toBe(3);
    expect(stderr).toMatch(message);
    expect(stderr).toContain("docs/policy-testing.md");
  });

  it("finds no test where there is none", async () => {
    expect((await run("test", "policies/examples")).stderr).toContain("POLICY_NOT_FOUND");
    expect((await run("test", "nowhere")).code).toBe(3);
  });

  it("refuses policies that do not load, and evidence that was changed", async () => {
    write("broken.yaml", "kind: Nonsense\n");
    write("invalid.json", testOf([signed], { policies: ["broken.yaml"] }));
    expect((await run("test", "invalid.json")).code).toBe(3);
    write("changed.evidence.json", readFileSync(at(evidence), "utf8").replace('"User": "10001"', '"User": "root"'));
    write("changed.json", testOf([signed], { evidence: ["changed.evidence.json"] }));
    expect((await run("test", "changed.json")).code).toBe(3);
  });

  it("writes JSON and JUnit, in which nothing of an image is markup", async () => {
    const odd = { name: 'odd <&"\u0007>', image: "<script>", expect: { outcome: "allow" } };
    write("report.json", testOf([signed, odd]));
    const { code, stdout } = await run("test", "report.json", "--junit", "report.xml", "--output", "json");
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject([
      {
        name: "signed",
        passed: true,
        place: expect.stringMatching(/^report\.json:\d+:\d+$/),
        verdict: { outcome: "allow" },
      },
      { passed: false, problems: ["expected outcome allow, got deny"] },
    ]);
    const xml = readFileSync(at("report.xml"), "utf8");
    expect(xml).toContain('<testsuites name="trust policy test" tests="2" failures="1" errors="0">');
    expect(xml).toContain('name="odd &lt;&amp;&quot;\u{fffd}&gt;"');
    expect(xml).not.toContain("<script>");
  });
});

describe("trust policy check", () => {
  it("tells every problem at once, with its place", async () => {
    write("worse.yaml", "kind: Nonsense\n---\nkind: Other\n");
    const { code, stdout } = await run("check", "worse.yaml", "--output", "json");
    expect(code).toBe(3);
    expect(JSON.parse(stdout)).toMatchObject([
      { level: "error", place: "worse.yaml:1:7" },
      { level: "error", place: "worse.yaml:3:7" },
    ]);
  });

  it("tells more problems than an error does", async () => {
    write("many.yaml", Array.from({ length: 30 }, () => "kind: Nonsense").join("\n---\n"));
    expect((await run("check", "many.yaml")).stdout).toContain("30 problems");
  });

  it("passes with warnings unless it is strict", async () => {
    const path = "policies/examples/exempt-base-images.yaml";
    expect((await run("check", path, "--strict")).code).toBe(0);
    write(
      "twin.yaml",
      readFileSync(at(path), "utf8")
        .replace("name: exempt-base-images", "name: twin")
        .replace("keys/", "policies/examples/keys/"),
    );
    const { code, stdout } = await run("check", path, "twin.yaml");
    expect([code, stdout]).toEqual([0, expect.stringContaining("1 warning")]);
    expect((await run("check", path, "twin.yaml", "--strict")).code).toBe(1);
  });
});

describe("trust policy explain", () => {
  const explain = (...args: readonly string[]) => run("explain", "--policy", "policies/examples", ...args);

  it("says which policies match, why, and what they need, without a registry", async () => {
    const { code, stdout } = await explain("registry.example.com/payments/api:1", "--output", "json");
    expect(code).toBe(0);
    const [{ policies }] = JSON.parse(stdout) as [
      { policies: { name: string; applies: string; because: string[]; needs: string[] }[] },
    ];
    const two = policies.find(({ name }) => name === "two-signers");
    expect(two).toMatchObject({ applies: "matches", because: ["images: registry.example.com/payments/** fits"] });
    expect(two?.needs[0]).toMatch(/^2 of 3/);
    expect(policies.find(({ name }) => name === "release-tags")).toMatchObject({
      applies: "silent",
      because: [expect.stringContaining("none of registry.example.com/*/app")],
    });
  });

  it("says why each rule of match does not hold for an object", async () => {
    write(
      "web.yaml",
      "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: { name: web, namespace: prod, labels: { app: web } }\n",
    );
    const { stdout } = await explain("nginx", "--object", "web.yaml", "--all");
    expect(stdout).toContain("only-some-objects, enforce: silent");
    expect(stdout).toContain("match: rule 1 wants deployments or statefulsets, not daemonsets");
    expect(stdout).toContain("staging-and-production, enforce: unknown");
  });

  it("says that the default decides where nobody enforces", async () => {
    const { stdout } = await run("explain", "--policy", "policies/examples/require-signature.yaml", "nginx");
    expect(stdout).toContain("the default decides: deny");
  });

  it("speaks of a ClusterImagePolicy as it is meant: any authority, short names", async () => {
    const key = readFileSync(at("policies/examples/keys/example-ci.pub"), "utf8");
    write("foreign.json", {
      apiVersion: "policy.sigstore.dev/v1beta1",
      kind: "ClusterImagePolicy",
      metadata: { name: "foreign" },
      spec: {
        images: [{ glob: "nginx*" }],
        authorities: [
          { name: "one", key: { data: key }, source: [{ oci: "registry.example.com/signatures" }] },
          { name: "two", key: { kms: "gcpkms://x" } },
        ],
      },
    });
    const { stdout } = await run("explain", "--policy", "foreign.json", "nginx:1", "--all");
    expect(stdout).toContain("foreign, enforce: matches");
    expect(stdout).toContain("images: nginx* fits");
    expect(stdout).toContain("any of:");
    expect(stdout).toContain("two never passes");
    expect(stdout).toContain("signatures are looked for at registry.example.com/signatures, too");
    expect((await run("explain", "--policy", "foreign.json", "redis:1", "--all")).stdout).toContain(
      "none of nginx* fits",
    );
  });

  it("refuses what is no image or no object", async () => {
    expect((await explain("Not An Image")).code).toBe(2);
    write("two.yaml", "kind: Pod\n---\nkind: Pod\n");
    expect((await explain("nginx", "--object", "two.yaml")).code).toBe(3);
  });
});

describe("trust policy diff", () => {
  const old = "policies/examples/require-signature.yaml";
  const stricter = "stricter.yaml";
  beforeAll(() => {
    const text = readFileSync(at(old), "utf8");
    write(stricter, text.replace("keys/example-release.pub", "policies/examples/keys/example-ci.pub"));
  });

  it("tells what would be denied, first and with its reason, on recorded evidence", async () => {
    const { code, stdout } = await run("diff", old, stricter, "--against", evidence);
    expect(code).toBe(1);
    expect(stdout).toMatch(
      /^denied +allow → deny +registry\.example\.com\/prod\/app:1\.1 +SIGNER_NOT_TRUSTED \(require-signature\)$/m,
    );
    expect(stdout).toContain("2 newly denied, 3 unchanged");
    expect((await run("diff", old, stricter, "--against", evidence, "--fail-on", "never")).code).toBe(0);
    expect((await run("diff", old, old, "--against", evidence)).code).toBe(0);
  });

  it("tells what would be admitted, which is a change only where that is asked", async () => {
    const back = await run("diff", stricter, old, "--against", evidence, "--output", "json");
    expect(back.code).toBe(0);
    expect(JSON.parse(back.stdout)).toMatchObject([
      { change: "admitted", old: { outcome: "deny" }, new: { outcome: "allow" } },
      { change: "admitted" },
    ]);
    expect((await run("diff", stricter, old, "--against", evidence, "--fail-on", "any")).code).toBe(1);
  });

  it("reads manifests, what kubectl prints, and lists of images", async () => {
    const pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "web", namespace: "shop" },
      spec: { containers: [{ image }] },
    };
    write("pod.json", pod);
    write("images.txt", `# what runs\n${image}\n\n`);
    const common = ["diff", old, stricter, "--evidence", evidence, "--against"];
    expect((await run(...common, "pod.json")).stdout).toMatch(/^denied .*Pod shop\/web/m);
    expect((await run(...common, "images.txt")).stdout).toContain("1 newly denied");
    const list = JSON.stringify({ apiVersion: "v1", kind: "List", items: [pod] });
    const piped = await runTrust(["policy", ...common, "-"], { folder: folder.path, stdin: list });
    expect([piped.code, piped.stdout]).toEqual([1, expect.stringContaining("Pod shop/web")]);
  });

  it("calls unknown what cannot be judged, never a change", async () => {
    const { code, stdout } = await run(
      "diff",
      old,
      stricter,
      "--evidence",
      evidence,
      "--image",
      "registry.example.com/prod/other:1",
    );
    expect([code, stdout]).toEqual([3, expect.stringContaining("1 could not be judged")]);
  });

  it.each([
    ["what runs in the cluster", ["diff", old, stricter, "--against", "cluster"]],
    ["policies of the cluster as the old ones", ["diff", "cluster", stricter, "--image", image]],
    ["policies of the cluster as the new ones", ["diff", old, "cluster", "--image", image]],
    ["policies of the cluster to check", ["check", "cluster"]],
    ["policies of the cluster beside files", ["check", old, "cluster"]],
    ["policies of the cluster to explain", ["explain", "--policy", "cluster", image]],
    ["policies of the cluster for a recording", ["record", "--policy", "cluster", image]],
  ])("asks the cluster that is named for %s", async (_, args) => {
    write("kubeconfig", { apiVersion: "v1", kind: "Config", contexts: [] });
    const { code, stderr } = await run(...args, "--kubeconfig", "kubeconfig", "--context", "nowhere");
    expect([code, stderr]).toEqual([3, expect.stringMatching(/CLUSTER_CONFIG_INVALID[\s\S]*nowhere/)]);
  });

  it("takes a folder called cluster by its path", async () => {
    mkdirSync(at("cluster"));
    cpSync(at(old), at("cluster/policy.yaml"));
    cpSync(at("policies/examples/keys"), at("cluster/keys"), { recursive: true });
    expect((await run("diff", "./cluster", old, "--against", evidence)).code).toBe(0);
    expect((await run("check", "./cluster")).code).toBe(0);
    for (const args of [
      ["check", "cluster"],
      ["explain", "-p", "cluster", image],
      ["diff", old, old, "--against", "cluster"],
    ]) {
      const { code, stderr } = await run(...args);
      expect([code, stderr]).toEqual([3, expect.stringContaining("what is called so here is ./cluster")]);
    }
  });

  it("puts objects of files into one namespace", async () => {
    const { code, stderr } = await run("diff", old, stricter, "--against", "pod.json", "-n", "a", "-n", "b");
    expect([code, stderr]).toEqual([2, expect.stringContaining("a, b")]);
  });
});

describe("with a registry", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await openStage();
  });
  afterAll(() => stage.close());

  it("records what a test then passes on, with the registry gone", async () => {
    const signer = newSigner();
    const { ref, text } = await stage.newImage("recorded/app:1");
    await signImage(stage.registry, { image: ref, signer, formats: [sigstoreBundle], now: Date.now() });
    write("key.pub", signer.publicKey.keyObject.export({ type: "spki", format: "pem" }).toString());
    const authorities = [{ name: "release", key: { file: "key.pub" } }];
    const spec = { images: [{ glob: `${stage.host}/recorded/**` }], authorities };
    write("recorded-policy.json", {
      apiVersion: "imagetrust.dev/v1alpha1",
      kind: "ClusterTrustPolicy",
      metadata: { name: "recorded" },
      spec,
    });
    const recorded = await run("record", text, "--file", "recorded.evidence.json");
    expect([recorded.code, recorded.stdout]).toEqual([0, ""]);
    expect((await run("record", text)).stdout).toBe(readFileSync(at("recorded.evidence.json"), "utf8"));
    const absent = await run("record", `${stage.host}/recorded/app:slip`, "--file", "absent.evidence.json");
    expect([absent.code, absent.stderr]).toEqual([0, expect.stringContaining("not there")]);
    expect(recorded.stderr).not.toContain("not there");
    const explained = await run("explain", "--policy", "recorded-policy.json", "--verify", text);
    expect([explained.code, explained.stdout]).toEqual([0, expect.stringContaining("allow, trusted")]);

    stage.requests.length = 0;
    const live = await run("diff", "recorded-policy.json", "recorded-policy.json", "--image", text);
    expect([live.code, live.stdout]).toEqual([0, expect.stringContaining("1 unchanged")]);
    await stage.outage();
    const unknown = await run("diff", "recorded-policy.json", "recorded-policy.json", "--image", text);
    expect([unknown.code, unknown.stdout]).toEqual([4, expect.stringContaining("1 could not be judged")]);
    write(
      "recorded.json",
      testOf([{ name: "recorded", image: text, expect: { outcome: "allow" } }], {
        policies: ["recorded-policy.json"],
        evidence: ["recorded.evidence.json"],
      }),
    );
    expect((await run("test", "recorded.json")).code).toBe(0);
    expect((await run("record", text)).code).toBe(4);
  });
});
