import { generateKeyPairSync, sign } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { matchesSignature, toPublicKey } from "../../src/crypto/public-key.ts";
import { derLength, integer, integerContent, sequence, tlv, toBigInt } from "./der.ts";

/** Orders of the groups (SEC 2, 2.4). */
const orders = {
  "P-256": 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
  "P-384": 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
} as const;

const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
const key = toPublicKey(pair.publicKey);
const message = Buffer.from("a manifest digest");
const n = orders["P-256"];

function numbersOf(privateKey: typeof pair.privateKey, hash: string): { r: bigint; s: bigint } {
  const raw = sign(hash, message, { key: privateKey, dsaEncoding: "ieee-p1363" });
  return { r: toBigInt(raw.subarray(0, raw.length / 2)), s: toBigInt(raw.subarray(raw.length / 2)) };
}

const { r, s } = numbersOf(pair.privateKey, "sha256");
const good = sequence(integer(r), integer(s));
const accepts = (signature: Uint8Array) => matchesSignature(key, message, signature);

describe("an ECDSA signature", () => {
  it("is accepted as r and s in DER, over its message and by its key", async () => {
    expect(await accepts(good)).toBe(true);
    expect(await accepts(sign("sha256", message, pair.privateKey))).toBe(true);
    expect(await matchesSignature(key, Buffer.from("another message"), good)).toBe(false);
    const other = toPublicKey(generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey);
    expect(await matchesSignature(other, message, good)).toBe(false);
  });

  it("is accepted with s in either half, as other clients write both", async () => {
    expect(await accepts(sequence(integer(r), integer(n - s)))).toBe(true);
  });

  const zero = Buffer.from([0]);
  const wrong: readonly (readonly [string, Uint8Array])[] = [
    ["nothing", Buffer.alloc(0)],
    ["r and s without DER (IEEE P1363)", sign("sha256", message, { key: pair.privateKey, dsaEncoding: "ieee-p1363" })],
    ["r zero", sequence(integer(0n), integer(s))],
    ["s zero", sequence(integer(r), integer(0n))],
    ["both zero", sequence(integer(0n), integer(0n))],
    ["both one", sequence(integer(1n), integer(1n))],
    ["r the order", sequence(integer(n), integer(s))],
    ["s the order", sequence(integer(r), integer(n))],
    ["r and s the order", sequence(integer(n), integer(n))],
    ["r beyond the order", sequence(integer(r + n), integer(s))],
    ["s beyond the order", sequence(integer(r), integer(s + n))],
    ["r and s swapped", sequence(integer(s), integer(r))],
    ["r negative", sequence(tlv(0x02, negative(r)), integer(s))],
    ["s negative", sequence(integer(r), tlv(0x02, negative(s)))],
    ["r of no bytes", sequence(tlv(0x02, Buffer.alloc(0)), integer(s))],
    ["s of no bytes", sequence(integer(r), tlv(0x02, Buffer.alloc(0)))],
    ["r with a zero too many", sequence(tlv(0x02, Buffer.concat([zero, zero, integerContent(r)])), integer(s))],
    ["s with a zero too many", sequence(integer(r), tlv(0x02, Buffer.concat([zero, zero, integerContent(s)])))],
    ["a length in more bytes than needed", tlv(0x30, good.subarray(2), Buffer.from([0x81, good.length - 2]))],
    ["a length of r in more bytes", sequence(tlv(0x02, integerContent(r), longLength(r)), integer(s))],
    ["an indefinite length", Buffer.concat([Buffer.from([0x30, 0x80]), good.subarray(2), Buffer.from([0, 0])])],
    ["a length too small", tlv(0x30, good.subarray(2), derLength(good.length - 3))],
    ["a length too large", tlv(0x30, good.subarray(2), derLength(good.length - 1))],
    ["a huge length", tlv(0x30, good.subarray(2), Buffer.from([0x84, 0xff, 0xff, 0xff, 0xff]))],
    ["a byte behind", Buffer.concat([good, zero])],
    ["a byte before", Buffer.concat([zero, good])],
    ["itself twice", Buffer.concat([good, good])],
    ["a NULL inside, behind s", sequence(integer(r), integer(s), Buffer.from([5, 0]))],
    ["a third number", sequence(integer(r), integer(s), integer(1n))],
    ["r alone", sequence(integer(r))],
    ["an empty sequence", sequence()],
    ["a set", tlv(0x31, good.subarray(2))],
    ["a primitive sequence", tlv(0x10, good.subarray(2))],
    ["r as ENUMERATED", sequence(tlv(0x0a, integerContent(r)), integer(s))],
    ["s as OCTET STRING", sequence(integer(r), tlv(0x04, integerContent(s)))],
    ["a sequence inside a sequence", sequence(good)],
    ["a BIT STRING around it", tlv(0x03, Buffer.concat([zero, good]))],
    ["base64 of itself", Buffer.from(good.toString("base64"))],
    ["a megabyte of zeros", Buffer.alloc(1024 * 1024)],
  ];
  it.each(wrong)("is refused as %s", async (_, signature) => {
    expect(await accepts(signature)).toBe(false);
  });

  it("is refused after any change of one bit", async () => {
    for (let bit = 0; bit < good.length * 8; bit++) {
      const changed = Buffer.from(good);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(await accepts(changed), `bit ${bit}`).toBe(false);
    }
  });

  it("is refused when it is cut anywhere", async () => {
    for (let length = 0; length < good.length; length++) expect(await accepts(good.subarray(0, length))).toBe(false);
  });

  it("is never made by chance, and never makes the check throw", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 80 }), fc.bigInt({ min: 0n, max: n }), async (bytes, number) => {
        expect(await accepts(bytes)).toBe(false);
        expect(await accepts(sequence(integer(number), integer(s)))).toBe(number === r);
      }),
      { numRuns: 100 },
    );
  });
});

describe("an ECDSA signature over P-384", () => {
  it("follows the same rules", async () => {
    const larger = generateKeyPairSync("ec", { namedCurve: "P-384" });
    const numbers = numbersOf(larger.privateKey, "sha384");
    const order = orders["P-384"];
    const check = (...items: readonly bigint[]) =>
      matchesSignature(toPublicKey(larger.publicKey), message, sequence(...items.map(integer)));
    expect(await check(numbers.r, numbers.s)).toBe(true);
    expect(await check(numbers.r, order - numbers.s)).toBe(true);
    expect(await check(0n, numbers.s)).toBe(false);
    expect(await check(numbers.r, 0n)).toBe(false);
    expect(await check(numbers.r + order, numbers.s)).toBe(false);
    expect(await check(numbers.r, numbers.s + order)).toBe(false);
  });
});

/** The two's complement of a number: what a writer who forgets the sign gets. */
function negative(value: bigint): Buffer {
  const bytes = integerContent(value);
  const length = BigInt(bytes.length * 8);
  return Buffer.from(((1n << length) - value).toString(16).padStart(bytes.length * 2, "0"), "hex");
}

function longLength(value: bigint): Buffer {
  return Buffer.from([0x81, integerContent(value).length]);
}
