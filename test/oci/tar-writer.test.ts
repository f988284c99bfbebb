import { describe, expect, test } from "vitest";
import { parseExtension, parseTarHeader, tarBlock } from "../../src/oci/tar-header.ts";
import { tarFileHeader, tarPadding } from "../../src/oci/tar-writer.ts";

/** Reads a header back, with the extended one before it. */
function read(bytes: Buffer) {
  const first = parseTarHeader(bytes, {});
  if (first.kind !== "pax") return first;
  const end = tarBlock + first.size + tarPadding(first.size);
  const extended = parseExtension("pax", bytes.subarray(tarBlock, tarBlock + first.size));
  return parseTarHeader(bytes.subarray(end), extended);
}

describe("a header", () => {
  test.each([
    ["a", 0],
    ["blobs/sha256/x", 1],
    ["x".repeat(100), 8 * 1024 ** 3 - 1],
    ["x".repeat(101), 5],
    ["p".repeat(1000), 8 * 1024 ** 3],
    ["small", 20 * 1024 ** 4],
    ["ü".repeat(60), 7],
    // Lengths at which the length of the record counts one digit more.
    ...Array.from({ length: 30 }, (_, i): [string, number] => ["y".repeat(80 + i), 3]),
    ...Array.from({ length: 30 }, (_, i): [string, number] => ["y".repeat(975 + i), 3]),
  ])("of %s with %i bytes is read back", (path, size) => {
    expect(read(tarFileHeader(path, size))).toMatchObject({ kind: "file", path, size });
  });

  test.each([
    [0, 0],
    [1, 511],
    [511, 1],
    [512, 0],
    [513, 511],
  ])("content of %i bytes is followed by %i", (size, padding) => {
    expect(tarPadding(size)).toBe(padding);
  });
});
