import { describe, expect, test } from "vitest";
import { createContentReader } from "../../src/oci/content-reader.ts";

const bytes = Buffer.from("abcdefghijklmnopqrstuvwxyz");

/** Content in pieces of seven bytes; counts how often it was opened and let go. */
function content(pieces = 7) {
  const counted = {
    opened: 0,
    closed: 0,
    async *open() {
      counted.opened += 1;
      try {
        for (let at = 0; at < bytes.length; at += pieces) yield bytes.subarray(at, at + pieces);
      } finally {
        counted.closed += 1;
      }
    },
  };
  return counted;
}

async function text(parts: AsyncIterable<Uint8Array>): Promise<string> {
  let all = "";
  for await (const part of parts) all += Buffer.from(part).toString();
  return all;
}

describe("content read in parts", () => {
  test.each([1, 5, 7, 26, 100])("is opened once where parts follow each other (pieces of %i)", async (pieces) => {
    const source = content(pieces);
    const reader = createContentReader(source);
    expect(await text(reader.read(0, 10))).toBe("abcdefghij");
    expect(await text(reader.read(10, 10))).toBe("klmnopqrst");
    expect(await text(reader.read(22, 10))).toBe("wxyz");
    expect(source.opened).toBe(1);
  });

  test("is opened again for what was read before", async () => {
    const source = content();
    const reader = createContentReader(source);
    expect(await text(reader.read(0, 20))).toHaveLength(20);
    expect(await text(reader.read(3, 4))).toBe("defg");
    expect(source).toMatchObject({ opened: 2, closed: 1 });
  });

  test("has nothing past its end", async () => {
    expect(await text(createContentReader(content()).read(30, 5))).toBe("");
  });

  test("is opened again where a part that was given up still waits for its piece", async () => {
    const gate = Promise.withResolvers<void>();
    let opened = 0;
    const reader = createContentReader({
      async *open() {
        opened += 1;
        yield bytes.subarray(0, 4);
        if (opened === 1) await gate.promise;
        yield bytes.subarray(4);
      },
    });
    const given = reader.read(0, 26)[Symbol.asyncIterator]();
    await given.next();
    const late = given.next();
    expect(await text(reader.read(4, 4))).toBe("efgh");
    gate.resolve();
    await late;
    expect(await text(reader.read(8, 4))).toBe("ijkl");
    expect(opened).toBe(2);
  });

  test("tells at the end what its end has to tell, and is let go", async () => {
    const reader = createContentReader({
      async *open() {
        yield bytes;
        throw new Error("not what it said");
      },
    });
    expect(await text(reader.read(0, 26))).toHaveLength(26);
    await expect(reader.finish()).rejects.toThrow("not what it said");
    const source = content();
    const other = createContentReader(source);
    await text(other.read(0, 8));
    other.close();
    await new Promise((resolve) => setImmediate(resolve));
    expect(source.closed).toBe(1);
  });
});
