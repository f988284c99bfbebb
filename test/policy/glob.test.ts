import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TrustError } from "../../src/errors.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { matchesGlob, parseImageGlob, parseTagGlob } from "../../src/policy/glob.ts";

describe("matchesGlob", () => {
  it.each([
    ["reg.io/app", "reg.io/app", true],
    ["reg.io/app", "reg.io/apps", false],
    ["reg.io/app", "areg.io/app", false],
    ["reg.io/*", "reg.io/app", true],
    ["reg.io/*", "reg.io/prod/app", false],
    ["reg.io/*/app", "reg.io/prod/app", true],
    ["reg.io/*/app", "reg.io/a/b/app", false],
    ["reg.io/**", "reg.io/prod/app", true],
    ["reg.io/**", "reg.io", false],
    ["reg.io/**/app", "reg.io/a/b/app", true],
    ["reg.io/**/app", "reg.io/app", false],
    ["reg.io/app-*", "reg.io/app-", true],
    ["reg.io/app-*-x", "reg.io/app-1-2-x", true],
    ["reg.io/app-*-x", "reg.io/app-1/2-x", false],
    ["reg.io/a*b**c", "reg.io/axb/y/c", true],
    ["reg.io/a*b**c", "reg.io/a/b/y/c", false],
    ["**", "", true],
    ["**", "any/thing:at all", true],
    ["**/app", "reg.io/x/app", true],
    ["**/app", "reg.io/x/myapp", false],
    ["*.reg.io/app", "eu.reg.io/app", true],
    ["*.reg.io/app", "evil.io/x.reg.io/app", false],
    ["", "", true],
    ["", "a", false],
    ["*", "", true],
    ["*", "/", false],
    ["a.c", "abc", false],
    ["reg.io/(a|b)+$", "reg.io/a", false],
  ])("%s over %s is %s", (glob, text, expected) => {
    expect(matchesGlob(glob, text)).toBe(expected);
  });

  it("agrees with the same glob written as a regular expression", () => {
    const piece = fc.constantFrom("a", "b", "/", "*", "**", ".");
    const glob = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join("").replaceAll(/\*{3,}/g, "**"));
    const text = fc.array(fc.constantFrom("a", "b", "/", "."), { maxLength: 10 }).map((pieces) => pieces.join(""));
    fc.assert(
      fc.property(glob, text, (pattern, name) => {
        expect(matchesGlob(pattern, name)).toBe(asRegExp(pattern).test(name));
      }),
      { numRuns: 5000 },
    );
  });

  it("takes no time worth speaking of for a glob made to explode", () => {
    const started = performance.now();
    expect(matchesGlob(`${"a*".repeat(200)}b`, "a".repeat(400))).toBe(false);
    expect(matchesGlob(`${"**a".repeat(150)}b`, "a".repeat(400))).toBe(false);
    expect(performance.now() - started).toBeLessThan(1000);
  });
});

function asRegExp(glob: string): RegExp {
  const source = glob.replaceAll(".", "\\.").replaceAll("**", "\u0000").replaceAll("*", "[^/]*");
  return new RegExp(`^${source.replaceAll("\u0000", ".*")}$`);
}

describe("parseImageGlob", () => {
  it.each([
    ["**", "**"],
    ["nginx", "docker.io/library/nginx"],
    ["nginx*", "docker.io/library/nginx*"],
    ["springbootkubernetes/*", "docker.io/springbootkubernetes/*"],
    ["springbootkubernetes/**", "docker.io/springbootkubernetes/**"],
    ["docker.io/nginx", "docker.io/library/nginx"],
    ["docker.io/*", "docker.io/library/*"],
    ["docker.io/**", "docker.io/**"],
    ["index.docker.io/library/nginx", "docker.io/library/nginx"],
    ["registry-1.docker.io/acme/**", "docker.io/acme/**"],
    ["Registry.Example.COM/prod/**", "registry.example.com/prod/**"],
    ["registry.example.com:443/prod/app", "registry.example.com/prod/app"],
    ["registry.example.com:5000/prod/app", "registry.example.com:5000/prod/app"],
    ["localhost/app", "localhost/app"],
    ["localhost:5000/**", "localhost:5000/**"],
    ["[::1]:5000/app", "[::1]:5000/app"],
    ["*.Example.com/prod/**", "*.example.com/prod/**"],
    ["*:5000/app", "*:5000/app"],
    ["**/app", "**/app"],
    ["reg.io/**/app-*", "reg.io/**/app-*"],
  ])("reads %s as %s", (text, canonical) => {
    expect(parseImageGlob(text)).toBe(canonical);
  });

  it.each([
    "",
    "*",
    "/",
    "*/app",
    "spring*/app",
    "app**",
    "reg.io",
    "reg.io**",
    "reg.io**/app",
    "**reg.io/app",
    "*:443/app",
    "reg.io/",
    "reg.io//app",
    "reg.io/App",
    "reg.io/app:1.2",
    "app:1.2",
    "reg.io/app@sha256:abc",
    "reg.io/app?",
    "reg.io/[ab]",
    "reg.io/{a,b}",
    "reg.io/a***",
    "reg.io/a b",
    "reg.io/app-",
    "!reg.io/app",
    "Registry/app",
    "reg.io:port/app",
    "-reg.io/app",
    "reg.io/\u0430pp",
    `reg.io/${"a".repeat(600)}`,
  ])("refuses %j, which is no name or could mean two things", (text) => {
    expect(() => parseImageGlob(text)).toThrow(expect.objectContaining({ code: "POLICY_INVALID" }));
  });

  it("says what to write instead", () => {
    const error = caught(() => parseImageGlob("*/app"));
    expect(error.expected).toContain("**/app");
    expect(error.expected).toContain("docker.io/*/app");
  });

  it("reads its own answer as the same glob", () => {
    const piece = fc.constantFrom("a", "reg.io", "docker.io", "x", "*", "**", "/", "/", "-", ":5000", "A");
    fc.assert(
      fc.property(fc.array(piece, { minLength: 1, maxLength: 7 }), (pieces) => {
        const text = pieces.join("");
        const canonical = attempt(() => parseImageGlob(text));
        if (canonical !== undefined) expect(parseImageGlob(canonical)).toBe(canonical);
      }),
      { numRuns: 3000 },
    );
  });

  it("reads a glob without wildcards as the reference of the same text", () => {
    const part = fc.stringMatching(/^[a-z0-9]{1,4}$/);
    const host = fc.constantFrom("", "reg.io/", "INDEX.docker.io/", "localhost:5000/", "reg.io:443/");
    fc.assert(
      fc.property(host, fc.array(part, { minLength: 1, maxLength: 3 }), (registry, parts) => {
        const text = `${registry}${parts.join("/")}`;
        const { registry: canonicalHost, repository } = parseReference(text);
        expect(parseImageGlob(text)).toBe(`${canonicalHost}/${repository}`);
      }),
    );
  });
});

describe("parseTagGlob", () => {
  it.each(["1.2", "v*", "*", "release-*-rc*"])("reads %s", (text) => {
    expect(parseTagGlob(text)).toBe(text);
  });

  it.each(["", "a/b", "**", "a:b", "a b", "[ab]", "a".repeat(129)])("refuses %j", (text) => {
    expect(() => parseTagGlob(text)).toThrow(expect.objectContaining({ code: "POLICY_INVALID" }));
  });
});

function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    expect(error).toBeInstanceOf(TrustError);
    return undefined;
  }
}

function caught(work: () => unknown): TrustError {
  try {
    work();
  } catch (error) {
    if (error instanceof TrustError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}
