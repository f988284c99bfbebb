import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { matchesGlob } from "../../src/policy/glob.ts";
import { covers, overlaps } from "../../src/policy-tools/glob-language.ts";

const glob = fc
  .array(fc.constantFrom("a", "b", "/", "*", "**"), { minLength: 1, maxLength: 7 })
  .map((parts) => parts.join("").replace(/\*{3,}/g, "**"));
const text = fc.array(fc.constantFrom("a", "b", "c", "/"), { maxLength: 8 }).map((parts) => parts.join(""));
/** Every text of up to five of these characters. */
const texts = ["a", "b", "c", "/"]
  .reduce<string[]>((all) => [...all, ...all.flatMap((one) => ["a", "b", "c", "/"].map((last) => one + last))], [""])
  .filter((one, index, all) => all.indexOf(one) === index);

describe("a glob that covers another", () => {
  it("matches everything that the other does", () => {
    fc.assert(
      fc.property(glob, glob, text, (general, specific, name) => {
        fc.pre(covers(general, specific) && matchesGlob(specific, name));
        return matchesGlob(general, name);
      }),
      { numRuns: 300 },
    );
  });

  it("is found wherever short texts show no difference", () => {
    fc.assert(
      fc.property(glob, glob, (general, specific) => {
        const isCovered = texts.every((name) => !matchesGlob(specific, name) || matchesGlob(general, name));
        // What no short text matches says nothing.
        fc.pre(specific.length <= 3 && texts.some((name) => matchesGlob(specific, name)));
        return covers(general, specific) === isCovered;
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    ["registry.example.com/**", "registry.example.com/prod/**", true],
    ["registry.example.com/*", "registry.example.com/prod/**", false],
    ["**", "nginx", true],
    ["**/app", "registry.example.com/*/app", true],
    ["registry.example.com/prod", "registry.example.com/prod/**", false],
    ["registry.example.com/*/app", "**/app", false],
  ])("%s over %s: %s", (general, specific, expected) => {
    expect(covers(general, specific)).toBe(expected);
  });
});

describe("globs that overlap", () => {
  it("are those of which a text fits both", () => {
    fc.assert(
      fc.property(glob, glob, text, (a, b, name) => {
        fc.pre(matchesGlob(a, name) && matchesGlob(b, name));
        return overlaps(a, b) && overlaps(b, a);
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    ["a.example.com/**", "b.example.com/**", false],
    ["**/base/*", "registry.example.com/**", true],
    ["registry.example.com/*/x", "registry.example.com/a/*/x", false],
  ])("%s and %s: %s", (a, b, expected) => {
    expect(overlaps(a, b)).toBe(expected);
  });

  it("are told in bounded time, however many wildcards there are", () => {
    const many = Array.from({ length: 60 }, (_, n) => `${"abc"[n % 3]}*`).join("");
    expect(typeof overlaps(`${many}x`, `${many}y`)).toBe("boolean");
    expect(typeof covers(`*${many}`, `${many}*z`)).toBe("boolean");
  });
});
