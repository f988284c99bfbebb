import { createPublicKey } from "node:crypto";
import { parseDer } from "../crypto/der.ts";
import { describeJson } from "../crypto/describe-json.ts";
import {
  type HashName,
  type KeyAlgorithm,
  type PublicKey,
  readCanonicalKey,
  toPublicKey,
} from "../crypto/public-key.ts";
import { asTrustError } from "../errors.ts";
import { bytesOf, membersOf, type Place, problemAt, windowOf, withCode } from "./fields.ts";
import type { SignatureScheme, Window } from "./trust-root.ts";

/** A key of a log, with the one algorithm it signs by. */
export interface LogKey {
  readonly key: PublicKey;
  readonly scheme: SignatureScheme;
  readonly window: Window;
  /** SHA-256 of the key's SubjectPublicKeyInfo. */
  readonly keyHash: Buffer;
}

interface KeyForm {
  readonly algorithm: KeyAlgorithm;
  readonly scheme: SignatureScheme;
  readonly bits?: number;
  readonly encoding: "spki" | "pkcs1";
}

/**
 * The kinds of keys that are verified here (protobuf-specs `PublicKeyDetails`, Sigstore algorithm registry); deprecated ones
 * because deployments in use have them.
 */
const keyForms: Readonly<Record<string, KeyForm>> = {
  PKIX_ECDSA_P256_SHA_256: ecdsa("ecdsa-p256", "sha256"),
  PKIX_ECDSA_P384_SHA_384: ecdsa("ecdsa-p384", "sha384"),
  PKIX_ECDSA_P384_SHA_256: ecdsa("ecdsa-p384", "sha256"),
  PKIX_ECDSA_P521_SHA_512: ecdsa("ecdsa-p521", "sha512"),
  PKIX_ECDSA_P521_SHA_256: ecdsa("ecdsa-p521", "sha256"),
  PKIX_ED25519: { algorithm: "ed25519", scheme: { kind: "ed25519", hash: undefined }, encoding: "spki" },
  PKIX_ED25519_PH: { algorithm: "ed25519", scheme: { kind: "ed25519ph", hash: "sha512" }, encoding: "spki" },
  PKIX_RSA_PKCS1V15_2048_SHA256: rsa("rsa-pkcs1", 2048),
  PKIX_RSA_PKCS1V15_3072_SHA256: rsa("rsa-pkcs1", 3072),
  PKIX_RSA_PKCS1V15_4096_SHA256: rsa("rsa-pkcs1", 4096),
  PKIX_RSA_PSS_2048_SHA256: rsa("rsa-pss", 2048),
  PKIX_RSA_PSS_3072_SHA256: rsa("rsa-pss", 3072),
  PKIX_RSA_PSS_4096_SHA256: rsa("rsa-pss", 4096),
  PKIX_RSA_PKCS1V5: rsa("rsa-pkcs1"),
  PKIX_RSA_PSS: rsa("rsa-pss"),
  PKCS1_RSA_PKCS1V5: rsa("rsa-pkcs1", undefined, "pkcs1"),
  PKCS1_RSA_PSS: rsa("rsa-pss", undefined, "pkcs1"),
};

function ecdsa(algorithm: KeyAlgorithm, hashName: HashName): KeyForm {
  return { algorithm, scheme: { kind: "ecdsa", hash: hashName }, encoding: "spki" };
}

function rsa(kind: "rsa-pkcs1" | "rsa-pss", bits?: number, encoding: "spki" | "pkcs1" = "spki"): KeyForm {
  return { algorithm: "rsa", scheme: { kind, hash: "sha256" }, encoding, ...(bits === undefined ? {} : { bits }) };
}

const maxKeyBytes = 8 * 1024;

/**
 * Reads a `PublicKey` of a trusted root; its kind must be the one that `keyDetails` name. Answers with a text, the reason,
 * where that kind is not known here, such as one that was invented later: such a log is not used, the others are. Whatever is
 * malformed is thrown.
 */
export function readLogKey(place: Place): LogKey | string {
  const { rawBytes, keyDetails, validFor } = membersOf(place, ["rawBytes", "keyDetails", "validFor"]);
  const name = describeJson(keyDetails.value);
  const form = Object.hasOwn(keyForms, name) ? keyForms[name] : undefined;
  const raw = bytesOf(rawBytes);
  const window = windowOf(validFor);
  if (form === undefined) return `its kind of key is not supported: ${name.slice(0, 100)}`;
  const key = readKey(rawBytes, raw, form);
  if (key.algorithm !== form.algorithm) throw problemAt(rawBytes, "is a key of another kind", name, key.algorithm);
  const bits = key.keyObject.asymmetricKeyDetails?.modulusLength;
  if (form.bits !== undefined && bits !== form.bits)
    throw problemAt(rawBytes, "is a key of another size", name, `RSA of ${bits} bits`);
  return { key, scheme: form.scheme, window, keyHash: Buffer.from(key.keyId, "hex") };
}

function readKey(place: Place, raw: Buffer, { encoding }: KeyForm): PublicKey {
  withCode(place.code, () => parseDer(raw, { what: "the key", code: "KEY_INVALID", maxBytes: maxKeyBytes }), place.at);
  try {
    const common = encoding === "spki" ? readCanonicalKey(raw) : undefined;
    return common ?? toPublicKey(createPublicKey({ key: raw, format: "der", type: encoding }));
  } catch (cause) {
    throw problemAt(place, "is not a public key that can be used", "the key in DER", asTrustError(cause).found);
  }
}
