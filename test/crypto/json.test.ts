import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isJsonObject, parseStrictJson } from "../../src/crypto/json.ts";
import { TrustError } from "../../src/errors.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const parse = (text: string) => parseStrictJson(bytes(text), "it");
const refused = expect.objectContaining({ code: "SIGNATURE_MALFORMED" });

describe("parseStrictJson", () => {
  it("reads what JSON.stringify writes", () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 5 }), fc.constantFrom(undefined, 2), (text, space) => {
        fc.pre(!text.includes("__proto__"));
        const value: unknown = JSON.parse(text);
        expect(parse(JSON.stringify(value, undefined, space))).toEqual(value);
      }),
    );
  });

  it.each([
    '{"a":1,"a":1}',
    '{"a":1,"\\u0061":2}',
    '{"a":{"b":1,"c":2,"b":3}}',
    '[{"a":1},{"a":1,"a":2}]',
    '{"a":[{"a":1}],"a" :2}',
    '{"a":"x","b":"{\\"a\\":1}","a"\n:\t1}',
    '{"":1,"":2}',
    '{"\\"":1,"\\u0022":2}',
  ])("refuses %s, which has a key twice", (text) => {
    expect(() => parse(text)).toThrow(refused);
  });

  it.each([
    '{"a":"a","b":"a"}',
    '[{"a":1},{"a":1}]',
    '{"a":{"a":{"a":1}}}',
    '["a","a"]',
    '{"a":"\\"a\\":1","b":1}',
    '{"a":"}","b":"{","c":"[","d":"]"}',
    '{"a":"\\\\","b":1}',
    '{"a":1,"A":2}',
  ])("reads %s, which looks like it has", (text) => {
    expect(parse(text)).toEqual(JSON.parse(text));
  });

  it.each(['{"__proto__":{}}', '{"a":{"\\u005f_proto__":1}}', '{"a":[{"__proto__":null}]}'])("refuses %s", (text) => {
    expect(() => parse(text)).toThrow(refused);
  });

  it.each([
    "",
    " ",
    "{",
    "{}}",
    "{}{}",
    "{a:1}",
    "{'a':1}",
    '{"a":1,}',
    "[1,]",
    "NaN",
    "01",
    "// x\n1",
    '"\n"',
    "\ufeff{}",
    "{}\u0000",
  ])("refuses %j", (text) => {
    expect(() => parse(text)).toThrow(refused);
  });

  it.each([
    [[0x22, 0xff, 0x22]],
    [[0x22, 0xc0, 0x80, 0x22]],
    [[0x22, 0xed, 0xa0, 0x80, 0x22]],
    [[0xff, 0xfe, 0x31, 0x00]],
  ])("refuses the bytes %j, which are not UTF-8", (raw) => {
    expect(() => parseStrictJson(Uint8Array.from(raw), "it")).toThrow(refused);
  });

  it("reads a depth of 128 and no deeper", () => {
    const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
    expect(parse(nested(128))).toBeInstanceOf(Array);
    expect(() => parse(nested(129))).toThrow(refused);
    expect(() => parse(`${'{"a":'.repeat(129)}1${"}".repeat(129)}`)).toThrow(refused);
  });

  it("refuses a million nested lists, and a hundred thousand keys with one twice, in little time", () => {
    const started = performance.now();
    expect(() => parse("[".repeat(1_000_000) + "]".repeat(1_000_000))).toThrow(refused);
    const keys = Array.from({ length: 100_000 }, (_, i) => `"k${i}":0`);
    expect(() => parse(`{${keys.join(",")},"k0":1}`)).toThrow(refused);
    expect(performance.now() - started).toBeLessThan(5000);
  });

  it("throws nothing but its own error, whatever the bytes", () => {
    const piece = fc.constantFrom("{", "}", "[", "]", '"', "\\", ":", ",", "a", "1", " ", "\\u0061", "__proto__");
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        try {
          expect(parse(pieces.join(""))).toEqual(JSON.parse(pieces.join("")));
        } catch (error) {
          expect(error).toBeInstanceOf(TrustError);
        }
      }),
      { numRuns: 3000 },
    );
  });

  it("repeats nothing of what it refuses but a part of a key", () => {
    const secret = "s3cr3t";
    for (const text of [`{"a":"${secret}"`, `{"a":"${secret}","a":1}`, secret]) {
      const error: unknown = (() => {
        try {
          return parse(text);
        } catch (reason) {
          return reason;
        }
      })();
      expect(error instanceof TrustError ? error.message : secret).not.toContain(secret);
    }
  });
});

describe("isJsonObject", () => {
  it("is true for objects alone", () => {
    expect(isJsonObject({})).toBe(true);
    for (const value of [undefined, null, [], "a", 1, true]) expect(isJsonObject(value)).toBe(false);
  });
});
