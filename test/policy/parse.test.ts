import { generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatPublicKey, toPublicKey } from "../../src/crypto/public-key.ts";
import { TrustError } from "../../src/errors.ts";
import { parsePolicies } from "../../src/policy/parse.ts";
import { toPolicySet } from "../../src/policy/policy-set.ts";

const pem = () => formatPublicKey(toPublicKey(generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey));
const first = pem();
const second = pem();

/** A policy as JSON, with changes to its spec. */
function policy(spec: object = {}, name = "production"): Record<string, unknown> {
  return {
    apiVersion: "imagetrust.dev/v1alpha1",
    kind: "ClusterTrustPolicy",
    metadata: { name },
    spec: {
      images: [{ glob: "registry.example.com/prod/**" }],
      authorities: [{ name: "release", key: { data: first } }],
      ...spec,
    },
  };
}

const load = async (...texts: readonly string[]) =>
  toPolicySet(await Promise.all(texts.map((text, index) => parsePolicies(text, `${index}.yaml`))));
const loadJson = async (...values: readonly unknown[]) => load(...values.map((value) => JSON.stringify(value)));

async function problemsOf(text: string): Promise<readonly string[]> {
  return (await parsePolicies(text, "p.yaml")).problems.map(({ place, what }) => `${place} ${what}`);
}

describe("a policy that loads", () => {
  it("has the defaults of the format where nothing is said", async () => {
    const { policies } = await loadJson(policy());
    expect(policies).toMatchObject([
      { name: "production", mode: "enforce", exclude: [], match: [], threshold: 1, source: "0.yaml:1:1" },
    ]);
    expect(policies[0]?.namespace).toBeUndefined();
  });

  it("has its globs in the form that names are matched in", async () => {
    const { policies } = await loadJson(policy({ images: [{ glob: "INDEX.docker.io/nginx" }], exclude: ["acme/*"] }));
    expect(policies[0]?.images).toEqual([{ glob: "docker.io/library/nginx" }]);
    expect(policies[0]?.exclude).toEqual(["docker.io/acme/*"]);
  });

  it("has every key of a text, each once", async () => {
    const authorities = [{ name: "release", key: { data: `Release keys\n${first}${second}\n${first}` } }];
    const { policies } = await loadJson(policy({ authorities }));
    expect(policies[0]?.authorities[0]).toMatchObject({ kind: "key", keys: { length: 2 } });
  });

  it("reads key files through the reader it is given", async () => {
    const text = JSON.stringify(policy({ authorities: [{ name: "release", key: { file: "keys/release.pub" } }] }));
    const asked: string[] = [];
    const readKeyFile = async (file: string) => {
      asked.push(file);
      return second;
    };
    const parsed = await parsePolicies(text, "p.yaml", { readKeyFile });
    expect(asked).toEqual(["keys/release.pub"]);
    expect(toPolicySet([parsed]).policies.length).toBe(1);
  });

  it("lets two authorities have the same key, because signers are counted", async () => {
    const authorities = ["a", "b"].map((name) => ({ name, key: { data: first } }));
    expect((await loadJson(policy({ authorities }))).policies[0]?.authorities.length).toBe(2);
  });

  it("may need as many signers as there are owners with a key of their own", async () => {
    const authorities = [
      { name: "a", key: { data: first + second } },
      { name: "b", key: { data: first } },
    ];
    expect((await loadJson(policy({ authorities, threshold: 2 }))).policies[0]?.threshold).toBe(2);
    await expect(loadJson(policy({ authorities, threshold: 3 }))).rejects.toMatchObject({ code: "POLICY_INVALID" });
  });
});

describe("a policy that does not load", () => {
  it("names a key file where there is no disk to read it from", async () => {
    const text = JSON.stringify(policy({ authorities: [{ name: "release", key: { file: "keys/release.pub" } }] }));
    await expect(load(text)).rejects.toMatchObject({ code: "POLICY_INVALID" });
  });

  it.each(["", "\n\n", "# only a comment\n", "---\n---\n", "null", "~", "42", "text", "[]"])(
    "is the text %j, which holds none",
    async (text) => {
      await expect(load(text)).rejects.toMatchObject({ code: "POLICY_INVALID" });
    },
  );

  it("is a good one beside a bad one: all or none", async () => {
    await expect(loadJson(policy(), policy({ threshold: 0 }, "other"))).rejects.toMatchObject({
      code: "POLICY_INVALID",
    });
  });

  it("has the name of another one, in whatever file", async () => {
    await expect(loadJson(policy(), policy())).rejects.toMatchObject({ code: "POLICY_INVALID" });
  });

  it("has a name that another kind or namespace may share", async () => {
    const namespaced = (namespace: string) => ({
      ...policy(),
      kind: "TrustPolicy",
      metadata: { name: "production", namespace },
    });
    const { policies } = await loadJson(namespaced("b"), policy(), namespaced("a"));
    expect(policies.map(({ namespace }) => namespace)).toEqual([undefined, "a", "b"]);
    await expect(loadJson(namespaced("a"), namespaced("a"))).rejects.toMatchObject({ code: "POLICY_INVALID" });
  });

  it("tells twenty problems in full and how many more there are", async () => {
    const images = Array.from({ length: 50 }, () => ({ glob: "*" }));
    const error = await loadJson(policy({ images })).catch((reason: unknown) => reason);
    const lines = error instanceof TrustError ? error.message.split("\n") : [];
    expect(lines.filter((line) => line.startsWith("0.yaml:1:")).length).toBe(20);
    expect(lines.at(-1)).toContain("30");
  });

  it("gives places in JSON too", async () => {
    const text =
      '{\n  "apiVersion": "imagetrust.dev/v1alpha1",\n  "kind": "ClusterTrustPolicy",\n  "kind": "TrustPolicy"\n}';
    expect(await problemsOf(text)).toEqual([expect.stringMatching(/^p\.yaml:4:3 /)]);
  });

  it("gets an unknown field at any depth refused", async () => {
    const full = policy({
      images: [{ glob: "nginx", tags: ["1"] }],
      match: [{ namespaces: ["a"], objectSelector: { matchLabels: { a: "b" } } }],
    });
    const spots = objectsIn(full).length;
    expect(spots).toBe(9);
    for (let spot = 0; spot < spots; spot++) {
      const changed = structuredClone(full);
      const target = objectsIn(changed)[spot];
      if (target === undefined || "a" in target) continue;
      target["unknownField"] = 1;
      await expect(loadJson(changed), JSON.stringify(target)).rejects.toMatchObject({ code: "POLICY_INVALID" });
    }
  });
});

/** The objects inside a value, itself included. */
function objectsIn(value: unknown): Record<string, unknown>[] {
  if (Array.isArray(value)) return value.flatMap(objectsIn);
  if (typeof value !== "object" || value === null) return [];
  const object = value as Record<string, unknown>;
  return [object, ...Object.values(object).flatMap(objectsIn)];
}

describe("the revision", () => {
  const revision = async (...values: readonly unknown[]) => (await loadJson(...values)).revision;

  it("does not change with layout, comments or the order of policies", async () => {
    const text = JSON.stringify(policy());
    const laidOut = `# comment\n${JSON.stringify(policy(), null, 2)}`;
    expect((await load(laidOut)).revision).toBe((await load(text)).revision);
    expect(await revision(policy({}, "a"), policy({}, "b"))).toBe(await revision(policy({}, "b"), policy({}, "a")));
  });

  it("changes with everything that means something", async () => {
    const authority = { name: "release", key: { data: first } };
    const variants = [
      policy(),
      policy({}, "other"),
      policy({ mode: "warn" }),
      policy({ images: [{ glob: "registry.example.com/**" }] }),
      policy({ images: [{ glob: "registry.example.com/prod/**", tags: ["1"] }] }),
      policy({ exclude: ["nginx"] }),
      policy({ match: [{ namespaces: ["a"] }] }),
      policy({ match: [{ resources: ["a"] }] }),
      policy({ authorities: [{ ...authority, key: { data: second } }] }),
      policy({ authorities: [{ ...authority, key: { data: first + second } }] }),
      policy({ authorities: [{ ...authority, owner: "x" }] }),
      policy({ authorities: [{ ...authority, annotations: { a: "b" } }] }),
      policy({ authorities: [authority, { name: "b", key: { data: second } }] }),
      policy({ authorities: [authority, { name: "b", key: { data: second } }], threshold: 2 }),
    ];
    const revisions = await Promise.all(variants.map((variant) => revision(variant)));
    expect(new Set(revisions).size).toBe(variants.length);
  });
});

describe("hostile text", () => {
  it("never makes the parser throw or load what is not a policy", async () => {
    const word = fc.constantFrom(
      "apiVersion",
      "kind",
      "spec",
      ":",
      " ",
      "\n",
      "- ",
      "{",
      "}",
      "[",
      "]",
      "&a",
      "*a",
      "!!x",
      "'",
    );
    const soup = fc.array(fc.oneof(word, fc.string()), { maxLength: 30 }).map((pieces) => pieces.join(""));
    await fc.assert(
      fc.asyncProperty(soup, async (text) => {
        const { policies, problems } = await parsePolicies(text, "p.yaml");
        expect(policies).toEqual([]);
        expect(problems.length).toBeGreaterThan(0);
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    ["nested lists", "[".repeat(200_000)],
    ["nested objects", "{a: ".repeat(50_000)],
    ["nesting by indentation", Array.from({ length: 1000 }, (_, i) => `${" ".repeat(i)}a:\n`).join("")],
    ["an alias bomb", `a: &a [x,x]\n${Array.from({ length: 30 }, (_, i) => `b${i}: &b${i} [*a,*a]\n`).join("")}`],
    ["a hundred thousand fields", Array.from({ length: 100_000 }, (_, i) => `a${i}: 1`).join("\n")],
    ["a hundred thousand documents", "---\na\n".repeat(100_000)],
  ])("of %s is refused in little time", async (_, text) => {
    const started = performance.now();
    expect((await problemsOf(text)).length).toBeGreaterThan(0);
    expect(performance.now() - started).toBeLessThan(8000);
  });

  it("cannot reach the prototype of anything", async () => {
    const text = JSON.stringify(policy())
      .replace('"threshold"', '"x"')
      .replace('{"name"', '{"__proto__":{"mode":"audit"},"name"');
    expect((await problemsOf(text)).length).toBe(1);
    expect((await problemsOf(text.replace("__proto__", "constructor"))).length).toBe(1);
  });
});
