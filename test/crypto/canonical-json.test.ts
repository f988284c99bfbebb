import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalJson } from "../../src/crypto/canonical-json.ts";
import { codeOf } from "../support/errors.ts";

describe("canonicalJson", () => {
  it("writes what RFC 8785 writes", () => {
    expect(canonicalJson({ logIndex: 5, body: "a/b+c=", logID: "c0", integratedTime: 1692374735 })).toBe(
      '{"body":"a/b+c=","integratedTime":1692374735,"logID":"c0","logIndex":5}',
    );
    // RFC 8785 §3.2.3: the order of UTF-16 code units.
    const keys = {
      "\u20ac": "Euro",
      "\r": "CR",
      "\ufb33": "Dalet",
      "1": "One",
      "\ud83d\ude00": "Emoji",
      "\u0080": "C",
      "\u00f6": "o",
    };
    expect(Object.values(JSON.parse(canonicalJson(keys)))).toEqual(["One", "CR", "C", "o", "Euro", "Emoji", "Dalet"]);
    expect(canonicalJson([null, true, false, 0, -1, '\u2028"\\\b\u000f<>&'])).toBe(
      '[null,true,false,0,-1,"\u2028\\"\\\\\\b\\u000f<>&"]',
    );
  });

  it("is read back as what was written, in one form whatever the order", () => {
    const text = fc.string({ unit: "grapheme" });
    fc.assert(
      fc.property(fc.dictionary(text, fc.oneof(text, fc.maxSafeInteger())), (value) => {
        const json = canonicalJson(value);
        expect({ ...JSON.parse(json) }).toEqual({ ...value });
        expect(canonicalJson(Object.fromEntries(Object.entries(value).reverse()))).toBe(json);
      }),
    );
  });

  it.each([[1.5], [2 ** 53], [Number.NaN], [Number.POSITIVE_INFINITY], ["\ud800"], [{ "\udc00": 1 }]])(
    "refuses %s",
    (value) => {
      expect(codeOf(() => canonicalJson(value))).toBe("SIGNATURE_MALFORMED");
    },
  );
});
