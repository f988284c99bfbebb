import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { TrustError } from "../../../src/errors.ts";
import { importPolicies } from "../../../src/policy/import/import.ts";
import { loadPolicies } from "../../../src/policy/load.ts";

const folder = join(import.meta.dirname, "../../fixtures/policies/foreign");
const files = readdirSync(join(folder, "invalid"), { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".yaml"))
  .sort();
const loaded = /^(?:cluster-image-policy|trust-root)\//;

/** What is wrong with a file, read in the way its language is. */
async function errorOf(file: string): Promise<unknown> {
  const cwd = join(folder, "invalid");
  const text = readFileSync(join(cwd, file), "utf8");
  const reading = loaded.test(file) ? loadPolicies([file], cwd) : importPolicies([{ name: file, text }]);
  return reading.then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe("an invalid foreign policy", () => {
  it("is there in every language, and for every field", () => {
    expect(new Set(files.map((file) => file.split("/", 1)[0]))).toEqual(
      new Set(["cluster-image-policy", "trust-root", "kyverno", "image-validating", "containers-policy"]),
    );
    expect(files.length).toBeGreaterThan(120);
  });

  it.each(files)("%s is refused with every problem at its place, and no other", async (file) => {
    const text = readFileSync(join(folder, "invalid", file), "utf8");
    const expected = [...text.matchAll(/^# expect: (\S+) (.*)$/gm)].map(([, place = "", words = ""]) => ({
      place,
      words,
    }));
    expect(expected.length).toBeGreaterThan(0);
    const error = await errorOf(file);
    expect(error).toBeInstanceOf(TrustError);
    if (!(error instanceof TrustError)) return;
    expect(error.code).toBe("POLICY_INVALID");
    const lines = error.message.split("\n").filter((line) => line.startsWith(file));
    expect(lines.map((line) => line.split(": ")[0])).toEqual(expected.map(({ place }) => `${file}:${place}`));
    for (const [index, { words }] of expected.entries()) expect(lines[index]).toContain(words);
  });

  it("is imported no more than it is loaded", async () => {
    for (const file of files.filter((name) => name.startsWith("cluster-image-policy/"))) {
      // Two policies of one name are two files to an import.
      if (file.includes("same-name-twice")) continue;
      const text = readFileSync(join(folder, "invalid", file), "utf8");
      const error: unknown = await importPolicies([{ name: file, text }]).catch((reason: unknown) => reason);
      expect(error, file).toMatchObject({ code: "POLICY_INVALID" });
    }
  });
});

describe("a valid foreign policy", () => {
  const valid = readdirSync(join(folder, "valid")).sort();
  it.each(valid)("%s loads, with the warnings that it names", async (file) => {
    const text = readFileSync(join(folder, "valid", file), "utf8");
    const expected = [...text.matchAll(/^# warn: (\S+)$/gm)].map(([, place = ""]) => `${file}:${place}`);
    const { policies, warnings = [] } = await loadPolicies([file], join(folder, "valid"));
    expect(policies.length).toBeGreaterThan(0);
    expect(warnings.map(({ place }) => place)).toEqual(expected);
  });
});
