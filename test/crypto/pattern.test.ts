import { describe, expect, it } from "vitest";
import { compilePattern } from "../../src/crypto/pattern.ts";

describe("compilePattern", () => {
  it.each([
    "https://github\\.com/acme/.*",
    "[a-f0-9]{64}",
    "[a-z0-9]{1,63}(\\.[a-z0-9]{1,63}){0,7}",
    "\\{2000\\}",
    "(?i)[A-Z]+\\.skills\\.example",
    "[ä-ü]\\pL+",
  ])("takes %s", (text) => {
    expect(compilePattern(text).size).toBeLessThan(2000);
  });

  it.each([
    ["many repetitions in a row", "(?:a{0,1000}){0,1}".repeat(20)],
    ["one after another", "\\pL{500}".repeat(3)],
    ["one in another", "((a{31}){32})".repeat(10)],
    ["a long list of steps", "a?".repeat(1100)],
    ["many classes of Unicode", "\\pL".repeat(21)],
    ["classes of Unicode in any case", "(?i)\\pL"],
    ["ranges beyond ASCII in any case", "(?mi:[\\x{80}-\\x{10fff0}])"],
    ["characters beyond ASCII in any case", "a(?i)[ä-ü]"],
    ["what is none", "("],
  ])("refuses %s", (_, text) => {
    expect(() => compilePattern(text)).toThrow(Error);
  });
});
