import { expect, test } from "vitest";
import { readUpTo } from "../../src/oci/body.ts";
import { createGatherer } from "../../src/oci/gather.ts";
import { readBody } from "../../src/registry/exchange.ts";

const count = 2_000_000;
const mebibyte = 1024 * 1024;
const memory = () => process.memoryUsage().heapUsed / mebibyte;
const atStart = memory();

/** A body in pieces of one byte; at its end it tells how much memory is in use. */
function drip(): { readonly body: () => AsyncGenerator<Buffer>; readonly used: () => number } {
  let used = 0;
  return {
    async *body() {
      for (let i = 0; i < count; i++) yield Buffer.of(i & 0xff);
      used = memory() - atStart;
    },
    used: () => used,
  };
}

test("pieces of any size come out as they went in", () => {
  const pieces = [0, 1, 70_000, 3, 16_384, 1].map((size, i) => Buffer.alloc(size, i));
  const gatherer = createGatherer();
  let size = 0;
  for (const piece of pieces) {
    size += piece.length;
    expect(gatherer.add(piece)).toBe(size);
  }
  expect(gatherer.bytes().equals(Buffer.concat(pieces))).toBe(true);
  expect(createGatherer().bytes()).toHaveLength(0);
});

test("an answer in pieces of one byte takes little more memory than its bytes", async () => {
  const { body, used } = drip();
  const response = { status: 200, headers: {}, url: new URL("http://localhost/"), body: body() };
  const { bytes } = await readUpTo(response, { maxBytes: 4 * mebibyte, maxMs: 60_000 });
  expect(bytes).toHaveLength(count);
  expect(used()).toBeLessThan(100);
});

test("so does the body of a request to the registry", async () => {
  const { body, used } = drip();
  const raw = { headers: {}, iterator: body, destroy: () => undefined };
  const bytes = await readBody({ raw } as never, 4 * mebibyte, 60_000);
  expect(bytes).toHaveLength(count);
  expect(used()).toBeLessThan(100);
});
