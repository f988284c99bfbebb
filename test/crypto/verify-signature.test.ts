import { generateKeyPairSync, type KeyPairKeyObjectResult, sign } from "node:crypto";
import { describe, expect, it } from "vitest";
import { verifyHere, verifySignature } from "../../src/crypto/verify-signature.ts";

const message = Buffer.from("a message");
const kinds = [
  ["P-256", "sha256", () => generateKeyPairSync("ec", { namedCurve: "P-256" })],
  ["P-384", "sha384", () => generateKeyPairSync("ec", { namedCurve: "P-384" })],
  ["Ed25519", null, () => generateKeyPairSync("ed25519")],
  ["RSA", "sha256", () => generateKeyPairSync("rsa", { modulusLength: 2048 })],
] as const satisfies readonly (readonly [string, "sha256" | "sha384" | null, () => KeyPairKeyObjectResult])[];

describe.each(kinds)("a signature by a key of kind %s", (_, hash, generate) => {
  const { publicKey, privateKey } = generate();
  const signature = sign(hash, message, privateKey);
  const wrong = [
    ["another message", Buffer.from("another message"), signature],
    ["a message that is too long for this thread", Buffer.alloc(100_000), signature],
    ["no signature", message, Buffer.of()],
    ["a malformed signature", message, Buffer.from("not a signature")],
    ["a cut signature", message, signature.subarray(1)],
  ] as const;

  it("is valid however many are asked for at once, here or in other threads", async () => {
    const all = await Promise.all(
      Array.from({ length: 40 }, () => verifySignature(hash, message, publicKey, signature)),
    );
    expect(all).toEqual(Array.from({ length: 40 }, () => true));
  });

  it.each(wrong)("is not valid with %s, here or in other threads", async (_what, bytes, claimed) => {
    const all = await Promise.all(Array.from({ length: 20 }, () => verifySignature(hash, bytes, publicKey, claimed)));
    expect([...all, verifyHere(hash, bytes, publicKey, claimed)]).toEqual(Array.from({ length: 21 }, () => false));
  });

  it("lets others go on while hundreds are verified", async () => {
    let isDone = false;
    let turns = 0;
    const turn = () => {
      turns++;
      if (!isDone) setImmediate(turn);
    };
    setImmediate(turn);
    for (let i = 0; i < 50; i++) await verifySignature(hash, message, publicKey, signature);
    isDone = true;
    expect(turns).toBeGreaterThan(2);
  });
});
