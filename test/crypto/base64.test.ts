import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeBase64, decodeBase64Json } from "../../src/crypto/base64.ts";
import { TrustError } from "../../src/errors.ts";

describe("decodeBase64", () => {
  it("reads what an encoder writes", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(Uint8Array.from(decodeBase64(Buffer.from(bytes).toString("base64"), "it"))).toEqual(bytes);
      }),
    );
  });

  it.each([
    "A",
    "AA",
    "AAA",
    "AA=",
    "AAAA=",
    "=AAA",
    "====",
    "AAAA====",
    "AB==",
    "AAB=",
    "AA-_",
    "AA+/\n",
    "AA\n+/",
    " AAAA",
    "AAAA ",
    "AA==AA==",
    "AAAA\u0000",
    "\u0410AAA",
  ])("refuses %j", (text) => {
    expect(() => decodeBase64(text, "it")).toThrow(expect.objectContaining({ code: "SIGNATURE_MALFORMED" }));
  });

  it.each([undefined, null, 0, {}, ["AAAA"]])("refuses %j, which is no text", (value) => {
    expect(() => decodeBase64(value, "it")).toThrow(expect.objectContaining({ code: "SIGNATURE_MALFORMED" }));
  });

  it("has one text for one value", () => {
    const text = fc.stringMatching(/^[A-Za-z0-9+/=_-]{0,8}$/);
    fc.assert(
      fc.property(text, (candidate) => {
        try {
          expect(decodeBase64(candidate, "it").toString("base64")).toBe(candidate);
        } catch (error) {
          expect(error).toBeInstanceOf(TrustError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("reads and refuses megabytes in little time", () => {
    const text = Buffer.alloc(16 * 1024 * 1024).toString("base64");
    const started = performance.now();
    expect(decodeBase64(text, "it").length).toBe(16 * 1024 * 1024);
    expect(() => decodeBase64(`${text}!`, "it")).toThrow(TrustError);
    expect(performance.now() - started).toBeLessThan(2000);
  });
});

describe("decodeBase64Json", () => {
  const decode = (text: string) => decodeBase64Json(Buffer.from(JSON.stringify(text)), "it").content;
  const pieceLength = 4 * 64 * 1024;

  it.each([0, 1, 2, 3, 196_607, 196_608, 196_609, 600_000])("reads %d bytes as the other one does", (length) => {
    const text = Buffer.alloc(length, 7).toString("base64");
    expect(decode(text).equals(decodeBase64(text, "it"))).toBe(true);
  });

  it.each([
    ["at the end of a piece", `${"A".repeat(pieceLength - 2)}==${"A".repeat(8)}`],
    ["one character at the end of a piece", `${"A".repeat(pieceLength - 1)}=${"A".repeat(8)}`],
    ["inside a piece", `AA==${"A".repeat(pieceLength)}`],
    ["alone in the last piece", `${"A".repeat(pieceLength)}====`],
  ])("refuses padding before the end, %s", (_where, text) => {
    expect(() => decodeBase64(text, "it")).toThrow(expect.objectContaining({ code: "SIGNATURE_MALFORMED" }));
    expect(() => decode(text)).toThrow(expect.objectContaining({ code: "SIGNATURE_MALFORMED" }));
  });
});
