import { describe, expect, it } from "vitest";
import { member, parseJson, text } from "../../webhook/json.ts";

const invalid = expect.objectContaining({ code: "REVIEW_INVALID" });

describe("member", () => {
  it("reads own members only", () => {
    const value = JSON.parse('{"a": {"__proto__": {"b": "hidden"}, "c": "seen"}}');
    expect(text(value, "a", "c")).toBe("seen");
    for (const path of [["a", "b"], ["constructor"], ["a", "toString"], ["a", "c", "length"]])
      expect(member(value, ...path)).toBeUndefined();
  });

  it("finds nothing below lists, null and missing members", () => {
    for (const value of [null, undefined, [], "text", { a: null }, { a: ["b"] }])
      expect(member(value, "a", "b")).toBeUndefined();
  });
});

describe("parseJson", () => {
  it("keeps keys that other parsers trip over", () => {
    const value = parseJson(Buffer.from('{"__proto__": {"x": 1}, "constructor": {"prototype": 1}}'));
    expect(Object.keys(value as object)).toEqual(["__proto__", "constructor"]);
    expect(({} as { x?: unknown }).x).toBeUndefined();
  });

  it.each(["", "{", "nope", "{} {}", "\ufeff{}"])("refuses %j", (body) => {
    expect(() => parseJson(Buffer.from(body))).toThrow(invalid);
  });

  it("reads a large document", () => {
    const large = { metadata: { annotations: { note: `"{[,${"x".repeat(3 << 20)}\\`, more: "[".repeat(5000) } } };
    expect(parseJson(Buffer.from(JSON.stringify(large)))).toEqual(large);
  });

  it("refuses a large document that is mostly structure, without parsing it", () => {
    const size = 4 << 20;
    for (const body of [
      "[".repeat(size),
      '{"a":'.repeat(size / 5),
      `[${"{},".repeat(size)}{}]`,
      `{"a":"${"[".repeat(9)}`,
    ])
      expect(() => parseJson(Buffer.from(body.padEnd(300_000)))).toThrow(invalid);
  });

  it("reads deep documents that are small", () => {
    expect(() => parseJson(Buffer.from(`${"[".repeat(50_000)}${"]".repeat(50_000)}`))).not.toThrow();
  });
});
