import fc from "fast-check";
import { expect, test } from "vitest";
import { collectChunks } from "../../src/oci/chunks.ts";
import { collect } from "./server.ts";

test("pieces of any sizes become chunks of one size, the last one smaller", async () => {
  const pieces = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(pieces, fc.integer({ min: 1, max: 50 }), async (parts, size) => {
      async function* source() {
        yield* parts;
      }
      const chunks = await collect(collectChunks(source(), size));
      expect(Buffer.concat(chunks)).toEqual(Buffer.concat(parts));
      for (const chunk of chunks.slice(0, -1)) expect(chunk.length).toBe(size);
      for (const chunk of chunks.slice(-1)) expect(chunk.length).toBeGreaterThan(0);
    }),
  );
});
