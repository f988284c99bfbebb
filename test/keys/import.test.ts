import { generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { matchesSignature, parsePublicKey } from "../../src/crypto/public-key.ts";
import { generateKey, importPrivateKey, keyTypes } from "../../src/keys/import.ts";
import { signerOf } from "../../src/keys/signing.ts";
import { codeOfRejection } from "../support/errors.ts";

const fixture = (name: string) => readFileSync(new URL(`../fixtures/keys/${name}`, import.meta.url));
const password = async () => Buffer.from("test-password");
const never = async (): Promise<Uint8Array> => {
  throw new Error("no password should be asked");
};

const ec = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
const p384 = generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey;
const p521 = generateKeyPairSync("ec", { namedCurve: "P-521" }).privateKey;
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
const ed = generateKeyPairSync("ed25519").privateKey;
const cipher = "aes-256-cbc";
const passphrase = "test-password";

describe("importing", () => {
  test.each<[string, string | Buffer, string]>([
    ["PKCS #8 PEM, P-256", ec.export({ type: "pkcs8", format: "pem" }), "ecdsa-p256"],
    ["SEC 1 PEM, P-256", ec.export({ type: "sec1", format: "pem" }), "ecdsa-p256"],
    ["SEC 1 DER, P-384", p384.export({ type: "sec1", format: "der" }), "ecdsa-p384"],
    ["PKCS #8 DER, P-521", p521.export({ type: "pkcs8", format: "der" }), "ecdsa-p521"],
    ["PKCS #1 PEM, RSA", rsa.export({ type: "pkcs1", format: "pem" }), "rsa"],
    ["PKCS #1 DER, RSA", rsa.export({ type: "pkcs1", format: "der" }), "rsa"],
    ["PKCS #8 PEM, Ed25519", ed.export({ type: "pkcs8", format: "pem" }), "ed25519"],
    [
      "PEM after openssl's EC PARAMETERS",
      `-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n${ec.export({ type: "sec1", format: "pem" })}`,
      "ecdsa-p256",
    ],
    [
      "PEM with Windows line ends",
      ec.export({ type: "pkcs8", format: "pem" }).toString().replaceAll("\n", "\r\n"),
      "ecdsa-p256",
    ],
  ])("reads %s, and what it signs is proved", async (_what, content, algorithm) => {
    const { privateKey, publicKey } = await importPrivateKey(Buffer.from(content), never);
    expect(publicKey.algorithm).toBe(algorithm);
    const signature = await signerOf(privateKey).sign(Buffer.from("message"));
    expect(await matchesSignature(publicKey, Buffer.from("message"), signature)).toBe(true);
  });

  test.each<[string, string | Buffer]>([
    ["encrypted PKCS #8", rsa.export({ type: "pkcs8", format: "pem", cipher, passphrase })],
    ["OpenSSL's old encrypted PEM", rsa.export({ type: "pkcs1", format: "pem", cipher, passphrase })],
    ["a key file of cosign", fixture("cosign.key")],
    ["a key file of skopeo", fixture("skopeo-generated.private")],
  ])("asks for the password of %s", async (_what, content) => {
    const bytes = Buffer.from(content);
    expect((await importPrivateKey(bytes, password)).privateKey.type).toBe("private");
    const wrong = importPrivateKey(bytes, async () => Buffer.from("wrong"));
    expect(await codeOfRejection(wrong)).toBe("KEY_PASSWORD_WRONG");
  });

  test.each<[string, string | Buffer, string]>([
    [
      "RSA of 1024 bits",
      generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey.export({ type: "pkcs8", format: "pem" }),
      "KEY_UNSUPPORTED",
    ],
    [
      "secp256k1",
      generateKeyPairSync("ec", { namedCurve: "secp256k1" }).privateKey.export({ type: "pkcs8", format: "pem" }),
      "KEY_UNSUPPORTED",
    ],
    ["Ed448", generateKeyPairSync("ed448").privateKey.export({ type: "pkcs8", format: "pem" }), "KEY_UNSUPPORTED"],
    ["an empty file", "", "KEY_INVALID"],
    ["a text", "hello", "KEY_INVALID"],
    ["a public key", fixture("cosign.pub"), "KEY_INVALID"],
    [
      "two private keys",
      `${ec.export({ type: "pkcs8", format: "pem" })}${ed.export({ type: "pkcs8", format: "pem" })}`,
      "KEY_INVALID",
    ],
    ["PEM around garbage", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "KEY_INVALID"],
    ["a cut PEM block", ec.export({ type: "pkcs8", format: "pem" }).toString().slice(0, 90), "KEY_INVALID"],
  ])("refuses %s", async (_what, content, code) => {
    expect(await codeOfRejection(importPrivateKey(Buffer.from(content), never))).toBe(code);
  });

  test("refuses a key that carries the public half of another one", async () => {
    const other = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
    const der = ec.export({ type: "sec1", format: "der" });
    // RFC 5915: the public point is the last 65 bytes of the structure.
    other.export({ type: "sec1", format: "der" }).copy(der, der.length - 65, der.length - 65);
    expect(await codeOfRejection(importPrivateKey(der, never))).toBe("KEY_INVALID");
  });

  test("gives the same key that cosign imported from the same file", async () => {
    const { publicKey } = await importPrivateKey(fixture("ec-source.sec1.pem"), never);
    expect(publicKey.keyId).toBe(parsePublicKey(fixture("imported-ec.pub").toString()).keyId);
  });
});

describe("generating", () => {
  test.each(keyTypes.map((type) => [type]))("makes a %s key that signs", async (type) => {
    const { privateKey, publicKey } = await generateKey(type);
    expect(publicKey.algorithm).toBe(type === "rsa-3072" ? "rsa" : type);
    const signature = await signerOf(privateKey).sign(Buffer.from("message"));
    expect(await matchesSignature(publicKey, Buffer.from("message"), signature)).toBe(true);
    expect(await matchesSignature(publicKey, Buffer.from("massage"), signature)).toBe(false);
  });
});
