import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  contextTag,
  type DerNode,
  derBytes,
  derChildren,
  derContent,
  derFields,
  derTags,
  parseDer,
  parseDerInside,
} from "../../src/crypto/der.ts";
import {
  derBitString,
  derBitStringOctets,
  derBoolean,
  derInteger,
  derOid,
  derSmallInteger,
  derString,
  derStringAs,
  derTime,
} from "../../src/crypto/der-values.ts";
import { TrustError } from "../../src/errors.ts";
import { codeOf } from "../support/errors.ts";
import { bits, boolean, nothing, octets, oid, utf8 } from "../support/x509.ts";
import { integer, sequence, tlv } from "./der.ts";

const read = (bytes: Uint8Array): DerNode =>
  parseDer(bytes, { what: "the test value", code: "CERTIFICATE_INVALID", maxBytes: 70_000 });
const hex = (text: string) => Buffer.from(text.replaceAll(" ", ""), "hex");
const refused = (run: () => unknown) => expect(codeOf(run)).toBe("CERTIFICATE_INVALID");

describe("DER", () => {
  it("is read as views of the bytes it came in", () => {
    const padding = Buffer.from("unrelated");
    const value = sequence(integer(5n), sequence(utf8("inner")));
    const whole = Buffer.concat([padding, value, padding]);
    const node = read(whole.subarray(padding.length, padding.length + value.length));
    expect(derBytes(node)).toEqual(value);
    expect(derBytes(node).buffer).toBe(whole.buffer);
    const [first, second] = derChildren(node);
    expect(first && derInteger(first)).toEqual(Buffer.from([5]));
    expect(second && derContent(second)).toEqual(utf8("inner"));
  });

  it("is read with lengths of one to four octets", () => {
    for (const length of [0, 1, 127, 128, 255, 256, 65_535, 65_536]) {
      const node = read(octets(Buffer.alloc(length, 1)));
      expect(derContent(node).length).toBe(length);
    }
  });

  const wrong: readonly (readonly [string, string])[] = [
    ["nothing", ""],
    ["a tag alone", "30"],
    ["a length beyond the end", "0402ff"],
    ["a byte behind", "0500 00"],
    ["an indefinite length", "3080 0000"],
    ["a length of two octets where one is enough", `04817f${"00".repeat(127)}`],
    ["a length with a leading zero", "04820001 00"],
    ["a length of four octets", "0484 00000001 00"],
    ["the reserved length", "04ff"],
    ["a length that is cut off", "0482 01"],
    ["a tag of several octets", "1f8101 00"],
    ["a context-specific tag of several octets", "9f0100"],
    ["an indefinite length before 128 bytes", `0480${"00".repeat(128)}`],
    ["an application tag", "6100"],
    ["a private tag", "c100"],
    ["end of contents", "0000"],
    ["a constructed string", "2404 04020000"],
    ["a constructed BOOLEAN", "2103 0101ff"],
    ["a primitive SEQUENCE", "1000"],
    ["a primitive SET", "1100"],
    ["a child that reaches beyond its parent", "3003 0402ff ff"],
    ["a child whose header is cut off by its parent", "3001 04 0100"],
    ["a REAL", "0900"],
    ["an EXTERNAL", "2800"],
    ["a BOOLEAN of 1", "010101"],
    ["a BOOLEAN of two octets", "0102ffff"],
    ["an empty BOOLEAN", "0100"],
    ["an empty INTEGER", "0200"],
    ["an INTEGER with a zero too many", "02020001"],
    ["a negative INTEGER with an octet too many", "0202ff80"],
    ["an ENUMERATED with a zero too many", "0a020001"],
    ["a NULL with content", "050100"],
    ["an empty BIT STRING", "0300"],
    ["a BIT STRING with 8 unused bits", "03020800"],
    ["an empty BIT STRING with unused bits", "030101"],
    ["a BIT STRING with unused bits set", "03020101"],
    ["an empty OBJECT IDENTIFIER", "0600"],
    ["an OBJECT IDENTIFIER that is cut off", "06022a86"],
    ["an OBJECT IDENTIFIER with padding", "06032a8001"],
    ["a fault deep inside", "30063004a0020200"],
  ];
  it.each(wrong)("refuses %s", (_, text) => {
    refused(() => read(hex(text)));
  });

  it("refuses values nested too deep, and bears what is used", () => {
    const nested = (depth: number) => {
      let value = nothing;
      for (let level = 0; level < depth; level++) value = sequence(value);
      return value;
    };
    expect(() => read(nested(20))).not.toThrow();
    refused(() => read(nested(30)));
    refused(() => read(nested(10_000).subarray(0, 60_000)));
    refused(() => read(Buffer.alloc(60_000, 0x30)));
  });

  it("refuses more bytes than are wanted before it looks at them", () => {
    refused(() => read(octets(Buffer.alloc(70_000))));
  });

  it("tells where the fault is", () => {
    const error = catchError(() => read(sequence(integer(1n), hex("0100"))));
    expect(error.message).toContain("the test value");
    expect(error.message).toContain("byte 5");
  });

  it("never throws anything but a TrustError, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        codeOf(() => walk(read(bytes)));
      }),
      { numRuns: 3000 },
    );
  });

  it("has one encoding for each value: what is read can be written back byte by byte", () => {
    const value: fc.Arbitrary<Buffer> = fc.letrec<{ value: Buffer }>((tie) => ({
      value: fc.oneof(
        { depthSize: "small" },
        fc.uint8Array({ maxLength: 200 }).map(octets),
        fc.bigInt({ min: 0n, max: 2n ** 200n }).map(integer),
        fc.boolean().map(boolean),
        fc.array(tie("value"), { maxLength: 4 }).map((items) => sequence(...items)),
      ),
    })).value;
    fc.assert(
      fc.property(value, (bytes) => {
        expect(rewrite(read(bytes))).toEqual(bytes);
      }),
    );
  });
});

describe("the fields of a SEQUENCE", () => {
  const node = read(sequence(integer(1n), tlv(contextTag(0, "primitive"), Buffer.from("x")), boolean(true)));

  it("are taken in order, optional ones where they stand", () => {
    const fields = derFields(node);
    expect(fields.optional(derTags.oid)).toBeUndefined();
    fields.take(derTags.integer, "the number");
    expect(fields.optional(contextTag(0, "primitive"))).toBeDefined();
    expect(derBoolean(fields.takeAny("the flag"))).toBe(true);
    fields.end();
    expect(fields.optional(derTags.integer)).toBeUndefined();
  });

  it("are refused when missing, of another type, or left over", () => {
    refused(() => derFields(node).take(derTags.boolean, "the flag"));
    refused(() => derFields(node).end());
    refused(() => derFields(read(sequence())).takeAny("a field"));
    refused(() => derFields(read(integer(1n))));
  });
});

describe("a value inside an OCTET STRING", () => {
  it("is exactly one value", () => {
    expect(derOid(parseDerInside(read(octets(oid("1.2.3")))))).toBe("1.2.3");
    refused(() => parseDerInside(read(octets(Buffer.concat([nothing, nothing])))));
    refused(() => parseDerInside(read(octets(Buffer.alloc(0)))));
    refused(() => parseDerInside(read(sequence(octets(hex("0401")), nothing))));
    expect(derBytes(parseDerInside(read(bits(nothing)), 1))).toEqual(nothing);
  });
});

describe("object identifiers", () => {
  it.each([
    "0.0",
    "0.39",
    "1.0",
    "1.39",
    "2.0",
    "2.47",
    "2.999",
    "1.2.840.10045.4.3.2",
    "2.25.9007199254740993",
    "2.25.329800735698586629295641978511506172918",
  ])("reads %s", (text) => expect(derOid(read(oid(text)))).toBe(text));

  it("reads every one that can be written, and no two bytes as the same", () => {
    const component = fc.bigInt({ min: 0n, max: 2n ** 70n });
    fc.assert(
      fc.property(fc.nat(2), fc.nat(39), fc.array(component, { maxLength: 5 }), (first, second, rest) => {
        const text = [first, second, ...rest].join(".");
        expect(derOid(read(oid(text)))).toBe(text);
      }),
    );
  });

  it("refuses long ones", () => {
    refused(() => derOid(read(tlv(0x06, Buffer.concat([Buffer.alloc(100, 0x81), Buffer.from([1])])))));
  });
});

describe("numbers", () => {
  it("reads small ones, and refuses negative and large ones", () => {
    for (const value of [0, 1, 127, 128, 255, 65_536, 2 ** 31 - 1])
      expect(derSmallInteger(read(integer(BigInt(value))))).toBe(value);
    refused(() => derSmallInteger(read(hex("0201ff"))));
    refused(() => derSmallInteger(read(integer(2n ** 31n))));
    refused(() => derSmallInteger(read(integer(2n ** 64n))));
  });

  it("checks implicit ones, too", () => {
    refused(() => derInteger(read(hex("8200"))));
    refused(() => derBoolean(read(hex("800101"))));
    refused(() => derOid(read(hex("8601 80"))));
    refused(() => derBitString(read(hex("830108"))));
  });
});

describe("bit strings", () => {
  it("keeps the count of unused bits", () => {
    expect(derBitString(read(hex("030205a0")))).toEqual({ bytes: Buffer.from([0xa0]), unused: 5 });
    refused(() => derBitStringOctets(read(hex("030205a0"))));
    expect(derBitStringOctets(read(hex("0302 00a1")))).toEqual(Buffer.from([0xa1]));
  });
});

describe("strings", () => {
  const cases: readonly (readonly [string, number, string, string])[] = [
    ["UTF8String", 0x0c, "c3a9 e282ac", "é€"],
    ["PrintableString", 0x13, "41 27 3d 3f", "A'=?"],
    ["IA5String", 0x16, "61 40 62", "a@b"],
    ["BMPString", 0x1e, "00e9 20ac", "é€"],
    ["TeletexString", 0x14, "e9 41", "éA"],
    ["NumericString", 0x12, "31 20 32", "1 2"],
  ];
  it.each(cases)("reads %s", (_, tag, bytes, text) => {
    expect(derString(read(tlv(tag, hex(bytes))))).toBe(text);
  });

  const faults: readonly (readonly [string, number, string])[] = [
    ["UTF-8 that is cut off", 0x0c, "c3"],
    ["overlong UTF-8", 0x0c, "c0af"],
    ["a surrogate in UTF-8", 0x0c, "eda080"],
    ["@ in a PrintableString", 0x13, "40"],
    ["an accent in an IA5String", 0x16, "e9"],
    ["a letter in a NumericString", 0x12, "41"],
    ["a VisibleString, which no certificate has", 0x1a, "41"],
    ["a control character in a TeletexString", 0x14, "00"],
    ["half a character in a BMPString", 0x1e, "00"],
    ["a surrogate in a BMPString", 0x1e, "d83d"],
    ["a number", 0x02, "01"],
  ];
  it.each(faults)("refuses %s", (_, tag, bytes) => {
    refused(() => derString(read(tlv(tag, hex(bytes)))));
  });

  it("keeps a byte order mark, which is part of the name", () => {
    expect(derString(read(tlv(0x0c, hex("efbbbf41"))))).toBe("\ufeffA");
  });

  it("reads implicit ones as the type they stand for", () => {
    expect(derStringAs(read(tlv(0x81, Buffer.from("a@b"))), derTags.ia5String)).toBe("a@b");
    refused(() => derString(read(tlv(0x81, Buffer.from("a@b")))));
  });
});

describe("times", () => {
  const good: readonly (readonly [number, string, string])[] = [
    [0x17, "500101000000Z", "1950-01-01T00:00:00.000Z"],
    [0x17, "991231235959Z", "1999-12-31T23:59:59.000Z"],
    [0x17, "000229120000Z", "2000-02-29T12:00:00.000Z"],
    [0x17, "491231235959Z", "2049-12-31T23:59:59.000Z"],
    [0x18, "20500101000000Z", "2050-01-01T00:00:00.000Z"],
    [0x18, "20111006083956Z", "2011-10-06T08:39:56.000Z"],
    [0x18, "99991231235959Z", "9999-12-31T23:59:59.000Z"],
  ];
  it.each(good)("reads %d %s", (tag, text, iso) => {
    expect(new Date(derTime(read(tlv(tag, Buffer.from(text))))).toISOString()).toBe(iso);
  });

  const wrong: readonly (readonly [number, string])[] = [
    [0x17, "2601010000Z"],
    [0x17, "260101000000"],
    [0x17, "260101000000+0000"],
    [0x17, "20260101000000Z"],
    [0x17, "260101000000.5Z"],
    [0x17, "261301000000Z"],
    [0x17, "260001000000Z"],
    [0x17, "260100000000Z"],
    [0x17, "260230000000Z"],
    [0x17, "250229000000Z"],
    [0x17, "260101240000Z"],
    [0x17, "260101006000Z"],
    [0x17, "260101000060Z"],
    [0x17, "26010100000 Z"],
    [0x17, "２６０１０１"],
    [0x17, ""],
    [0x18, "500101000000Z"],
    [0x18, "20500101000000"],
    [0x18, "20500101000000.1Z"],
    [0x18, "20500101000000,1Z"],
    [0x18, "205001010000Z"],
    [0x18, "21000229000000Z"],
    [0x18, "00500101000000Z"],
    [0x16, "260101000000Z"],
    [0x16, "20260101000000Z"],
  ];
  it.each(wrong)("refuses %d %s", (tag, text) => {
    refused(() => derTime(read(tlv(tag, Buffer.from(text)))));
  });
});

function walk(node: DerNode): void {
  if ((node.tag & 0x20) !== 0) for (const child of derChildren(node)) walk(child);
  else
    for (const reader of [derBoolean, derInteger, derOid, derString, derTime, derBitString, derSmallInteger])
      codeOf(() => reader(node));
}

function rewrite(node: DerNode): Buffer {
  return tlv(node.tag, (node.tag & 0x20) === 0 ? derContent(node) : Buffer.concat(derChildren(node).map(rewrite)));
}

function catchError(run: () => unknown): TrustError {
  try {
    run();
  } catch (error) {
    if (error instanceof TrustError) return error;
  }
  throw new Error("no TrustError was thrown");
}
