import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { JsonObject } from "../../src/crypto/json.ts";
import { checkPolicyObject, policyKindNames } from "../../src/policy/object-problems.ts";
import { policyKinds } from "../../src/policy/schema.ts";
import { createTufRepository } from "../support/tuf-repository.ts";

const policyObjectProblems = async (object: JsonObject) => (await checkPolicyObject(object)).problems;
const key = readFileSync(join(import.meta.dirname, "../fixtures/policies/keys/release.pub"), "utf8");
const spec = { images: [{ glob: "a/**" }], authorities: [{ name: "a", key: { data: key } }] };
const object = { apiVersion: "imagetrust.dev/v1alpha1", kind: "ClusterTrustPolicy", metadata: { name: "p" }, spec };

describe("a policy as an object", () => {
  it("has none of the problems of one that loads", async () => {
    expect(await policyObjectProblems(object)).toEqual([]);
  });

  it("is told every problem by its field, without a place in a file", async () => {
    const problems = await policyObjectProblems({ ...object, spec: { ...spec, threshold: -1, treshold: 1 } });
    expect(problems.map((line) => line.split(" ")[0]).sort()).toEqual(["spec.threshold", "spec.treshold"]);
  });

  it("may name a trust root that is not there yet", async () => {
    const keyless = { identities: [{ issuer: "https://i", subject: "s" }], trustRoot: "not-there-yet" };
    const named = { ...object, spec: { ...spec, authorities: [{ name: "k", keyless }] } };
    expect(await policyObjectProblems(named)).toEqual([]);
  });

  it("takes nothing of what is not an object, and no other kind", async () => {
    for (const wrong of [{}, { ...object, kind: "Pod" }, { ...object, spec: null }, { ...object, metadata: 1 }])
      expect((await policyObjectProblems(wrong)).length).toBeGreaterThan(0);
  });

  it("has bounds", async () => {
    const images = [{ glob: "a".repeat(3_000_000) }];
    expect(await policyObjectProblems({ ...object, spec: { ...spec, images } })).toEqual([
      expect.stringContaining("larger"),
    ]);
  });

  it.each<[string, object]>([
    ["thousands of values", { images: Array.from({ length: 400_000 }, () => ({})) }],
    ["a list of numbers", { exclude: Array.from({ length: 900_000 }, () => 1) }],
    ["deep values", { images: JSON.parse(`${"[".repeat(500)}${"]".repeat(500)}`) }],
    ["a key that is none", JSON.parse('{"__proto__": {"images": []}}')],
  ])("is looked into only where it may be a policy: %s", async (_, wrong) => {
    expect(await policyObjectProblems({ ...object, spec: wrong })).toEqual([expect.stringContaining("no policy has")]);
  });

  it("has only so much in it that must be compiled", async () => {
    const identities = Array.from({ length: 100 }, (_, index) => ({ issuer: "https://i", subjectRegex: `a${index}` }));
    const authorities = (repeats: number) =>
      Array.from({ length: 10 }, (_, index) => ({
        name: `k${index}`,
        keyless: {
          identities: identities.map((rule) => ({ ...rule, subjectRegex: rule.subjectRegex.repeat(repeats) })),
        },
      }));
    expect(await policyObjectProblems({ ...object, spec: { ...spec, authorities: authorities(1) } })).toEqual([]);
    expect(await policyObjectProblems({ ...object, spec: { ...spec, authorities: authorities(30) } })).toEqual([
      expect.stringContaining("characters of expressions"),
    ]);
  });

  it("is told the first of thousands of problems", async () => {
    const images = Array.from({ length: 15_000 }, () => ({}));
    const strange = Object.fromEntries(images.map((_, index) => [`treshold${index}`, 1]));
    const problems = await policyObjectProblems({ ...object, spec: { ...spec, images, ...strange } });
    expect(problems.length).toBeGreaterThan(10);
    expect(problems.length).toBeLessThan(1000);
  });

  it("is of one of the kinds that load", () => {
    expect([...policyKindNames].sort()).toEqual(Object.keys(policyKinds).sort());
  });
});

describe("keys in Secrets", () => {
  const bySecret = (name: string, more: object = {}) => ({ name, key: { secretRef: { name, ...more } } });

  it("are not looked up, and each counts as another signer", async () => {
    const authorities = [bySecret("a"), bySecret("b"), { name: "c", key: { data: key } }];
    expect(await policyObjectProblems({ ...object, spec: { ...spec, authorities, threshold: 3 } })).toEqual([]);
    expect(await policyObjectProblems({ ...object, spec: { ...spec, authorities, threshold: 4 } })).toEqual([
      expect.stringContaining("spec.threshold"),
    ]);
  });

  it("are those of the namespace in a policy of one", async () => {
    const own = { ...object, kind: "TrustPolicy", metadata: { name: "p", namespace: "shop" } };
    const of = (namespace: string) => ({ ...own, spec: { ...spec, authorities: [bySecret("a", { namespace })] } });
    expect(await policyObjectProblems(of("shop"))).toEqual([]);
    expect(await policyObjectProblems(of("ci"))).toEqual([expect.stringContaining("secretRef.namespace")]);
    expect(
      await policyObjectProblems({ ...object, spec: { ...spec, authorities: [bySecret("a", { namespace: "ci" })] } }),
    ).toEqual([]);
  });
});

describe("a TrustRoot as an object", () => {
  const root = Buffer.from(createTufRepository().root).toString("base64");
  const trustRoot = (mirror: string) => ({
    ...{ apiVersion: "imagetrust.dev/v1alpha1", kind: "TrustRoot", metadata: { name: "acme" } },
    spec: { tuf: { root, mirror } },
  });

  it("is fetched over HTTPS alone", async () => {
    expect(await policyObjectProblems(trustRoot("https://tuf.example.com"))).toEqual([]);
    for (const mirror of ["file:///srv/tuf", "http://127.0.0.1:8080", "http://localhost/tuf"])
      expect(await policyObjectProblems(trustRoot(mirror))).toEqual([expect.stringContaining("spec.tuf.mirror")]);
  });
});

describe("an object of policy-controller", () => {
  const foreign = { apiVersion: "policy.sigstore.dev/v1beta1", kind: "ClusterImagePolicy", metadata: { name: "p" } };
  const images = [{ glob: "**" }];

  it("is checked like our own", async () => {
    expect(await checkPolicyObject({ ...foreign, spec: { images, authorities: [{ key: { data: key } }] } })).toEqual({
      problems: [],
      warnings: [],
    });
    expect(await policyObjectProblems({ ...foreign, spec: { images, authorities: [{ key: {} }] } })).toEqual([
      expect.stringContaining("spec.authorities[0].key"),
    ]);
  });

  it("may name what is not there yet", async () => {
    const keyless = { trustRootRef: "later", identities: [{ issuer: "i", subject: "s" }] };
    const authorities = [{ keyless }, { key: { secretRef: { name: "keys" } } }];
    expect(await checkPolicyObject({ ...foreign, spec: { images, authorities } })).toEqual({
      problems: [],
      warnings: [],
    });
  });

  it("that asks for what is not judged here passes with a warning", async () => {
    const authorities = [
      {
        key: { data: key },
        attestations: [{ name: "a", predicateType: "custom", policy: { type: "cue", data: "x" } }],
      },
    ];
    const { problems, warnings } = await checkPolicyObject({ ...foreign, spec: { images, authorities } });
    expect(problems).toEqual([]);
    expect(warnings).toEqual([expect.stringMatching(/^spec\.authorities\[0\].*CUE/)]);
  });

  it("has only so much in it that must be compiled", async () => {
    const identities = Array.from({ length: 100 }, () => ({ issuer: "i", subjectRegExp: "a".repeat(1000) }));
    expect(
      await policyObjectProblems({ ...foreign, spec: { images, authorities: [{ keyless: { identities } }] } }),
    ).toEqual([expect.stringContaining("characters of expressions")]);
  });
});

describe("the examples", () => {
  it("that take no file load as objects too", async () => {
    const folder = join(import.meta.dirname, "../../policies/examples");
    const { parse } = await import("yaml");
    const texts = readdirSync(folder)
      .filter((name) => name.endsWith(".yaml"))
      .map((name) => readFileSync(join(folder, name), "utf8"));
    const inline = texts.filter((text) => !/\b(?:file|\w*File):/.test(text));
    expect(inline.length).toBeGreaterThan(2);
    for (const text of inline) expect(await policyObjectProblems(parse(text))).toEqual([]);
  });
});

describe("an object of a namespace", () => {
  it("may be less large than one of the cluster, as all of them are kept", async () => {
    const digests = Array.from({ length: 5000 }, (_, index) => `sha256:${String(index).padStart(64, "0")}`);
    const authorities = [{ name: "a", static: { action: "fail" } }];
    const spec = { images: [{ glob: "**" }], authorities, revokedSignatures: digests };
    const check = (kind: string, metadata: object) =>
      checkPolicyObject({ apiVersion: "imagetrust.dev/v1alpha1", kind, metadata, spec });
    expect((await check("ClusterTrustPolicy", { name: "p" })).problems).toEqual([]);
    const { problems } = await check("TrustPolicy", { name: "p", namespace: "prod" });
    expect(problems).toEqual(["the object is larger than 262144 bytes"]);
  });
});
