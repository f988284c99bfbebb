import { describe, expect, it } from "vitest";
import { describeValue, formatProblem, policyInvalid, suggestion } from "../../src/policy/problem.ts";

describe("suggestion", () => {
  const known = ["images", "exclude", "threshold", "key", "mode"];
  it.each([
    ["imagez", "images"],
    ["image", "images"],
    ["Images", "images"],
    ["tresholds", "threshold"],
    ["exlcude", "exclude"],
    ["kye", "key"],
    ["keys", "key"],
  ])("takes %s for %s", (word, meant) => {
    expect(suggestion(word, known)).toContain(meant);
  });

  it.each(["", "a", "status", "attestations", "x".repeat(10_000)])("takes %j for nothing", (word) => {
    expect(suggestion(word, known)).toBe("");
  });
});

describe("describeValue", () => {
  it("repeats short text and numbers", () => {
    expect(["a", 1.5, true].map(describeValue)).toEqual(['"a"', "number 1.5", "boolean true"]);
  });

  it("repeats nothing that could be a key", () => {
    for (const text of ["-----BEGIN PRIVATE KEY-----", "MC4C\nAQAw", "M".repeat(101)])
      expect(describeValue(text)).toBe("a text");
    expect(describeValue({ key: "secret" })).not.toContain("secret");
    expect(describeValue(["secret"])).not.toContain("secret");
  });
});

describe("policyInvalid", () => {
  it("says what is expected and found beside the place", () => {
    const problem = { place: "a.yaml:1:2", what: "wrong", expected: "x", found: "y" };
    expect(formatProblem(problem)).toBe("a.yaml:1:2: wrong; expected x; found y");
    expect(policyInvalid([problem])).toMatchObject({ code: "POLICY_INVALID", expected: "x", found: "y" });
  });
});
