import { describe, expect, test } from "vitest";
import {
  catalogScope,
  coversScopes,
  formatScopes,
  mergeScopes,
  noScopes,
  parseScopes,
  repositoryScope,
} from "../../src/oci/scope.ts";

describe("scopes", () => {
  test("are read and written, each resource once, actions in order", () => {
    const scopes = parseScopes(
      "repository:a/b:push,pull repository:a/b:delete  registry:catalog:* repository(plugin):x:pull",
    );
    expect(formatScopes(scopes)).toEqual([
      "registry:catalog:*",
      "repository(plugin):x:pull",
      "repository:a/b:delete,pull,push",
    ]);
    expect(formatScopes(catalogScope)).toEqual(["registry:catalog:*"]);
  });

  test("with a port in the name keep it", () => {
    expect(formatScopes(parseScopes("repository:host:5000/a:pull"))).toEqual(["repository:host:5000/a:pull"]);
  });

  test("that cannot be read are left out, and there are never too many", () => {
    for (const text of ["", "nonsense", "a:b", ":::"])
      expect(formatScopes(parseScopes(text)).length).toBeLessThanOrEqual(1);
    expect(parseScopes(Array.from({ length: 500 }, (_, i) => `repository:r${i}:pull`).join(" ")).size).toBe(50);
  });

  test("cover what they allow, and nothing else", () => {
    const held = mergeScopes(repositoryScope("a", "pull", "push"), repositoryScope("b", "pull"));
    expect(coversScopes(held, repositoryScope("a", "pull"))).toBe(true);
    expect(coversScopes(held, mergeScopes(repositoryScope("a", "push"), repositoryScope("b", "pull")))).toBe(true);
    expect(coversScopes(held, repositoryScope("b", "push"))).toBe(false);
    expect(coversScopes(held, repositoryScope("c", "pull"))).toBe(false);
    expect(coversScopes(held, noScopes)).toBe(true);
    expect(coversScopes(repositoryScope("a", "*"), repositoryScope("a", "delete"))).toBe(true);
  });
});
