import { spawnSync } from "node:child_process";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  createIdentityMatcher,
  type IdentityRule,
  identitiesOf,
  matchesIdentity,
} from "../../src/crypto/x509-identity.ts";
import { codeOfRejection } from "../support/errors.ts";
import {
  directory,
  dns,
  email,
  ia5,
  implicit,
  ip,
  issue,
  name,
  otherName,
  parse,
  san,
  uri,
  utf8,
} from "../support/x509.ts";

const withNames = (...names: readonly Uint8Array[]) => parse(issue({ extensions: [san(names)] }));
const certificate = withNames(
  email("ci@example.com"),
  uri("https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main"),
  dns("build.example.com"),
  ip(10, 0, 0, 1),
  otherName("1.3.6.1.4.1.57264.1.7", utf8("alice!example.com")),
);
const matches = (rule: IdentityRule) => matchesIdentity(certificate, rule);

describe("an identity", () => {
  it.each([
    "ci@example.com",
    "https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main",
    "build.example.com",
    "10.0.0.1",
    "alice!example.com",
  ])("is matched by the alternative name exactly: %s", async (san) => {
    expect(await matches({ san })).toBe(true);
    const others = [`${san} `, ` ${san}`, san.slice(1), san.slice(0, -1), `${san}x`, san.toUpperCase(), ".*"];
    for (const other of others) if (other !== san) expect(await matches({ san: other }), other).toBe(false);
  });

  it("is matched by a regular expression over all of the name, never a part of it", async () => {
    expect(await matches({ sanRegex: ".*@example\\.com" })).toBe(true);
    expect(await matches({ sanRegex: "ci|x" })).toBe(false);
    expect(await matches({ sanRegex: "ci@example|x.com" })).toBe(false);
    expect(await matches({ sanRegex: "example" })).toBe(false);
    expect(await matches({ sanRegex: "^ci@example\\.com$" })).toBe(true);
    expect(await matches({ sanRegex: "(?m)^ci@example\\.com$" })).toBe(true);
    expect(await matches({ sanRegex: "(?i)CI@EXAMPLE\\.COM" })).toBe(true);
    expect(await matches({ sanRegex: "CI@.*" })).toBe(false);
    expect(
      await matches({ sanRegex: "https://github\\.com/acme/[^/]+/\\.github/workflows/release\\.yml@refs/heads/main" }),
    ).toBe(true);
    expect(await matches({ sanRegex: "https://github\\.com/evil/.*" })).toBe(false);
  });

  it("is of the kind that is asked for", async () => {
    expect(await matches({ san: "ci@example.com", type: "email" })).toBe(true);
    expect(await matches({ san: "ci@example.com", type: "uri" })).toBe(false);
    expect(await matches({ sanRegex: ".*", type: "ip" })).toBe(true);
    const disguised = withNames(dns("ci@example.com"));
    expect(await matchesIdentity(disguised, { san: "ci@example.com" })).toBe(true);
    expect(await matchesIdentity(disguised, { san: "ci@example.com", type: "email" })).toBe(false);
  });

  it("is told when it matches", async () => {
    const match = await createIdentityMatcher({ sanRegex: ".*example\\.com" });
    expect(match(certificate)).toBe("ci@example.com");
    expect(match(parse(issue({ extensions: [] })))).toBeUndefined();
  });

  it("is never the subject, a directory name, a registered identifier, or an otherName that Fulcio did not write", async () => {
    const other = parse(
      issue({
        subject: "ci@example.com",
        extensions: [
          san([
            directory(name("ci@example.com")),
            implicit(8, Buffer.from([0x2a])),
            otherName("1.3.6.1.4.1.311.20.2.3", utf8("ci@example.com")),
            otherName("1.3.6.1.4.1.57264.1.7", ia5("ci@example.com")),
          ]),
        ],
      }),
    );
    expect(identitiesOf(other)).toEqual([]);
    expect(await matchesIdentity(other, { sanRegex: ".*" })).toBe(false);
  });

  const wrong: Readonly<Record<string, IdentityRule>> = {
    "neither san nor sanRegex": {},
    "a kind alone": { type: "email" },
    "both san and sanRegex": { san: "x", sanRegex: "x" },
    "an empty san": { san: "" },
    "an empty sanRegex": { sanRegex: "" },
    "an open parenthesis": { sanRegex: "(a" },
    "a look-ahead, which is not linear": { sanRegex: "(?=a)a" },
    "a back-reference, which is not linear": { sanRegex: "(a)\\1" },
    "repetitions of repetitions beyond measure": { sanRegex: "((a{100}){100}){100}" },
    "an expression without end": { sanRegex: "a".repeat(3000) },
  };
  it.each(Object.entries(wrong))("is refused with %s", async (_, rule) => {
    expect(await codeOfRejection(createIdentityMatcher(rule))).toBe("CONFIG_INVALID");
  });

  it("is matched in bounded time, whatever the expression and the name", async () => {
    const long = withNames(email(`${"x".repeat(60_000)}@example.com`), uri("x".repeat(3000)));
    const started = performance.now();
    for (const sanRegex of ["(x+x+)+y", "(x*)*y", "(x|xx)+y", "([a-z]+)*[A-Z]"])
      expect(await matchesIdentity(long, { sanRegex })).toBe(false);
    expect(performance.now() - started).toBeLessThan(2000);
  });

  it("is matched as JavaScript would where both mean the same", async () => {
    const atom = fc.constantFrom("a", "b", ".", "[ab]", "[^a]", "(a|b)", "(ab)*", "a?", "b+", "a{1,2}", "\\.");
    const expression = fc.array(atom, { minLength: 1, maxLength: 5 }).map((atoms) => atoms.join(""));
    const text = fc.string({ unit: fc.constantFrom("a", "b", "."), minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(expression, text, async (sanRegex, san) => {
        const expected = new RegExp(`^(?:${sanRegex})$`).test(san);
        expect(await matchesIdentity(withNames(dns(san)), { sanRegex })).toBe(expected);
      }),
      { numRuns: 300 },
    );
  });

  it("needs the regular expression library only for a regular expression", () => {
    const file = join(import.meta.dirname, "../../src/crypto/x509-identity.ts");
    const program = `
      import { registerHooks } from "node:module";
      const loaded = [];
      registerHooks({ load: (url, context, next) => { loaded.push(url); return next(url, context); } });
      const { createIdentityMatcher } = await import(${JSON.stringify(file)});
      await createIdentityMatcher({ san: "x" });
      const before = loaded.some((url) => url.includes("re2js"));
      await createIdentityMatcher({ sanRegex: "x" });
      console.log(before, loaded.some((url) => url.includes("re2js")));`;
    const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
      encoding: "utf8",
    });
    expect(`${stdout}${stderr}`.trim()).toBe("false true");
  });
});
