import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { TrustError } from "../../src/errors.ts";
import { loadPolicies } from "../../src/policy/load.ts";

const folder = join(import.meta.dirname, "../fixtures/policies");
const files = (name: string) => readdirSync(join(folder, name)).sort();

describe("a valid policy file", () => {
  it.each(files("valid"))("%s loads", async (file) => {
    const { policies, revision } = await loadPolicies([file], join(folder, "valid"));
    expect(policies.length).toBeGreaterThan(0);
    expect(revision).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe("an invalid policy file", () => {
  it.each(files("invalid"))("%s is refused with every problem at its place, and no other", async (file) => {
    const text = readFileSync(join(folder, "invalid", file), "utf8");
    const expected = [...text.matchAll(/^# expect: (\S+) (.*)$/gm)].map(([, place, words]) => ({ place, words }));
    expect(expected.length).toBeGreaterThan(0);
    const error = await loadPolicies([file], join(folder, "invalid")).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(TrustError);
    if (!(error instanceof TrustError)) return;
    expect(error.code).toBe("POLICY_INVALID");
    const lines = error.message.split("\n").filter((line) => line.startsWith(file));
    expect(lines.map((line) => line.split(": ")[0])).toEqual(expected.map(({ place }) => `${file}:${place}`));
    for (const [index, { words }] of expected.entries()) expect(lines[index]).toContain(words);
  });

  it("never has a key repeated in its message", async () => {
    for (const file of ["key-private.yaml", "key-as-text.yaml", "key-truncated.yaml"]) {
      const error: unknown = await loadPolicies([file], join(folder, "invalid")).catch((reason: unknown) => reason);
      expect(JSON.stringify([(error as TrustError).message, (error as TrustError).found])).not.toMatch(/MFkw|MIG|MHc/);
    }
  });
});
