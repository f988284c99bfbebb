import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject, sign, verify } from "node:crypto";
import { promisify } from "node:util";
import { findPemBlocks, type PemBlock } from "../crypto/pem.ts";
import { algorithmOf, type PublicKey, toPublicKey } from "../crypto/public-key.ts";
import { TrustError } from "../errors.ts";
import { isKeyFile, parseKeyFile } from "./keyfile.ts";

export interface PrivateKey {
  readonly privateKey: KeyObject;
  readonly publicKey: PublicKey;
}

/** Kinds of key that `trust key generate` makes. */
export const keyTypes = ["ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "ed25519", "rsa-3072"] as const;
export type KeyType = (typeof keyTypes)[number];

const curves = { "ecdsa-p256": "P-256", "ecdsa-p384": "P-384", "ecdsa-p521": "P-521" } as const;

/** Makes a new key pair, off the main thread. */
export async function generateKey(type: KeyType): Promise<PrivateKey> {
  const make = promisify(generateKeyPair);
  const pair =
    type === "ed25519"
      ? await make("ed25519")
      : type === "rsa-3072"
        ? await make("rsa", { modulusLength: 3072 })
        : await make("ec", { namedCurve: curves[type] });
  return { privateKey: pair.privateKey, publicKey: toPublicKey(pair.publicKey) };
}

const labels: ReadonlySet<string> = new Set([
  "PRIVATE KEY",
  "EC PRIVATE KEY",
  "RSA PRIVATE KEY",
  "ENCRYPTED PRIVATE KEY",
]);
const derTypes = ["pkcs8", "sec1", "pkcs1"] as const;

/**
 * Reads a private key that another tool made: PEM or DER, PKCS #8, SEC 1 or PKCS #1, or an encrypted key file of cosign
 * and skopeo. `password` is asked only where the key is encrypted. Throws `KEY_INVALID`, `KEY_UNSUPPORTED`,
 * `KEY_PASSWORD_WRONG`.
 */
export async function importPrivateKey(bytes: Uint8Array, password: () => Promise<Uint8Array>): Promise<PrivateKey> {
  const text = Buffer.from(bytes).toString("latin1");
  if (isKeyFile(text)) return checked(await parseKeyFile(text).decrypt(await password()));
  const blocks = findPemBlocks(text);
  if (blocks.length === 0) return checked(parseDer(Buffer.from(bytes)));
  const [block, second] = blocks.filter(({ label }) => labels.has(label));
  if (block === undefined || second !== undefined)
    throw notPrivateKey(
      blocks
        .map(({ label }) => label)
        .join(", ")
        .slice(0, 200),
    );
  return checked(parsePem(block, isEncrypted(block) ? await password() : undefined));
}

function isEncrypted({ label, body }: PemBlock): boolean {
  return label === "ENCRYPTED PRIVATE KEY" || body.includes("Proc-Type: 4,ENCRYPTED");
}

function parsePem({ block }: PemBlock, password: Uint8Array | undefined): KeyObject {
  try {
    return createPrivateKey(
      password === undefined ? block : { key: block, format: "pem", passphrase: Buffer.from(password) },
    );
  } catch (cause) {
    if (password === undefined) throw notPrivateKey("a damaged PEM block", cause);
    // OpenSSL tells a wrong password and a damaged key apart only by chance.
    throw new TrustError("KEY_PASSWORD_WRONG", "the password does not open the private key", { cause });
  }
}

function parseDer(key: Buffer): KeyObject {
  for (const type of derTypes) {
    try {
      return createPrivateKey({ key, format: "der", type });
    } catch {
      // The next type may fit.
    }
  }
  throw notPrivateKey("neither PEM nor DER");
}

function notPrivateKey(found: string, cause?: unknown): TrustError {
  return new TrustError("KEY_INVALID", "the file is not one private key", {
    expected: `PEM ${[...labels].join(", ")}, or DER`,
    found,
    hint: "Give the file that holds the private key in PEM or DER",
    cause,
  });
}

/** The public half comes from the private one, and both must fit: some files carry a public key of their own. */
function checked(privateKey: KeyObject): PrivateKey {
  const hashName = algorithmOf(privateKey) === "ed25519" ? null : "sha256";
  const probe = Buffer.from("imagetrust");
  try {
    const publicKey = toPublicKey(createPublicKey(privateKey));
    if (verify(hashName, probe, publicKey.keyObject, sign(hashName, probe, privateKey)))
      return { privateKey, publicKey };
  } catch (cause) {
    throw cause instanceof TrustError ? cause : damaged(cause);
  }
  throw damaged();
}

function damaged(cause?: unknown): TrustError {
  return new TrustError("KEY_INVALID", "the private key does not fit its public key", {
    expected: "a signature made with it that its public key proves",
    hint: "The file is damaged; get the key again from where it was made",
    cause,
  });
}
