import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseReference } from "../../src/oci/reference.ts";
import { loadPolicies } from "../../src/policy/load.ts";
import { matchPolicies } from "../../src/policy/match.ts";
import type { ObjectContext } from "../../src/policy/policy.ts";

const folder = join(import.meta.dirname, "../../policies/examples");
const files = readdirSync(folder).filter((name) => name.endsWith(".yaml"));

/** What each example says about some images: matched, excluded, or silent about them. */
const expectations: Readonly<Record<string, Readonly<Record<string, "matched" | "excluded" | "silent">>>> = {
  "require-signature.yaml": {
    "registry.example.com/prod/app:1.2": "matched",
    "registry.example.com/prod/team/app": "matched",
    "registry.example.com/production/app": "silent",
    nginx: "silent",
  },
  "two-signers.yaml": { "registry.example.com/payments/api": "matched", "registry.example.com/prod/app": "silent" },
  "key-rotation.yaml": { "registry.example.com/shop/web": "matched", "registry.example.com/shop": "silent" },
  "start-with-warnings.yaml": { nginx: "matched", "localhost:5000/a/b/c": "matched" },
  "exempt-base-images.yaml": {
    "registry.example.com/app": "matched",
    "registry.example.com/base/os": "excluded",
    "registry.example.com/base/os/debug": "matched",
    "registry.example.com/mirror/docker.io/library/nginx": "excluded",
    "example.com/base/os": "silent",
  },
  "release-tags.yaml": {
    "registry.example.com/prod/app:v1.2": "matched",
    "registry.example.com/prod/app": "matched",
    "registry.example.com/prod/app:dev": "silent",
    [`registry.example.com/prod/app@sha256:${"a".repeat(64)}`]: "matched",
  },
  "signed-for-production.yaml": { "registry.example.com/staged/app": "matched", nginx: "silent" },
  "revoked-key.yaml": { "registry.example.com/billing/api": "matched", nginx: "silent" },
  "fresh-releases.yaml": { "registry.example.com/releases/app:stable": "matched", nginx: "silent" },
  "only-some-objects.yaml": { nginx: "matched" },
  "stricter-namespace.yaml": { nginx: "silent" },
  "staging-and-production.yaml": { nginx: "matched" },
  "attested-builds.yaml": { "registry.example.com/attested/app:1": "matched", nginx: "silent" },
  "not-as-root.yaml": { "registry.example.com/web/shop:1": "matched", nginx: "silent" },
  "github-actions.yaml": { "ghcr.io/acme/app:1": "matched", "ghcr.io/evil/app:1": "silent" },
  "own-certificates.yaml": { "registry.example.com/certified/app:1": "matched", nginx: "silent" },
  "until-the-move.yaml": { "old-registry.example.com/a/b:1": "matched", "registry.example.com/a/b:1": "silent" },
  "incident-exception.yaml": { "registry.example.com/prod/checkout:1": "silent" },
};

async function said(file: string, image: string, object?: ObjectContext): Promise<string> {
  const [match] = matchPolicies(await loadPolicies([file], folder), parseReference(image), object);
  if (match === undefined) return "silent";
  return match.excluded ? "excluded" : "matched";
}

describe("the examples", () => {
  it("each have a test here and a line in the README", () => {
    expect(Object.keys(expectations).sort()).toEqual(files.sort());
    const readme = readFileSync(join(folder, "../README.md"), "utf8");
    for (const file of files) expect(readme).toContain(`| \`${file}\` |`);
  });

  it("load together, as a folder", async () => {
    const { policies, exceptions = [] } = await loadPolicies(["."], folder);
    expect(policies.length + exceptions.length).toBe(files.length);
  });

  it("are named like their files, and tell editors where the schema is", async () => {
    for (const file of files) {
      const { policies, exceptions = [] } = await loadPolicies([file], folder);
      expect([...policies, ...exceptions].map(({ name }) => `${name}.yaml`)).toEqual([file]);
      expect(readFileSync(join(folder, file), "utf8")).toMatch(
        /^# yaml-language-server: \$schema=\.\.\/schema\.json\n/,
      );
    }
  });

  const cases = Object.entries(expectations).flatMap(([file, images]) =>
    Object.entries(images).map(([image, expected]) => [file, image, expected] as const),
  );
  it.each(cases)("%s about %s: %s", async (file, image, expected) => {
    expect(await said(file, image)).toBe(expected);
  });
});

describe("the examples in the cluster", () => {
  const object = (changes: Partial<ObjectContext>): ObjectContext => ({
    apiGroup: "apps",
    resource: "deployments",
    namespace: "prod",
    labels: {},
    ...changes,
  });

  it("only-some-objects.yaml looks at the kinds, namespaces and labels it names", async () => {
    const file = "only-some-objects.yaml";
    const pod = { apiGroup: "", resource: "pods" } as const;
    expect(await said(file, "nginx", object({}))).toBe("matched");
    expect(await said(file, "nginx", object({ namespace: "prod-eu" }))).toBe("matched");
    expect(await said(file, "nginx", object({ namespace: "dev" }))).toBe("silent");
    expect(await said(file, "nginx", object({ resource: "daemonsets" }))).toBe("silent");
    expect(await said(file, "nginx", object(pod))).toBe("silent");
    expect(await said(file, "nginx", object({ ...pod, labels: { "imagetrust.dev/checked": "true" } }))).toBe("matched");
  });

  it("stricter-namespace.yaml applies in its namespace alone", async () => {
    expect(await said("stricter-namespace.yaml", "nginx", object({ namespace: "payments" }))).toBe("matched");
    expect(await said("stricter-namespace.yaml", "nginx", object({ namespace: "prod" }))).toBe("silent");
  });

  it("two-signers.yaml and key-rotation.yaml ask for the signers they speak of", async () => {
    const { policies } = await loadPolicies(["two-signers.yaml", "key-rotation.yaml"], folder);
    const asked = policies.map(({ name, threshold, authorities }) => ({
      name,
      threshold,
      owners: new Set(authorities.map((authority) => authority.owner ?? authority.name)).size,
      keys: new Set(
        authorities.flatMap((authority) => (authority.kind === "key" ? authority.keys.map(({ keyId }) => keyId) : [])),
      ).size,
    }));
    expect(asked).toEqual([
      { name: "key-rotation", threshold: 1, owners: 1, keys: 2 },
      { name: "two-signers", threshold: 2, owners: 3, keys: 3 },
    ]);
  });

  it("signed-for-production.yaml asks for the annotation", async () => {
    const { policies } = await loadPolicies(["signed-for-production.yaml"], folder);
    expect(policies[0]?.authorities[0]?.annotations).toEqual({ stage: "production" });
  });

  it("staging-and-production.yaml goes by the labels of namespace and object", async () => {
    const file = "staging-and-production.yaml";
    const production = { namespaceLabels: { env: "production" } };
    expect(await said(file, "nginx", object(production))).toBe("matched");
    expect(await said(file, "nginx", object({ namespaceLabels: { env: "dev" } }))).toBe("silent");
    expect(await said(file, "nginx", object({ ...production, labels: { "example.com/tool": "yes" } }))).toBe("silent");
  });

  it("attested-builds.yaml asks for provenance by CI and a recent scan by security", async () => {
    const { policies } = await loadPolicies(["attested-builds.yaml"], folder);
    const [built, scan] = policies[0]?.attestations ?? [];
    expect([built, scan]).toMatchObject([
      { authorities: ["ci"], select: "latest" },
      { authorities: ["security"], select: "latest", maxAge: 7 * 24 * 3600 * 1000 },
    ]);
    const by = (id: string) => built?.condition?.test({ predicate: { runDetails: { builder: { id } } } }).holds;
    expect([by("https://github.com/acme/app"), by("https://github.com/evil/app")]).toEqual([true, false]);
    const found = (predicate: unknown) => scan?.condition?.test({ predicate }).holds;
    const findings = (...severities: string[]) => severities.map((severity) => ({ severity }));
    expect(found({ scanner: { result: { findings: findings("low", "high") } } })).toBe(true);
    expect(found({ scanner: { result: { findings: findings("low", "critical") } } })).toBe(false);
    expect(found({ scanner: { result: {} } })).toBe(false);
  });

  it("not-as-root.yaml refuses root in all the ways it is written, and what does not say", async () => {
    const { policies } = await loadPolicies(["not-as-root.yaml"], folder);
    const runs = (config: object) => policies[0]?.condition?.test({ config: { config } }).holds;
    expect(["1000", "app", "1000:0", "00root"].map((User) => runs({ User }))).toEqual([true, true, true, true]);
    expect(["", "0", "root", "0:0", "root:wheel", ":5"].map((User) => runs({ User }))).not.toContain(true);
    expect(runs({})).toBe(false);
  });

  it("until-the-move.yaml passes what it matches without a signature, and says why", async () => {
    const { policies } = await loadPolicies(["until-the-move.yaml"], folder);
    expect(policies).toMatchObject([{ authorities: [], statics: [{ action: "pass", message: expect.any(String) }] }]);
  });

  it("incident-exception.yaml is for one image in one namespace, under one policy that is there", async () => {
    const set = await loadPolicies(["incident-exception.yaml", "require-signature.yaml"], folder);
    const exceptionsFor = (image: string, context?: ObjectContext) =>
      matchPolicies(set, parseReference(image), context).flatMap(({ exceptions = [] }) => exceptions.length);
    const image = "registry.example.com/prod/checkout:1";
    expect(exceptionsFor(image, object({ namespace: "shop" }))).toEqual([1]);
    expect(exceptionsFor(image, object({ namespace: "prod" }))).toEqual([0]);
    expect(exceptionsFor(image)).toEqual([0]);
    expect(exceptionsFor("registry.example.com/prod/other:1", object({ namespace: "shop" }))).toEqual([0]);
  });

  it("github-actions.yaml names one workflow exactly", async () => {
    const { policies } = await loadPolicies(["github-actions.yaml"], folder);
    expect(policies[0]?.authorities).toMatchObject([{ kind: "keyless", root: { name: "public-good" } }]);
  });

  it("start-with-warnings.yaml only warns, all others enforce", async () => {
    const { policies } = await loadPolicies(["."], folder);
    const lenient = policies.filter(({ mode }) => mode !== "enforce").map(({ name, mode }) => `${name} ${mode}`);
    expect(lenient).toEqual(["start-with-warnings warn"]);
  });
});
