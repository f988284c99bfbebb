import { constants, hash, randomBytes, sign } from "node:crypto";
import { describe, expect, it } from "vitest";
import { createDigestCheck, matchesDigest } from "../../src/crypto/digest-verify.ts";
import { matchesSignature } from "../../src/crypto/public-key.ts";
import { keyKinds, newPrivateKey, signerOf } from "../support/signers.ts";

const kinds = keyKinds.filter((kind) => kind !== "ed25519");

describe.each(kinds)("a signature over a known digest by a key of kind %s", (kind) => {
  const privateKey = newPrivateKey(kind);
  const { publicKey } = signerOf(privateKey);
  const other = signerOf(newPrivateKey(kind)).publicKey;

  it("is accepted where OpenSSL accepts it over the message, and by no other key", async () => {
    for (let round = 0; round < 20; round++) {
      const message = randomBytes(round * 7);
      const signature = sign("sha256", message, privateKey);
      const digest = hash("sha256", message, "buffer");
      expect(await matchesSignature(publicKey, message, signature)).toBe(true);
      expect(await matchesDigest(publicKey, digest, signature)).toBe(true);
      expect(await matchesDigest(other, digest, signature)).toBe(false);
      expect(await matchesDigest(publicKey, hash("sha256", digest, "buffer"), signature)).toBe(false);
    }
  });

  it("is refused with any byte changed", async () => {
    const digest = hash("sha256", "message", "buffer");
    const signature = sign("sha256", Buffer.from("message"), privateKey);
    for (let at = 0; at < signature.length; at += kind === "rsa" ? 16 : 1) {
      const changed = Buffer.from(signature);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(await matchesDigest(publicKey, digest, changed), `byte ${at}`).toBe(false);
    }
    expect(await matchesDigest(publicKey, digest, signature.subarray(1))).toBe(false);
    expect(await matchesDigest(publicKey, digest, Buffer.concat([signature, Buffer.of(0)]))).toBe(false);
    expect(await matchesDigest(publicKey, digest, Buffer.of())).toBe(false);
    expect(await matchesDigest(publicKey, digest.subarray(1), signature)).toBe(false);
  });
});

describe("numbers that no signer makes", () => {
  const privateKey = newPrivateKey("p256");
  const { publicKey } = signerOf(privateKey);
  const n = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
  const digest = hash("sha256", "message", "buffer");
  const integer = (value: bigint) => {
    const hex = value.toString(16);
    const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex");
    const content = (bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.of(0), bytes]) : bytes;
    return Buffer.concat([Buffer.of(0x02, content.length), content]);
  };
  const pair = (r: bigint, s: bigint) => {
    const content = Buffer.concat([integer(r), integer(s)]);
    return Buffer.concat([Buffer.of(0x30, content.length), content]);
  };

  it.each([
    [0n, 0n],
    [0n, 1n],
    [1n, 0n],
    [n, 1n],
    [1n, n],
    [n, n],
    [1n, 1n],
  ])("r %s, s %s", async (r, s) => {
    expect(await matchesDigest(publicKey, digest, pair(r, s))).toBe(false);
  });

  it("a signature of zero, of which the sum is the point at infinity, is none", async () => {
    expect(await matchesDigest(publicKey, Buffer.alloc(32), pair(n - 1n, n - 1n))).toBe(false);
  });
});

it("an RSA signature in another padding, or over another hash, is none", async () => {
  const privateKey = newPrivateKey("rsa");
  const { publicKey } = signerOf(privateKey);
  const message = Buffer.from("message");
  const digest = hash("sha256", message, "buffer");
  const pss = sign("sha256", message, { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING });
  expect(await matchesDigest(publicKey, digest, pss)).toBe(false);
  expect(await matchesDigest(publicKey, digest, sign("sha512", message, privateKey))).toBe(false);
});

it("an Ed25519 signature cannot be checked, and other digests than SHA-256 equal nothing", async () => {
  const privateKey = newPrivateKey("ed25519");
  const { publicKey } = signerOf(privateKey);
  const digest = hash("sha256", "message", "buffer");
  const check = createDigestCheck([publicKey], digest);
  expect(await check.signerOf(sign(null, Buffer.from("message"), privateKey))).toBeUndefined();
  expect(check.digest("sha256")).toEqual(digest);
  expect(check.digest("sha512")).toHaveLength(0);
});
