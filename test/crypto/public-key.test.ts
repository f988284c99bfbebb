import {
  createPublicKey,
  constants as cryptoConstants,
  generateKeyPairSync,
  hash,
  type KeyObject,
  sign,
} from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  algorithmOf,
  formatPublicKey,
  matchesSignature,
  parsePublicKey,
  parsePublicKeys,
  readCanonicalKey,
  toPublicKey,
} from "../../src/crypto/public-key.ts";
import { TrustError } from "../../src/errors.ts";
import { sequence, tlv, toBigInt, toBytes } from "./der.ts";

const ec = (namedCurve: string) => generateKeyPairSync("ec", { namedCurve });
const rsa = (modulusLength: number) => generateKeyPairSync("rsa", { modulusLength });
const pemOf = (key: KeyObject) => key.export({ type: "spki", format: "pem" }).toString();
const armour = (der: Uint8Array, label = "PUBLIC KEY") =>
  `-----BEGIN ${label}-----\n${Buffer.from(der)
    .toString("base64")
    .replace(/.{64}(?=.)/g, "$&\n")}\n-----END ${label}-----\n`;
const coded = (code: string) => expect.objectContaining({ code });

const p256 = ec("P-256");
const p256Pem = pemOf(p256.publicKey);
const p256Spki = p256.publicKey.export({ type: "spki", format: "der" });
const rsa2048 = rsa(2048);
const ed25519 = generateKeyPairSync("ed25519");
const message = Buffer.from("a manifest digest");

describe("parsePublicKey", () => {
  it.each([
    ["ecdsa-p256", p256],
    ["ecdsa-p384", ec("P-384")],
    ["ecdsa-p521", ec("P-521")],
    ["ed25519", ed25519],
    ["rsa", rsa2048],
  ] as const)("reads a key for %s and writes it as it was", (algorithm, { publicKey, privateKey }) => {
    const key = parsePublicKey(pemOf(publicKey));
    expect(key.algorithm).toBe(algorithm);
    expect(formatPublicKey(key)).toBe(pemOf(publicKey));
    expect(key.keyId).toBe(hash("sha256", publicKey.export({ type: "spki", format: "der" })));
    expect(algorithmOf(privateKey)).toBe(algorithm);
  });

  it("reads PEM with text around it, Windows line ends and no last line end", () => {
    const { keyId } = toPublicKey(p256.publicKey);
    for (const text of [`my key\n${p256Pem}and more`, p256Pem.replaceAll("\n", "\r\n"), p256Pem.trim()])
      expect(parsePublicKey(text).keyId).toBe(keyId);
  });

  it.each([
    ["no PEM", "release.pub"],
    ["an empty text", ""],
    ["two keys", p256Pem + p256Pem],
    ["a cut end", p256Pem.slice(0, -10)],
    ["a cut body", p256Pem.replace(/.{20}\n-----END/, "\n-----END")],
    ["an empty body", "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n"],
    ["labels that differ", p256Pem.replace("END PUBLIC", "END PRIVATE")],
    ["a private key", p256.privateKey.export({ type: "pkcs8", format: "pem" }).toString()],
    ["an EC private key", p256.privateKey.export({ type: "sec1", format: "pem" }).toString()],
    ["a public key labelled as a certificate", armour(p256Spki, "CERTIFICATE")],
    ["a PKCS#1 key", rsa2048.publicKey.export({ type: "pkcs1", format: "pem" }).toString()],
    ["a PKCS#1 key labelled as SPKI", armour(rsa2048.publicKey.export({ type: "pkcs1", format: "der" }))],
    ["a private key labelled as a public one", armour(p256.privateKey.export({ type: "pkcs8", format: "der" }))],
    ["random bytes", armour(Buffer.alloc(91, 7))],
    ["a point that is not on the curve", armour(Buffer.concat([p256Spki.subarray(0, -1), flipLast(p256Spki)]))],
    ["the point at infinity", armour(withPoint(Buffer.from([0])))],
    ["no point at all", armour(withPoint(Buffer.alloc(0)))],
    ["more than 64 KiB", `${"x".repeat(64 * 1024)}\n${p256Pem}`],
  ])("refuses %s", (_, text) => {
    expect(() => parsePublicKey(text)).toThrow(coded("KEY_INVALID"));
  });

  it("says what to do about a private key, and repeats none of it", () => {
    const pem = p256.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    const error = caught(() => parsePublicKey(pem));
    expect(error.hint).toContain("trust key public");
    expect(JSON.stringify({ ...error, message: error.message })).not.toContain(pem.split("\n")[1]);
  });

  it.each([
    ["RSA of 1024 bits", rsa(1024).publicKey],
    ["RSA-PSS", generateKeyPairSync("rsa-pss", { modulusLength: 2048 }).publicKey],
    ["RSA with exponent 1", rsaKey(toBigInt(modulus()), 1n)],
    ["secp256k1", ec("secp256k1").publicKey],
    ["P-224", ec("P-224").publicKey],
    ["Ed448", generateKeyPairSync("ed448").publicKey],
    ["X25519", generateKeyPairSync("x25519").publicKey],
    ["DSA", generateKeyPairSync("dsa", { modulusLength: 2048, divisorLength: 256 }).publicKey],
  ])("does not support %s", (_, key) => {
    expect(() => parsePublicKey(pemOf(key))).toThrow(coded("KEY_UNSUPPORTED"));
  });

  it("reads curve parameters that are written out only where they are those of the named curve", () => {
    const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256", paramEncoding: "explicit" });
    const der = publicKey.export({ type: "spki", format: "der" });
    const named = createPublicKey({ key: publicKey.export({ format: "jwk" }), format: "jwk" });
    expect(parsePublicKey(armour(der)).keyId).toBe(toPublicKey(named).keyId);
    // Another generator of the same curve makes any key anybody's (CVE-2020-0601).
    const generator = der.indexOf(Buffer.from("046b17d1f2e12c4247f8bce6e563a440f2", "hex"));
    expect(generator).toBeGreaterThan(0);
    p256Spki.copy(der, generator, p256Spki.length - 65);
    expect(outcome(() => parsePublicKey(armour(der)).algorithm)).toMatch(/^KEY_/);
  });

  it("gives one key one id, however its point is written", () => {
    const point = p256Spki.subarray(-65);
    const compressed = Buffer.concat([Buffer.from([2 + ((point[64] ?? 0) & 1)]), point.subarray(1, 33)]);
    const key = parsePublicKey(armour(withPoint(compressed)));
    expect(key.keyId).toBe(toPublicKey(p256.publicKey).keyId);
    expect(key.spki.equals(p256Spki)).toBe(true);
  });

  it("does not let bytes behind the key make another id", () => {
    const text = armour(Buffer.concat([p256Spki, Buffer.from("behind")]));
    expect(parsePublicKey(text).keyId).toBe(toPublicKey(p256.publicKey).keyId);
  });

  it("throws nothing but its own error after any change of one byte, and reads no other key as the same", () => {
    const { keyId } = toPublicKey(p256.publicKey);
    // The number of unused bits and the form of the point are no part of the key.
    const notTheKey = [p256Spki.length - 66, p256Spki.length - 65];
    fc.assert(
      fc.property(fc.nat(p256Spki.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const changed = Buffer.from(p256Spki);
        changed[at] = (changed[at] ?? 0) ^ change;
        const id = outcome(() => parsePublicKey(armour(changed)).keyId);
        if (!notTheKey.includes(at)) expect(id).not.toBe(keyId);
      }),
      { numRuns: 300 },
    );
  });
});

describe("parsePublicKeys", () => {
  it("reads all keys of a text, in order", () => {
    const keys = parsePublicKeys(`first\n${p256Pem}\nsecond\n${pemOf(ed25519.publicKey)}`);
    expect(keys.map(({ algorithm }) => algorithm)).toEqual(["ecdsa-p256", "ed25519"]);
  });

  it.each([
    ["none", ""],
    ["one that is private among them", p256Pem + ed25519.privateKey.export({ type: "pkcs8", format: "pem" })],
    ["one that is broken among them", p256Pem + armour(Buffer.from("broken"))],
  ])("refuses a text with %s", (_, text) => {
    expect(() => parsePublicKeys(text)).toThrow(coded("KEY_INVALID"));
  });

  it("takes no time worth speaking of for text made of beginnings", () => {
    const started = performance.now();
    for (const piece of ["-----BEGIN A-----", "-----BEGIN ", "-----BEGIN PUBLIC KEY-----\n", "-----END A-----"])
      expect(() => parsePublicKeys(piece.repeat(Math.floor(65_000 / piece.length)))).toThrow(coded("KEY_INVALID"));
    expect(performance.now() - started).toBeLessThan(2000);
  });
});

describe("matchesSignature", () => {
  it.each([
    ["P-256", ["sha256"], ["sha1", "sha384", "sha512"]],
    ["P-384", ["sha256", "sha384"], ["sha1", "sha512"]],
    ["P-521", ["sha256", "sha512"], ["sha1", "sha384"]],
  ] as const)("reads %s with %j and with nothing else", async (curve, hashes, others) => {
    const { publicKey, privateKey } = ec(curve);
    const key = toPublicKey(publicKey);
    for (const name of hashes) expect(await matchesSignature(key, message, sign(name, message, privateKey))).toBe(true);
    for (const name of others)
      expect(await matchesSignature(key, message, sign(name, message, privateKey))).toBe(false);
  });

  it("reads RSA as PKCS#1 v1.5 over SHA-256 and as nothing else", async () => {
    const key = toPublicKey(rsa2048.publicKey);
    const { privateKey } = rsa2048;
    const good = sign("sha256", message, privateKey);
    expect(await matchesSignature(key, message, good)).toBe(true);
    const pss = { key: privateKey, padding: cryptoConstants.RSA_PKCS1_PSS_PADDING };
    const beyond = toBytes(toBigInt(good) + toBigInt(modulus()));
    for (const signature of [
      sign("sha1", message, privateKey),
      sign("sha512", message, privateKey),
      sign("sha256", message, pss),
      Buffer.concat([Buffer.from([0]), good]),
      Buffer.concat([good, Buffer.from([0])]),
      good.subarray(1),
      beyond,
      Buffer.alloc(256),
      Buffer.alloc(256, 1),
      Buffer.alloc(0),
    ])
      expect(await matchesSignature(key, message, signature)).toBe(false);
  });

  it("does not take PKCS#1 v1.5 padding that somebody made up for a signature", async () => {
    // With exponent 3 and a lenient check of the padding, a cube root would forge (CVE-2006-4339).
    const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048, publicExponent: 3 });
    const info = sequence(
      sequence(Buffer.from("0609608648016503040201", "hex"), Buffer.from([5, 0])),
      tlv(0x04, Buffer.from(hash("sha256", message), "hex")),
    );
    const block = Buffer.concat([Buffer.from("0001ffffffffffffffff00", "hex"), info]);
    const padded = Buffer.concat([block, Buffer.alloc(256 - block.length, 0)]);
    const forged = toBytes(cubeRoot(toBigInt(padded)) + 1n);
    const signature = Buffer.concat([Buffer.alloc(256 - forged.length), forged]);
    expect(await matchesSignature(toPublicKey(publicKey), message, signature)).toBe(false);
  });

  it("reads Ed25519 over the message itself, and only the one way to write it", async () => {
    const key = toPublicKey(ed25519.publicKey);
    const good = sign(null, message, ed25519.privateKey);
    expect(await matchesSignature(key, message, good)).toBe(true);
    // RFC 8032 5.1.7: S must be below the order of the group.
    const order = 2n ** 252n + 27742317777372353535851937790883648493n;
    const s = toBigInt(Buffer.from(good.subarray(32)).reverse()) + order;
    const beyond = Buffer.from(s.toString(16).padStart(64, "0"), "hex").reverse();
    const prehashed = sign(null, Buffer.from(hash("sha512", message), "hex"), ed25519.privateKey);
    for (const signature of [
      Buffer.concat([good.subarray(0, 32), beyond]),
      Buffer.concat([good, Buffer.from([0])]),
      good.subarray(0, 63),
      Buffer.alloc(64),
      Buffer.alloc(0),
      prehashed,
    ])
      expect(await matchesSignature(key, message, signature)).toBe(false);
    expect(await matchesSignature(key, Buffer.from("another"), good)).toBe(false);
  });

  it("answers false, and never throws, for any bytes and any kind of key", async () => {
    const keys = [p256, rsa2048, ed25519].map(({ publicKey }) => toPublicKey(publicKey));
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...keys),
        fc.uint8Array(),
        fc.uint8Array({ maxLength: 300 }),
        async (key, a, b) => {
          expect(await matchesSignature(key, a, b)).toBe(false);
        },
      ),
      { numRuns: 100 },
    );
  });
});

/** The last byte of the key, changed. */
function flipLast(spki: Buffer): Buffer {
  return Buffer.from([(spki.at(-1) ?? 0) ^ 1]);
}

/** A P-256 key with that encoding of its point. */
function withPoint(point: Uint8Array): Buffer {
  const algorithm = p256Spki.subarray(2, 23);
  return sequence(algorithm, tlv(0x03, Buffer.concat([Buffer.from([0]), point])));
}

function modulus(): Buffer {
  return Buffer.from(rsa2048.publicKey.export({ format: "jwk" }).n ?? "", "base64url");
}

function rsaKey(n: bigint, e: bigint): KeyObject {
  const jwk = { kty: "RSA", n: toBytes(n).toString("base64url"), e: toBytes(e).toString("base64url") };
  return createPublicKey({ key: jwk, format: "jwk" });
}

function cubeRoot(value: bigint): bigint {
  let low = 0n;
  let high = 1n << 683n;
  while (low < high) {
    const middle = (low + high + 1n) >> 1n;
    if (middle ** 3n <= value) low = middle;
    else high = middle - 1n;
  }
  return low;
}

function caught(work: () => unknown): TrustError {
  try {
    work();
  } catch (error) {
    if (error instanceof TrustError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

/** The answer, or the code of the error. */
function outcome(work: () => string): string {
  try {
    return work();
  } catch (error) {
    if (error instanceof TrustError) return error.code;
    throw error;
  }
}

describe("readCanonicalKey", () => {
  it("reads P-256 and P-384 as toPublicKey does, and leaves every other form to it", () => {
    for (const curve of ["P-256", "P-384"]) {
      const { publicKey } = ec(curve);
      const { keyId, algorithm, spki } = toPublicKey(publicKey);
      expect(readCanonicalKey(spki)).toMatchObject({ keyId, algorithm, spki });
    }
    for (const { publicKey } of [ec("P-521"), rsa2048, ed25519])
      expect(readCanonicalKey(publicKey.export({ type: "spki", format: "der" }))).toBeUndefined();
    expect(readCanonicalKey(Buffer.concat([p256Spki, Buffer.of(0)]))).toBeUndefined();
  });

  it("takes no point that is not on the curve", () => {
    const spki = Buffer.from(p256Spki);
    spki[spki.length - 1] = (spki.at(-1) ?? 0) ^ 1;
    expect(() => readCanonicalKey(spki)).toThrow();
  });
});
