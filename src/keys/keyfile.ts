import { createPrivateKey, type KeyObject, randomBytes, scrypt } from "node:crypto";
import { xsalsa20poly1305 } from "@noble/ciphers/salsa.js";
import { decodeBase64 } from "../crypto/base64.ts";
import { isJsonObject, type JsonObject, parseStrictJson } from "../crypto/json.ts";
import { findPemBlocks, formatPem } from "../crypto/pem.ts";
import { algorithmOf } from "../crypto/public-key.ts";
import { TrustError } from "../errors.ts";

// The key file of cosign and skopeo: PEM around JSON around scrypt and NaCl's secretbox around PKCS #8.
// github.com/sigstore/cosign pkg/cosign/keys.go, github.com/secure-systems-lab/go-securesystemslib/encrypted

const label = "ENCRYPTED SIGSTORE PRIVATE KEY";
/** Written by cosign 1 and, to this day, by skopeo. */
const labels: ReadonlySet<string> = new Set([label, "ENCRYPTED COSIGN PRIVATE KEY"]);

const writtenCost = 65_536;
/** Other costs are refused, so that a file cannot ask for all the memory or for no work at all. */
const readCosts: ReadonlySet<unknown> = new Set([32_768, writtenCost, 131_072]);
const blockSize = 8;
const parallelization = 1;
const scryptMemory = 256 * 1024 * 1024;
const keyBytes = 32;
const saltBytes = 32;
const nonceBytes = 24;
const tagBytes = 16;

interface Sealed {
  readonly cost: number;
  readonly salt: Buffer;
  readonly nonce: Buffer;
  readonly ciphertext: Buffer;
}

/** A private key file as read, still encrypted. */
export interface KeyFile {
  /** The private key. Throws `KEY_PASSWORD_WRONG`, or `KEY_UNSUPPORTED` for a kind of key that is not signed with. */
  decrypt(password: Uint8Array): Promise<KeyObject>;
}

/**
 * Reads the encrypted key file of cosign and skopeo, checking everything that can be without the password. Throws
 * `KEY_INVALID`; a plain private key is told how to become such a file.
 */
export function parseKeyFile(text: string): KeyFile {
  const blocks = findPemBlocks(text);
  const block = blocks.find((candidate) => labels.has(candidate.label));
  if (block === undefined) throw notKeyFile(blocks[0]?.label);
  const sealed = parseSealed(block.body);
  return { decrypt: (password) => decrypt(sealed, password) };
}

/** Whether the text holds an encrypted key file, readable or not. */
export function isKeyFile(text: string): boolean {
  return findPemBlocks(text).some((block) => labels.has(block.label));
}

function notKeyFile(found: string | undefined): TrustError {
  const details = { expected: label, found: found ?? "no PEM block" };
  if (found?.endsWith("PRIVATE KEY") === true)
    return new TrustError("KEY_INVALID", "the private key is not an encrypted key file", {
      ...details,
      hint: "Make an encrypted key file of it with: trust key import --key FILE",
    });
  return new TrustError("KEY_INVALID", "the file is not a private key file", details);
}

function parseSealed(body: string): Sealed {
  try {
    const json = parseStrictJson(decodeBase64(body.replace(/\s/g, ""), "the key file"), "the key file");
    const kdf = objectIn(json, "kdf");
    const params = objectIn(kdf, "params");
    const cipher = objectIn(json, "cipher");
    const known =
      kdf["name"] === "scrypt" &&
      readCosts.has(params["N"]) &&
      params["r"] === blockSize &&
      params["p"] === parallelization &&
      cipher["name"] === "nacl/secretbox";
    if (!known) throw new TrustError("KEY_INVALID", "the key file is encrypted in an unknown way");
    const sealed = {
      cost: Number(params["N"]),
      salt: decodeBase64(kdf["salt"], "salt"),
      nonce: decodeBase64(cipher["nonce"], "nonce"),
      ciphertext: decodeBase64((json as JsonObject)["ciphertext"], "ciphertext"),
    };
    if (sealed.salt.length !== saltBytes || sealed.nonce.length !== nonceBytes || sealed.ciphertext.length <= tagBytes)
      throw new TrustError("KEY_INVALID", "the key file has a part of the wrong length");
    return sealed;
  } catch (cause) {
    throw new TrustError("KEY_INVALID", "the key file is damaged", {
      expected: `scrypt with N of ${[...readCosts].join(", ")}, r ${blockSize}, p ${parallelization}; nacl/secretbox`,
      found: cause instanceof TrustError ? cause.message : undefined,
      cause,
    });
  }
}

function objectIn(json: unknown, field: string): JsonObject {
  const value = isJsonObject(json) ? json[field] : undefined;
  if (isJsonObject(value)) return value;
  throw new TrustError("KEY_INVALID", `the field ${field} is missing`);
}

async function decrypt(sealed: Sealed, password: Uint8Array): Promise<KeyObject> {
  const key = await deriveKey(password, sealed.salt, sealed.cost);
  const pkcs8 = openBox(key, sealed);
  try {
    const privateKey = createPrivateKey({
      key: Buffer.from(pkcs8.buffer, pkcs8.byteOffset, pkcs8.length),
      format: "der",
      type: "pkcs8",
    });
    algorithmOf(privateKey);
    return privateKey;
  } catch (cause) {
    if (cause instanceof TrustError) throw cause;
    throw new TrustError("KEY_INVALID", "what the key file holds is not a private key", { expected: "PKCS #8", cause });
  } finally {
    key.fill(0);
    pkcs8.fill(0);
  }
}

function openBox(key: Uint8Array, sealed: Sealed): Uint8Array {
  try {
    return xsalsa20poly1305(key, sealed.nonce).decrypt(sealed.ciphertext);
  } catch (cause) {
    throw new TrustError("KEY_PASSWORD_WRONG", "the password does not open the key file", { cause });
  }
}

/** The encrypted key file of a private key, readable by cosign and skopeo. The password may be empty. */
export async function formatKeyFile(privateKey: KeyObject, password: Uint8Array): Promise<string> {
  const salt = randomBytes(saltBytes);
  const nonce = randomBytes(nonceBytes);
  const key = await deriveKey(password, salt, writtenCost);
  const pkcs8 = privateKey.export({ type: "pkcs8", format: "der" });
  const ciphertext = Buffer.from(xsalsa20poly1305(key, nonce).encrypt(pkcs8));
  key.fill(0);
  pkcs8.fill(0);
  const json = {
    kdf: {
      name: "scrypt",
      params: { N: writtenCost, r: blockSize, p: parallelization },
      salt: salt.toString("base64"),
    },
    cipher: { name: "nacl/secretbox", nonce: nonce.toString("base64") },
    ciphertext: ciphertext.toString("base64"),
  };
  return formatPem(label, Buffer.from(JSON.stringify(json)));
}

function deriveKey(password: Uint8Array, salt: Uint8Array, cost: number): Promise<Buffer> {
  const parameters = { N: cost, r: blockSize, p: parallelization, maxmem: scryptMemory };
  return new Promise((resolve, reject) => {
    scrypt(password, salt, keyBytes, parameters, (error, key) => (error === null ? resolve(key) : reject(error)));
  });
}
