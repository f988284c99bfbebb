import { describe, expect, test } from "vitest";
import { digestOf } from "../../src/crypto/digest.ts";
import { checkedContent, expectContent, expectDigest } from "../../src/oci/content.ts";
import { collect } from "./server.ts";

const bytes = Buffer.from("some content");
const mismatch = expect.objectContaining({ code: "CONTENT_MISMATCH" });

async function* inPieces(content: Buffer): AsyncIterable<Buffer> {
  for (let at = 0; at < content.length; at += 5) yield content.subarray(at, at + 5);
}

describe.each(["sha256", "sha512"] as const)("content with a %s digest", (algorithm) => {
  const descriptor = { digest: digestOf(bytes, algorithm), size: bytes.length };

  test("passes when it is what was named", async () => {
    expectContent(bytes, descriptor, "it");
    expectDigest(bytes, descriptor.digest, "it");
    expect(Buffer.concat(await collect(checkedContent(inPieces(bytes), descriptor, "it")))).toEqual(bytes);
  });

  test.each([
    ["another byte", Buffer.from("some c0ntent")],
    ["one more", Buffer.from("some content!")],
    ["one less", Buffer.from("some conten")],
    ["nothing", Buffer.of()],
  ])("is refused with %s", async (_what, other) => {
    expect(() => expectContent(other, descriptor, "it")).toThrow(mismatch);
    expect(() => expectDigest(other, descriptor.digest, "it")).toThrow(mismatch);
    await expect(collect(checkedContent(inPieces(other), descriptor, "it"))).rejects.toMatchObject({
      code: "CONTENT_MISMATCH",
    });
  });

  test("is cut as soon as there is too much of it", async () => {
    let read = 0;
    async function* endless(): AsyncIterable<Buffer> {
      for (;;) {
        read += 1;
        yield Buffer.alloc(100);
      }
    }
    await expect(collect(checkedContent(endless(), descriptor, "it"))).rejects.toMatchObject({
      code: "CONTENT_MISMATCH",
    });
    expect(read).toBe(1);
  });
});
