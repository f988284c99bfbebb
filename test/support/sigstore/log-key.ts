import { hash, sign } from "node:crypto";
import { type KeyPair, spkiOf } from "../x509.ts";
import { base64 } from "./jcs.ts";

/** A key that signs for a log, and the ids it goes by. */
export interface LogKey extends KeyPair {
  readonly name: string;
  readonly keyDetails: string;
  /** What SETs, SCTs and entries name the log by. */
  readonly logId: Buffer;
  /** What checkpoints name the key by: the first 4 bytes of the key id. */
  readonly hint: Buffer;
}

/** `checkpointIds: true` makes the id as Rekor v2 does with Ed25519 (C2SP signed-note), else the SHA-256 of the SPKI. */
export function logKey(name: string, key: KeyPair, checkpointIds = false): LogKey {
  const spki = spkiOf(key);
  const ed25519 = key.publicKey.asymmetricKeyType === "ed25519";
  const noted = Buffer.concat([Buffer.from(`${name}\n\x01`), spki.subarray(-32)]);
  const logId = hash("sha256", ed25519 && checkpointIds ? noted : spki, "buffer");
  return { ...key, name, keyDetails: keyDetailsOf(key), logId, hint: logId.subarray(0, 4) };
}

/** The name that Sigstore's algorithm registry has for a key with its usual hash. */
export function keyDetailsOf({ publicKey }: Pick<KeyPair, "publicKey">): string {
  const { asymmetricKeyType, asymmetricKeyDetails: details } = publicKey;
  if (asymmetricKeyType === "ed25519") return "PKIX_ED25519";
  if (asymmetricKeyType === "rsa") return `PKIX_RSA_PKCS1V15_${details?.modulusLength}_SHA256`;
  const curves: Record<string, string> = {
    prime256v1: "PKIX_ECDSA_P256_SHA_256",
    secp384r1: "PKIX_ECDSA_P384_SHA_384",
    secp521r1: "PKIX_ECDSA_P521_SHA_512",
  };
  return curves[details?.namedCurve ?? ""] ?? "PUBLIC_KEY_DETAILS_UNSPECIFIED";
}

/** Signs as the key's algorithm is registered: P-256, RSA: SHA-256; P-384: SHA-384; P-521: SHA-512; Ed25519 pure. */
export function signUsual(key: KeyPair, message: Uint8Array): Buffer {
  return sign(usualHash(key) ?? null, message, key.privateKey);
}

export function usualHash({ publicKey }: Pick<KeyPair, "publicKey">): "sha256" | "sha384" | "sha512" | undefined {
  if (publicKey.asymmetricKeyType === "ed25519") return undefined;
  const { namedCurve } = publicKey.asymmetricKeyDetails ?? {};
  return namedCurve === "secp384r1" ? "sha384" : namedCurve === "secp521r1" ? "sha512" : "sha256";
}

export interface CheckpointSpec {
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
  /** Between root and blank line. */
  readonly extensions?: readonly string[];
  /** Keys that sign beside the log, before it. */
  readonly witnesses?: readonly LogKey[];
}

/** A checkpoint (C2SP tlog-checkpoint), signed by the log under its own name. */
export function checkpoint(
  key: LogKey,
  { origin, size, root, extensions = [], witnesses = [] }: CheckpointSpec,
): string {
  const text = [origin, size, base64(root), ...extensions, ""].join("\n");
  const line = (by: LogKey) =>
    `\u2014 ${by.name} ${base64(Buffer.concat([by.hint, signUsual(by, Buffer.from(text))]))}\n`;
  return `${text}\n${[...witnesses, key].map(line).join("")}`;
}
