import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseChallenges } from "../../src/oci/challenge.ts";

const parsed = (header: string | undefined) =>
  parseChallenges(header).map(({ scheme, parameters }) => [scheme, { ...parameters }]);

describe("WWW-Authenticate", () => {
  test.each<[string, unknown]>([
    ['Basic realm="registry"', [["basic", { realm: "registry" }]]],
    ["Basic", [["basic", {}]]],
    [
      'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"',
      [
        [
          "bearer",
          {
            realm: "https://auth.docker.io/token",
            service: "registry.docker.io",
            scope: "repository:a/b:pull,push",
          },
        ],
      ],
    ],
    ['bearer REALM = "x" , Service=y', [["bearer", { realm: "x", service: "y" }]]],
    ['Bearer realm="a \\"quoted\\" \\\\ one"', [["bearer", { realm: 'a "quoted" \\ one' }]]],
    [
      'Basic realm="a, b", Bearer realm="c",error="d"',
      [
        ["basic", { realm: "a, b" }],
        ["bearer", { realm: "c", error: "d" }],
      ],
    ],
    [
      'Negotiate YII=, Basic realm="x"',
      [
        ["negotiate", {}],
        ["basic", { realm: "x" }],
      ],
    ],
    [
      'Newauth realm="apps", type=1, title="Login to \\"apps\\"", Basic realm="simple"',
      [
        ["newauth", { realm: "apps", type: "1", title: 'Login to "apps"' }],
        ["basic", { realm: "simple" }],
      ],
    ],
    ['Bearer realm="first",realm="second"', [["bearer", { realm: "first" }]]],
    ['Bearer realm="unterminated', [["bearer", {}]]],
    ["", []],
    [", , ,", []],
  ])("%s", (header, challenges) => {
    expect(parsed(header)).toEqual(challenges);
  });

  test("that is not there offers nothing", () => {
    expect(parseChallenges(undefined)).toEqual([]);
  });

  test("of any text is read in linear time, and touches no prototype", () => {
    const piece = fc.constantFrom("Bearer", "Basic", " ", ",", '"', "\\", "=", "realm", "__proto__", "x", "==", "/");
    fc.assert(fc.property(fc.array(piece, { maxLength: 2_000 }), (pieces) => void parseChallenges(pieces.join(""))));
    const started = performance.now();
    for (const text of ['"\\'.repeat(50_000), "a ".repeat(50_000), `a b="${"\\".repeat(100_000)}`, "=".repeat(100_000)])
      parseChallenges(`Bearer ${text}`);
    expect(performance.now() - started).toBeLessThan(1_000);
    expect(({} as Record<string, unknown>)["x"]).toBeUndefined();
  });
});
