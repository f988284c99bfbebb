import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Digest } from "../../../src/crypto/digest.ts";
import { layoutOf, tagFile, tagOfFile } from "../../../src/registry/storage/layout.ts";
import { codeOf } from "../../support/errors.ts";
import { sha } from "../support/client.ts";

const letters = "abzABZ019_.-";
const tag = fc.stringMatching(new RegExp(`^[A-Za-z0-9_][${letters}]{0,127}$`));

describe("file names of tags", () => {
  it("lead back to the tag, differ without regard to case, and fit a file name", () => {
    fc.assert(
      fc.property(tag, tag, (a, b) => {
        expect(tagOfFile(tagFile(a))).toBe(a);
        expect(tagFile(a).length).toBeLessThan(256);
        if (a !== b) expect(tagFile(a).toLowerCase()).not.toBe(tagFile(b).toLowerCase());
      }),
    );
  });

  it.each(["v1~", "v1~0", "V1", "v1~ff", "a~b~c", "..", "~1", "latest~2g", ".x"])("%s is no tag's", (file) => {
    expect(tagOfFile(file)).toBeUndefined();
  });
});

describe("paths", () => {
  const layout = layoutOf("/root");
  const digest = sha("x") as Digest;

  it.each(["..", "../a", "a/../b", "/a", "a/", "A", "_blobs", "a/_tags", "a\0", ""])(
    "are not made of the name %j",
    (name) => {
      expect(codeOf(() => layout.manifest(name, digest))).toBe("INTERNAL");
    },
  );

  it.each(["..", ".", "a/b", "", "a\0", "-a", "x".repeat(129)])("are not made of the tag %j", (name) => {
    expect(codeOf(() => layout.tag("a", name))).toBe("INTERNAL");
  });

  it("of one repository are never those of another", () => {
    const paths = ["a", "a/b", "a/b/c"].flatMap((name) => [
      layout.manifest(name, digest),
      layout.blobLink(name, digest),
      layout.tag(name, "b"),
      layout.referrers(name, digest),
    ]);
    expect(new Set(paths).size).toBe(paths.length);
  });
});
