import { createPrivateKey, createPublicKey, randomBytes, scryptSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { xsalsa20poly1305 } from "@noble/ciphers/salsa.js";
import { describe, expect, test } from "vitest";
import { findPemBlocks, formatPem } from "../../src/crypto/pem.ts";
import { parsePublicKey, toPublicKey } from "../../src/crypto/public-key.ts";
import { TrustError } from "../../src/errors.ts";
import { generateKey } from "../../src/keys/import.ts";
import { formatKeyFile, isKeyFile, parseKeyFile } from "../../src/keys/keyfile.ts";
import { codeOf, codeOfRejection } from "../support/errors.ts";

const fixture = (name: string) => readFileSync(new URL(`../fixtures/keys/${name}`, import.meta.url), "utf8");
const password = Buffer.from("test-password");
const label = "ENCRYPTED SIGSTORE PRIVATE KEY";

interface KeyFileJson {
  readonly kdf: { readonly params: object };
  readonly cipher: object;
  readonly ciphertext: string;
}

/** The JSON of a key file, changed, as a key file again. */
function altered(change: (json: KeyFileJson) => void): string {
  const json = JSON.parse(Buffer.from(findPemBlocks(fixture("cosign.key"))[0]?.body ?? "", "base64").toString());
  change(json);
  return formatPem(label, Buffer.from(JSON.stringify(json)));
}

describe("key files of the real cosign and skopeo", () => {
  test.each([
    ["cosign.key", "cosign.pub"],
    ["cosign3.key", "cosign3.pub"],
    ["imported-ec.key", "imported-ec.pub"],
    ["imported-ec384.key", "imported-ec384.pub"],
    ["imported-ec521.key", "imported-ec521.pub"],
    ["imported-ed.key", "imported-ed.pub"],
    ["imported-rsa.key", "imported-rsa.pub"],
    ["skopeo-generated.private", "skopeo-generated.pub"],
  ])("opens %s, which belongs to %s", async (privateName, publicName) => {
    const privateKey = await parseKeyFile(fixture(privateName)).decrypt(password);
    expect(toPublicKey(createPublicKey(privateKey)).keyId).toBe(parsePublicKey(fixture(publicName)).keyId);
  });

  test("opens a key file with the empty password, and only with that", async () => {
    const keyFile = parseKeyFile(fixture("nopass.key"));
    const privateKey = await keyFile.decrypt(Buffer.alloc(0));
    expect(toPublicKey(createPublicKey(privateKey)).keyId).toBe(parsePublicKey(fixture("nopass.pub")).keyId);
    expect(await codeOfRejection(keyFile.decrypt(password))).toBe("KEY_PASSWORD_WRONG");
  });

  test("says that the password is wrong, without repeating it", async () => {
    const error = await parseKeyFile(fixture("cosign.key"))
      .decrypt(Buffer.from("not-the-password"))
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(TrustError);
    expect(error).toMatchObject({ code: "KEY_PASSWORD_WRONG", category: "config" });
    expect(JSON.stringify([String(error), error])).not.toContain("not-the-password");
  });
});

describe("key files of ours", () => {
  test("are read again, in the shape cosign writes", async () => {
    const { privateKey, publicKey } = await generateKey("ecdsa-p256");
    const text = await formatKeyFile(privateKey, password);
    expect(isKeyFile(text)).toBe(true);
    const [block] = findPemBlocks(text);
    expect(block?.label).toBe(label);
    const json = JSON.parse(Buffer.from(block?.body ?? "", "base64").toString());
    expect(json).toMatchObject({
      kdf: { name: "scrypt", params: { N: 65_536, r: 8, p: 1 } },
      cipher: { name: "nacl/secretbox" },
    });
    const opened = await parseKeyFile(text).decrypt(password);
    expect(toPublicKey(createPublicKey(opened)).keyId).toBe(publicKey.keyId);
  });

  test("never repeat a salt or a nonce", async () => {
    const { privateKey } = await generateKey("ed25519");
    const [one, two] = await Promise.all([formatKeyFile(privateKey, password), formatKeyFile(privateKey, password)]);
    const parts = [one, two].map((text) =>
      JSON.parse(Buffer.from(findPemBlocks(text)[0]?.body ?? "", "base64").toString()),
    );
    expect(parts[0].kdf.salt).not.toBe(parts[1].kdf.salt);
    expect(parts[0].cipher.nonce).not.toBe(parts[1].cipher.nonce);
  });
});

describe("damaged and hostile key files", () => {
  test.each<[string, (json: KeyFileJson) => void]>([
    ["a cost that would take all memory", (json) => Object.assign(json.kdf.params, { N: 2 ** 30 })],
    ["a cost that protects nothing", (json) => Object.assign(json.kdf.params, { N: 2 })],
    ["a cost written as text", (json) => Object.assign(json.kdf.params, { N: "65536" })],
    ["another block size", (json) => Object.assign(json.kdf.params, { r: 1 })],
    ["another parallelization", (json) => Object.assign(json.kdf.params, { p: 64 })],
    ["another derivation", (json) => Object.assign(json.kdf, { name: "pbkdf2" })],
    ["another cipher", (json) => Object.assign(json.cipher, { name: "aes" })],
    ["no derivation at all", (json) => Object.assign(json, { kdf: null })],
    ["a short nonce", (json) => Object.assign(json.cipher, { nonce: "AAAA" })],
    ["a nonce that is not text", (json) => Object.assign(json.cipher, { nonce: 7 })],
    ["an empty salt", (json) => Object.assign(json.kdf, { salt: "" })],
    ["a ciphertext with no room for a key", (json) => Object.assign(json, { ciphertext: "AAAA" })],
  ])("refuses %s before deriving anything", (_what, change) => {
    expect(codeOf(() => parseKeyFile(altered(change)))).toBe("KEY_INVALID");
  });

  test("refuses a body that is not base64, not JSON, or JSON with a key twice", () => {
    const twice = Buffer.from('{"kdf":{},"kdf":{}}');
    const bodies = [
      `-----BEGIN ${label}-----\n!!!\n-----END ${label}-----\n`,
      formatPem(label, Buffer.from("hello")),
      formatPem(label, twice),
    ];
    for (const body of bodies) expect(codeOf(() => parseKeyFile(body))).toBe("KEY_INVALID");
  });

  test("refuses every key file with one byte of its ciphertext changed", async () => {
    const text = altered((json) => {
      const bytes = Buffer.from(json.ciphertext, "base64");
      bytes[40] = (bytes[40] ?? 0) ^ 1;
      Object.assign(json, { ciphertext: bytes.toString("base64") });
    });
    expect(await codeOfRejection(parseKeyFile(text).decrypt(password))).toBe("KEY_PASSWORD_WRONG");
  });

  test("refuses a rightly encrypted text that is no key", async () => {
    const salt = randomBytes(32);
    const nonce = randomBytes(24);
    const key = scryptSync(password, salt, 32, { N: 32_768, r: 8, p: 1, maxmem: 256 * 1024 * 1024 });
    const text = altered((json) => {
      Object.assign(json.kdf, { salt: salt.toString("base64"), params: { N: 32_768, r: 8, p: 1 } });
      Object.assign(json.cipher, { nonce: nonce.toString("base64") });
      const ciphertext = xsalsa20poly1305(key, nonce).encrypt(Buffer.from("not a key"));
      Object.assign(json, { ciphertext: Buffer.from(ciphertext).toString("base64") });
    });
    expect(await codeOfRejection(parseKeyFile(text).decrypt(password))).toBe("KEY_INVALID");
  });

  test("refuses a plain private key and says how to import it", () => {
    const plain = fixture("ec-source.sec1.pem");
    expect(createPrivateKey(plain).type).toBe("private");
    try {
      parseKeyFile(plain);
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ code: "KEY_INVALID", found: "EC PRIVATE KEY" });
      expect((error as TrustError).hint).toContain("trust key import");
    }
  });

  test("refuses what is no key at all", () => {
    for (const text of ["", "hello", fixture("cosign.pub"), `-----BEGIN ${label}-----`])
      expect(codeOf(() => parseKeyFile(text))).toBe("KEY_INVALID");
  });
});
