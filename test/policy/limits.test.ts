import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { TrustError } from "../../src/errors.ts";
import { loadPolicies } from "../../src/policy/load.ts";
import { parsePolicies } from "../../src/policy/parse.ts";
import { toPolicySet } from "../../src/policy/policy-set.ts";
import { tempDir } from "../support/process.ts";

const folders: { cleanup(): void }[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) folder.cleanup();
});

async function refusal(files: Readonly<Record<string, string>>): Promise<{ code: string; lines: readonly string[] }> {
  const folder = tempDir("policy-limits-");
  folders.push(folder);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder.path, name), text);
  const error: unknown = await loadPolicies(["."], folder.path).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof TrustError)) throw new Error("it loaded");
  return { code: error.code, lines: error.message.split("\n") };
}

const key = `-----BEGIN PUBLIC KEY-----
          MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEcQsJSI+/7WmsZ9rDKMCoc+0uzZxo
          KrSaPaFoEgO5aneB+WMMq19WILOAA2h5JpTkkWUhO6GpcGm5UIzEQhMqxQ==
          -----END PUBLIC KEY-----`;
const policy = (name: string, more = "") => `apiVersion: imagetrust.dev/v1alpha1
kind: ClusterTrustPolicy
metadata: { name: ${name} }
spec:
  images: [{ glob: registry.example.com/** }]
  authorities:
    - name: a
      key:
        data: |
          ${key}
${more}`;

describe("what is too much", () => {
  it("refuses a file of 10 MB without reading it as YAML", async () => {
    const { code, lines } = await refusal({ "large.yaml": `# ${"x".repeat(10_000_000)}\n${policy("p")}` });
    expect(code).toBe("POLICY_INVALID");
    expect(lines[0]).toMatch(/^large\.yaml: .*too large/);
  });

  it("refuses 10,000 documents of one file, at the first too many", async () => {
    const { code, lines } = await refusal({ "many.yaml": "---\na\n".repeat(10_000) });
    expect(code).toBe("POLICY_INVALID");
    expect(lines[0]).toMatch(/^many\.yaml:200[01]:1: /);
  });

  it("refuses 10,000 policies, at the first too many", async () => {
    const parsed = await parsePolicies(policy("p"), "p.yaml");
    const [one] = parsed.policies;
    if (one === undefined) throw new Error("it loads");
    const many = Array.from({ length: 10_000 }, (_, n) => ({ ...one, name: `p${n}`, source: `${n}.yaml:1:1` }));
    expect(() => toPolicySet([{ policies: many, problems: [] }])).toThrow(/^5000\.yaml:1:1: /);
    expect(toPolicySet([{ policies: many.slice(0, 5000), problems: [] }]).policies.length).toBe(5000);
  });

  it("expands no alias", async () => {
    const levels = "bcdefghij".split("").map((name, index) => {
      const below = "abcdefghij"[index];
      return `${name}: &${name} [${Array.from({ length: 9 }, () => `*${below}`).join(", ")}]`;
    });
    const { code, lines } = await refusal({ "bomb.yaml": `a: &a [x, x, x, x, x, x, x, x, x]\n${levels.join("\n")}\n` });
    expect(code).toBe("POLICY_INVALID");
    expect(lines[1]).toMatch(/^bomb\.yaml:2:8: an alias/);
  });
});

describe("a set with one bad policy", () => {
  it("does not load, wherever it stands and whatever is wrong with it", async () => {
    const good = { "a.yaml": policy("a"), "z.yaml": policy("z") };
    for (const bad of [
      policy("b", "  condition: image.tag ==\n"),
      policy("b", "  treshold: 1\n"),
      "kind: Nothing\n",
      "a: [\n",
    ])
      expect(await refusal({ ...good, "b.yaml": bad })).toMatchObject({ code: "POLICY_INVALID" });
    expect(await refusal({ "a.yaml": `${policy("a")}---\n${policy("a")}` })).toMatchObject({ code: "POLICY_INVALID" });
  });
});
