import { describe, expect, it } from "vitest";
import { budgetOf, parseGoDuration } from "../../webhook/deadline.ts";

describe("parseGoDuration", () => {
  it.each([
    ["10s", 10_000],
    ["1m30s", 90_000],
    ["1.5s", 1500],
    ["500ms", 500],
    [".5s", 500],
    ["2us", 0.002],
    ["2µs", 0.002],
    ["1h0m0s", 3_600_000],
    ["0s", 0],
  ])("reads %s", (text, expected) => {
    expect(parseGoDuration(text)).toBeCloseTo(expected, 9);
  });

  it.each(["", "10", "s", "-1s", "1 s", "1d", "1e3s", "10s;", "١s", `${"1".repeat(60)}s`])("takes no %j", (text) => {
    expect(parseGoDuration(text)).toBeUndefined();
  });
});

describe("budgetOf", () => {
  it("leaves a margin below the timeout of the API server", () => {
    expect(budgetOf("10s")).toBe(9000);
    expect(budgetOf("1s")).toBe(900);
    expect(budgetOf("100ms")).toBe(50);
  });

  it("takes ten seconds where none is given that can be read", () => {
    for (const text of [undefined, "", "0s", "soon", ["10s", "20s"], 5]) expect(budgetOf(text)).toBe(9000);
  });

  it("is capped at thirty seconds", () => {
    expect(budgetOf("1h")).toBe(29_000);
  });
});
