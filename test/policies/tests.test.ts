import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readEvidence, runPolicyTests } from "../../src/policy-tools/run-tests.ts";
import { readPolicyTests } from "../../src/policy-tools/test-file.ts";
import { policyTestJsonSchema } from "../../src/policy-tools/test-schema.ts";
import { failureText } from "../../src/policy-tools/test-text.ts";

const folder = join(import.meta.dirname, "../../policies");
const files = await readPolicyTests(["tests"], folder);
const tested = await runPolicyTests(files);
const results = tested.flatMap((one) => one.results);

describe("the tests of the shipped policies", () => {
  it("are there for every example, with a case that is refused or warned of", () => {
    const examples = readdirSync(join(folder, "examples")).filter((name) => name.endsWith(".yaml"));
    const named = new Set(files.flatMap(({ test }) => test.policies.map((path) => path.replace("../examples/", ""))));
    expect([...named].sort()).toEqual(examples.sort());
    for (const { name, test } of files)
      expect(test.cases.filter(({ expect: { outcome } }) => outcome !== "allow").length, name).toBeGreaterThan(0);
  });

  it("can all be run", () => {
    expect(tested.flatMap(({ error }) => error ?? [])).toEqual([]);
    expect(results.length).toBeGreaterThan(50);
  });

  it.each(results.map((result) => [`${result.file}: ${result.name}`, result] as const))("%s", (_, result) => {
    expect(result.passed ? "" : failureText(result)).toBe("");
  });

  it("say what they mean to editors", () => {
    for (const { name } of files)
      expect(readFileSync(join(folder, name), "utf8")).toMatch(
        /^# yaml-language-server: \$schema=\.\.\/test\.schema\.json\n/,
      );
    const schema = JSON.parse(readFileSync(join(folder, "test.schema.json"), "utf8")) as unknown;
    expect(schema).toEqual(policyTestJsonSchema());
  });

  it("rest on evidence that holds nothing but content", async () => {
    const evidence = readdirSync(join(folder, "tests")).filter((name) => name.endsWith(".evidence.json"));
    expect(evidence.length).toBeGreaterThan(5);
    for (const name of evidence) {
      const path = join(folder, "tests", name);
      expect((await readEvidence(path)).images.length).toBeGreaterThan(0);
      expect(readFileSync(path, "utf8")).not.toMatch(/127\.0\.0\.1|localhost|authorization|bearer|PRIVATE KEY/i);
    }
  });
});
