import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { ed25519ph } from "@noble/curves/ed25519.js";
import { describe, expect, it } from "vitest";
import { matchesEd25519ph } from "../../src/crypto/ed25519ph.ts";
import { matchesSignature, toPublicKey } from "../../src/crypto/public-key.ts";

const hex = (text: string) => Buffer.from(text, "hex");
const keyOf = (raw: Uint8Array) => {
  const spki = Buffer.concat([hex("302a300506032b6570032100"), raw]);
  return toPublicKey(createPublicKey({ key: spki, format: "der", type: "spki" }));
};

describe("Ed25519ph", () => {
  it("verifies the example of RFC 8032 §7.3, and nothing near it", async () => {
    const key = keyOf(hex("ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf"));
    const signature = hex(
      "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae4131f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406",
    );
    expect(await matchesSignature(key, Buffer.from("abc"), signature)).toBe(true);
    expect(await matchesSignature(key, Buffer.from("abd"), signature)).toBe(false);
    for (let i = 0; i < signature.length; i++) {
      const changed = Buffer.from(signature);
      changed[i] = (changed[i] ?? 0) ^ 1;
      expect(await matchesSignature(key, Buffer.from("abc"), changed)).toBe(false);
    }
  });

  it("verifies what another implementation signs, over messages of any length", async () => {
    const { secretKey, publicKey } = ed25519ph.keygen();
    for (const length of [0, 1, 1000, 20_000_000]) {
      const message = Buffer.alloc(length, "m");
      const signature = ed25519ph.sign(message, secretKey);
      expect(await matchesSignature(keyOf(publicKey), message, signature)).toBe(true);
      expect(await matchesSignature(keyOf(ed25519ph.keygen().publicKey), message, signature)).toBe(false);
      // A context makes another scheme of it.
      const other = ed25519ph.sign(message, secretKey, { context: Buffer.from("c") });
      expect(await matchesSignature(keyOf(publicKey), message, other)).toBe(false);
    }
  });

  it("is false for bytes that are no signature, whatever the key", async () => {
    const { publicKey } = generateKeyPairSync("ed25519");
    const spki = publicKey.export({ type: "spki", format: "der" });
    for (const length of [0, 1, 63, 64, 65, 1000])
      for (const fill of [0, 1, 0x7f, 0xff])
        expect(await matchesEd25519ph(spki, Buffer.from("a"), Buffer.alloc(length, fill))).toBe(false);
    expect(await matchesEd25519ph(Buffer.alloc(44, 0xff), Buffer.from("a"), Buffer.alloc(64))).toBe(false);
  });
});
