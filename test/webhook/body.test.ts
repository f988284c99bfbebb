import { PassThrough, Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { createBodyReader } from "../../webhook/body.ts";
import { codeOfRejection } from "../support/errors.ts";

const limits = { maxBody: 100, maxHeld: 150 };
const body = (size: number, pieces = 1) =>
  Readable.from(Array.from({ length: pieces }, () => Buffer.alloc(size / pieces, "x")));

describe("createBodyReader", () => {
  it("reads a body in one or many pieces", async () => {
    const read = createBodyReader(limits);
    expect((await read(body(100))).toString()).toBe("x".repeat(100));
    expect((await read(body(100, 10))).length).toBe(100);
    expect((await read(Readable.from([]))).length).toBe(0);
  });

  it("refuses a body that is too large, after reading all of it", async () => {
    const payload = body(200, 10);
    expect(await codeOfRejection(createBodyReader(limits)(payload))).toBe("REVIEW_INVALID");
    expect(payload.readableEnded).toBe(true);
  });

  it("ends a body that never ends", async () => {
    const endless = Readable.from(
      (function* () {
        for (;;) yield Buffer.alloc(50);
      })(),
    );
    expect(await codeOfRejection(createBodyReader(limits)(endless))).toBe("REVIEW_INVALID");
    expect(endless.destroyed).toBe(true);
  });

  it("refuses more than it may hold at one time, and recovers", async () => {
    const read = createBodyReader(limits);
    const slow = new PassThrough();
    const first = read(slow);
    slow.write(Buffer.alloc(90));
    await new Promise((done) => setImmediate(done));
    expect(await codeOfRejection(read(body(90)))).toBe("SERVER_BUSY");
    slow.end();
    expect((await first).length).toBe(90);
    expect((await read(body(90))).length).toBe(90);
  });

  it("tells of a body that ends too early, and holds nothing of it", async () => {
    const read = createBodyReader(limits);
    for (const end of [undefined, new Error("reset")]) {
      const broken = new PassThrough();
      const result = codeOfRejection(read(broken));
      broken.write(Buffer.alloc(90));
      await new Promise((done) => setImmediate(done));
      broken.destroy(end);
      expect(await result).toBe("REVIEW_INVALID");
    }
    expect((await read(body(90))).length).toBe(90);
  });
});
