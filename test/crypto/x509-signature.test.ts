import { sign } from "node:crypto";
import { describe, expect, it } from "vitest";
import { isSignedWith, type SignatureAlgorithm } from "../../src/crypto/x509-signature.ts";
import { ecKey, ed25519Key, rsaKey } from "../support/x509.ts";

const data = Buffer.from("signed bytes");
const ec = ecKey();
const rsa = rsaKey();
const ed = ed25519Key();

describe("a signature with a named algorithm", () => {
  it("is valid with that algorithm and key only", async () => {
    const made = [
      { algorithm: { kind: "ecdsa", hash: "sha384" }, key: ec, signature: sign("sha384", data, ec.privateKey) },
      { algorithm: { kind: "rsa-pkcs1", hash: "sha512" }, key: rsa, signature: sign("sha512", data, rsa.privateKey) },
      { algorithm: { kind: "ed25519" }, key: ed, signature: sign(null, data, ed.privateKey) },
    ] as const;
    const others: readonly SignatureAlgorithm[] = [
      { kind: "ecdsa", hash: "sha256" },
      { kind: "rsa-pkcs1", hash: "sha256" },
      { kind: "rsa-pss", hash: "sha512" },
      { kind: "unsupported", oid: "1.2.3" },
    ];
    for (const { algorithm, key, signature } of made) {
      expect(await isSignedWith(algorithm, key.publicKey, data, signature)).toBe(true);
      expect(await isSignedWith(algorithm, key.publicKey, Buffer.from("other bytes"), signature)).toBe(false);
      for (const other of [...others, ...made.map((each) => each.algorithm).filter((each) => each !== algorithm)])
        expect(await isSignedWith(other, key.publicKey, data, signature), JSON.stringify([algorithm, other])).toBe(
          false,
        );
      for (const other of [ecKey(), rsa, ed, ec].filter((each) => each !== key))
        expect(await isSignedWith(algorithm, other.publicKey, data, signature)).toBe(false);
    }
  });

  it("is not valid, rather than an error, when it is malformed", async () => {
    for (const signature of [
      Buffer.alloc(0),
      Buffer.alloc(10),
      Buffer.from("300602010102", "hex"),
      Buffer.alloc(100_000, 0x30),
    ]) {
      expect(await isSignedWith({ kind: "ecdsa", hash: "sha256" }, ec.publicKey, data, signature)).toBe(false);
      expect(await isSignedWith({ kind: "rsa-pss", hash: "sha256" }, rsa.publicKey, data, signature)).toBe(false);
      expect(await isSignedWith({ kind: "ed25519" }, ed.publicKey, data, signature)).toBe(false);
    }
  });
});
