import { basename } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { policyKindNames } from "../../src/index.ts";
import { describeKubernetes, type Kubernetes, startKubernetes } from "../support/kubernetes.ts";
import type { RunResult } from "../support/process.ts";
import { clusterPolicy, type Manifest, namespace } from "./objects.ts";
import { policyFiles, policyObjects } from "./policy-files.ts";
import { applyCrds, projectFile } from "./stage.ts";

const examples = policyFiles("policies/examples");
const valid = policyFiles("test/fixtures/policies/valid");
const invalid = (name: string) => policyFiles("test/fixtures/policies/invalid").find((file) => basename(file) === name);
const key = projectFile("test/fixtures/policies/keys/release.pub");

describeKubernetes("our custom resource definitions, without any webhook", () => {
  let cluster: Kubernetes;
  beforeAll(async () => {
    cluster = await startKubernetes();
    const spaces = [...examples, ...valid].flatMap(policyObjects).map(({ metadata }) => metadata.namespace);
    const objects = [...new Set(spaces)].filter((name) => name !== undefined).map((name) => namespace(name));
    expect(await apply(objects)).toMatchObject({ code: 0 });
    expect(await applyCrds(cluster)).toMatchObject({ stderr: "" });
  });
  afterAll(() => cluster?.close());

  const apply = (objects: readonly Manifest[], ...args: readonly string[]): Promise<RunResult> => {
    const input = JSON.stringify({ apiVersion: "v1", kind: "List", items: objects });
    return cluster.kubectl(["apply", "-f", "-", ...args], { input });
  };

  const versions = (objects: readonly Manifest[]): Promise<readonly string[]> =>
    Promise.all(
      objects.map(async ({ kind, metadata: { name, namespace } }) => {
        const where = namespace === undefined ? [] : ["-n", namespace];
        const path = "jsonpath={.metadata.generation} {.metadata.resourceVersion}";
        return (await cluster.kubectl(["get", kind, name, ...where, "-o", path])).stdout;
      }),
    );

  it("are established, structural, and of no name that another has", async () => {
    const { stdout } = await cluster.kubectl(["get", "crds", "-o", "json"]);
    const { items } = JSON.parse(stdout) as { readonly items: readonly CustomResourceDefinition[] };
    expect(items.map(({ status }) => status.acceptedNames.kind).sort()).toEqual([...policyKindNames].sort());
    for (const { metadata, status } of items) {
      const conditions = status.conditions.map(({ type, status }) => `${type} ${status}`).sort();
      expect(conditions, metadata.name).toEqual(["Established True", "NamesAccepted True"]);
    }
  });

  it.each([...examples, ...valid].map((file) => [basename(file), file]))("accept %s", async (_, file) => {
    const objects = policyObjects(file);
    expect(objects.length).toBeGreaterThan(0);
    expect(await apply(objects, "--dry-run=server")).toMatchObject({ code: 0, stderr: "" });
    expect(await apply(objects)).toMatchObject({ code: 0, stderr: "" });
    const before = await versions(objects);
    expect(await apply(objects)).toMatchObject({ code: 0, stderr: "" });
    expect(await versions(objects), "of what is applied again").toEqual(before);
    const server = ["--server-side", "--force-conflicts"];
    expect(await apply(objects, ...server)).toMatchObject({ code: 0 });
  });

  it.each([
    ["misspelt-mode.yaml", /spec\.mode/],
    ["empty-authorities.yaml", /spec\.authorities/],
    ["missing-images.yaml", /spec\.images: Required/],
    ["authority-name-twice.yaml", /spec\.authorities\[1\]: Duplicate/],
    ["static-and-key.yaml", /spec\.authorities\[0\]/],
    ["threshold-zero.yaml", /threshold 0 needs attestations/],
    ["key-empty.yaml", /spec\.authorities\[0\]\.key/],
    ["keyless-everybody.yaml", /identities\[0\]/],
    ["exception-without-expiry.yaml", /spec\.expires: Required/],
    ["exception-glob-and-digest.yaml", /spec\.images\[0\]/],
    ["trust-root-neither.yaml", /spec/],
    ["unknown-field.yaml", /unknown field "spec\.imagez"/],
    ["name-with-capitals.yaml", /metadata\.name/],
  ])("refuse %s for its shape", async (name, words) => {
    const { code, stderr } = await cluster.kubectl(["create", "--dry-run=server", "-f", invalid(name) ?? name]);
    expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringMatching(words) });
  });

  it("refuse mirrors in a policy of one namespace", async () => {
    const mirrors = [{ from: "registry.example.com", to: "mirror.example.com" }];
    const policy = clusterPolicy("mirrored", "registry.example.com/**", key, { mirrors });
    expect(await apply([policy], "--dry-run=server")).toMatchObject({ code: 0 });
    const tenant = { ...policy, kind: "TrustPolicy", metadata: { name: "mirrored", namespace: "default" } };
    expect(await apply([tenant])).toMatchObject({ code: 1, stderr: expect.stringContaining("mirrors") });
  });

  it("complete what a policy leaves out", async () => {
    expect(await apply([clusterPolicy("brief", "registry.example.com/**", key)])).toMatchObject({ code: 0 });
    const { stdout } = await cluster.kubectl(["get", "ctp", "brief", "-o", "json"]);
    const { spec } = JSON.parse(stdout) as { readonly spec: object };
    expect(spec).toMatchObject({ mode: "enforce", threshold: 1, platforms: "index", signedIdentity: "any" });
  });

  it("show in columns what matters, under short names and all of them together", async () => {
    const warned = clusterPolicy("warned", "registry.example.com/**", key, { mode: "warn", threshold: 1 });
    const names = { apiVersion: "imagetrust.dev/v1alpha1", kind: "TrustException", metadata: { name: "incident" } };
    const images = [{ glob: "registry.example.com/a" }];
    const spec = { images, expires: "2999-01-01T00:00:00Z", reason: "incident 4711", approvedBy: "alice" };
    expect(await apply([warned, { ...names, spec }])).toMatchObject({ code: 0 });
    const rows = async (...args: string[]) => (await cluster.kubectl(["get", ...args])).stdout.split("\n");
    const [head, row] = await rows("ctp", "warned");
    expect([head, row]).toEqual([
      expect.stringMatching(/^NAME +MODE +THRESHOLD +READY +AGE/),
      expect.stringMatching(/^warned +warn +1 /),
    ]);
    expect(await rows("tex", "incident")).toEqual([
      expect.stringMatching(/^NAME +EXPIRES +REASON +APPROVED-BY +READY +AGE/),
      expect.stringMatching(/^incident +2999-01-01T00:00:00Z +incident 4711 +alice /),
      "",
    ]);
    expect((await rows("tp", "-A"))[0]).toMatch(/^NAMESPACE +NAME +MODE +THRESHOLD +READY +AGE/);
    expect((await rows("troot"))[0]).toMatch(/^NAME +READY +AGE/);
    const together = (await rows("trust", "-A")).join("\n");
    expect(together).toMatch(/clustertrustpolicy\S+\/warned[\s\S]*trustexception\S+\/incident/);
  });

  it("keep a status apart from the specification", async () => {
    expect(await apply([clusterPolicy("stated", "registry.example.com/**", key)])).toMatchObject({ code: 0 });
    const condition = { type: "Ready", status: "False", reason: "Unusable", message: "no" };
    const conditions = [{ ...condition, lastTransitionTime: "2026-01-01T00:00:00Z", observedGeneration: 1 }];
    const patch = JSON.stringify({ spec: { mode: "audit" }, status: { observedGeneration: 1, conditions } });
    const change = ["patch", "ctp", "stated", "--type=merge", "--subresource=status", "-p", patch];
    expect(await cluster.kubectl(change)).toMatchObject({ code: 0, stderr: "" });
    expect((await cluster.kubectl(["get", "ctp", "stated"])).stdout).toMatch(/stated +enforce +1 +False /);
  });
});

interface CustomResourceDefinition {
  readonly metadata: { readonly name: string };
  readonly status: {
    readonly acceptedNames: { readonly kind: string };
    readonly conditions: readonly { readonly type: string; readonly status: string }[];
  };
}
