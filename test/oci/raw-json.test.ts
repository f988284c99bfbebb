import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonicalText, parseRawObject } from "../../src/oci/raw-json.ts";

const parse = (text: string) => parseRawObject(Buffer.from(text), "it");

describe("JSON of others", () => {
  test.each([
    ['{"a":12345678901234567890,"b":1.0,"c":1e400,"d":-0,"e":0.1}'],
    ['{"__proto__":{"x":1},"constructor":2}'],
    ['{"a":"\\u00e9","b":[null,true,{}]}'],
  ])("comes out as it went in: %s", (text) => {
    expect(JSON.stringify(parse(text))).toBe(text.replace("\\u00e9", "é"));
  });

  test.each([["{"], ["[]"], ["null"], ["5"], [""]])("that is no object is refused: %j", (text) => {
    expect(() => parse(text)).toThrow(expect.objectContaining({ code: "MANIFEST_INVALID" }));
  });

  test("has one canonical text, whatever the order of its keys", () => {
    expect(canonicalText(parse('{"b":1,"a":{"d":2,"c":3.0}}'))).toBe('{"a":{"c":3.0,"d":2},"b":1}');
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (object) => {
        const reversed = Object.fromEntries(Object.entries(object).reverse());
        expect(canonicalText(parse(JSON.stringify(reversed)))).toBe(canonicalText(parse(JSON.stringify(object))));
      }),
    );
  });
});
