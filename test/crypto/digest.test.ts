import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  createDigester,
  digestAlgorithm,
  digestHex,
  digestOf,
  isDigest,
  matchesDigest,
  parseDigest,
} from "../../src/crypto/digest.ts";

const emptySha256 = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const hex64 = "a".repeat(64);

describe("parseDigest", () => {
  it("reads sha256 and sha512 digests", () => {
    expect(parseDigest(emptySha256)).toBe(emptySha256);
    expect(digestAlgorithm(parseDigest(`sha512:${"0".repeat(128)}`))).toBe("sha512");
    expect(digestHex(parseDigest(emptySha256))).toBe(emptySha256.slice(7));
  });

  it.each([
    "",
    "sha256",
    "sha256:",
    hex64,
    `sha256:${hex64.slice(1)}`,
    `sha256:${hex64}a`,
    `sha256:${"A".repeat(64)}`,
    `SHA256:${hex64}`,
    `sha256:${"g".repeat(64)}`,
    ` sha256:${hex64}`,
    `sha256:${hex64}\n`,
    `sha256:${hex64}\u0000`,
    `sha256:${hex64}@sha256:${hex64}`,
    `sha512:${hex64}`,
    `sha256:${"a".repeat(128)}`,
    `sha384:${"a".repeat(96)}`,
    `md5:${"a".repeat(32)}`,
    `sha256+b64:${hex64}`,
    `sha256:../../${"a".repeat(58)}`,
    `sha256:${"\uff41".repeat(64)}`,
  ])("refuses %j", (text) => {
    expect(() => parseDigest(text)).toThrow(expect.objectContaining({ code: "DIGEST_INVALID" }));
    expect(isDigest(text)).toBe(false);
  });

  it("does not take anything but text for a digest", () => {
    for (const value of [undefined, null, 1, {}, [emptySha256], { toString: () => emptySha256 }])
      expect(isDigest(value)).toBe(false);
  });

  it("repeats no more than a part of what it refuses", () => {
    const error: unknown = (() => {
      try {
        return parseDigest("x".repeat(100_000));
      } catch (reason) {
        return reason;
      }
    })();
    expect(String(error).length).toBeLessThan(500);
  });
});

describe("digestOf", () => {
  it("is that of the empty text for no bytes", () => {
    expect(digestOf(new Uint8Array())).toBe(emptySha256);
  });

  it("is a digest that only the same bytes match", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1 }), fc.nat(), fc.constantFrom("sha256", "sha512"), (bytes, at, name) => {
        const digest = digestOf(bytes, name);
        expect(isDigest(digest)).toBe(true);
        expect(digest).toBe(`${name}:${createHash(name).update(bytes).digest("hex")}`);
        expect(matchesDigest(bytes, digest)).toBe(true);
        const changed = Uint8Array.from(bytes, (byte, index) => (index === at % bytes.length ? byte ^ 1 : byte));
        expect(matchesDigest(changed, digest)).toBe(false);
        expect(matchesDigest(bytes.subarray(1), digest)).toBe(false);
      }),
    );
  });
});

describe("createDigester", () => {
  it("gives the digest of the pieces put together", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array()), fc.constantFrom("sha256", "sha512"), (pieces, name) => {
        const digester = createDigester(name);
        for (const piece of pieces) digester.update(piece);
        expect(digester.digest()).toBe(digestOf(Buffer.concat(pieces), name));
      }),
    );
  });
});
