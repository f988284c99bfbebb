import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { forEachElement, parseMember, readJsonMembers } from "../../src/crypto/json.ts";
import { scanStrictJson } from "../../src/crypto/json-scan.ts";

const bytes = (text: string) => Buffer.from(text);
const accepts = (text: string): boolean => {
  try {
    scanStrictJson(bytes(text));
    return true;
  } catch {
    return false;
  }
};
const parses = (text: string): boolean => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

describe("scanStrictJson", () => {
  it("finds what is special in texts of thousands of characters, wherever it stands", () => {
    const length = 10_000;
    for (let at = 0; at < length; at += 37)
      for (const special of ["\\n", '"', "\n", "\\x", "\u0000", "é"]) {
        const text = `["${"a".repeat(at)}${special}${"b".repeat(length - at)}", "c"]`;
        expect(accepts(text), `${JSON.stringify(special)} at ${at}`).toBe(parses(text));
      }
    expect(accepts(`["${"a".repeat(length)}`)).toBe(false);
  });

  it("accepts exactly what JSON.parse accepts, where no key comes twice", () => {
    const piece = fc.constantFrom(
      ...["{", "}", "[", "]", '"', "\\", ":", ",", "a", "u", "0", "1", "-", ".", "e", "E", "+", " ", "\t", "\n"],
      ...[
        "true",
        "false",
        "null",
        "tru",
        '"a"',
        '"b":',
        '{"c":',
        "\\u00e9",
        "\\uD83D",
        "é",
        "\u0000",
        "\u001f",
        "\u00a0",
      ],
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 10 }), (pieces) => {
        const text = pieces.join("");
        fc.pre(!/"([ab])".*"\1"|"c".*"c"/s.test(text));
        expect(accepts(text), JSON.stringify(text)).toBe(parses(text));
      }),
      { numRuns: 20_000 },
    );
  });

  it("accepts every number that JSON.parse accepts, and no other", () => {
    const piece = fc.constantFrom("0", "1", "9", "-", "+", ".", "e", "E");
    fc.assert(
      fc.property(fc.array(piece, { minLength: 1, maxLength: 7 }), (pieces) => {
        expect(accepts(pieces.join(""))).toBe(parses(pieces.join("")));
      }),
      { numRuns: 5000 },
    );
  });

  it("shows the values directly inside, as they are written", () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })),
        fc.constantFrom(undefined, 1),
        (value, space) => {
          fc.pre(!JSON.stringify(value).includes("__proto__"));
          const members = readJsonMembers(bytes(JSON.stringify(value, undefined, space)), "it");
          expect([...members.keys()].sort()).toEqual(Object.keys(value).sort());
          for (const [key, slice] of members) {
            expect(JSON.parse(Buffer.from(slice).toString())).toEqual(JSON.parse(JSON.stringify(value[key])));
            expect(parseMember(members, key)).toEqual(JSON.parse(JSON.stringify(value[key])));
          }
        },
      ),
    );
    const elements: string[] = [];
    forEachElement(bytes(' [1 , {"a" : 2},\n"x"] '), "it", (element) => elements.push(Buffer.from(element).toString()));
    expect(elements).toEqual(["1", '{"a" : 2}', '"x"']);
  });

  it("takes no object for a list, and no list for an object", () => {
    expect(forEachElement(bytes(" {}"), "it", () => {})).toBe(false);
    expect(() => readJsonMembers(bytes(" [{}]"), "it")).toThrow(
      expect.objectContaining({ code: "SIGNATURE_MALFORMED" }),
    );
  });

  it("refuses to make values of a member that is too long", () => {
    const members = readJsonMembers(bytes(`{"a":"${"x".repeat(100)}"}`), "it");
    expect(() => parseMember(members, "a", 50)).toThrow(expect.objectContaining({ code: "SIGNATURE_MALFORMED" }));
  });

  it("bounds what it remembers: a million keys and more in one object are refused", () => {
    const keys = Array.from({ length: 1_000_001 }, (_, i) => `"${i}":0`).join(",");
    expect(accepts(`{${keys}}`)).toBe(false);
    const lists = `[${Array.from({ length: 300_000 }, () => '{"a":1,"b":2,"c":3,"d":4}').join(",")}]`;
    expect(accepts(lists)).toBe(true);
  });
});

describe("documents of nothing but structure", () => {
  it("are looked into, but never made into values", () => {
    const text = bytes(`{"small":1,"large":[${"[],".repeat(200_000)}0]}`);
    const members = readJsonMembers(text, "it");
    expect(parseMember(members, "small")).toBe(1);
    expect(() => parseMember(members, "large")).toThrow(expect.objectContaining({ code: "SIGNATURE_MALFORMED" }));
  });
});
