import { decodeBase64 } from "../crypto/base64.ts";
import { describeJson } from "../crypto/describe-json.ts";
import { isJsonObject, type JsonObject, parseStrictJson } from "../crypto/json.ts";
import type { HashName } from "../crypto/public-key.ts";
import { TrustError } from "../errors.ts";
import { bundleMediaType, readableBundles } from "./sigstore-bundle-parse.ts";

/** What a file says about a blob: a claim. */
export interface BlobClaim {
  readonly signature: Buffer;
  /** The hash of the blob that it names, where it does. */
  readonly digest?: { readonly hashName: HashName; readonly value: Buffer };
}

const hashNames: Readonly<Record<string, HashName>> = { SHA2_256: "sha256", SHA2_384: "sha384", SHA2_512: "sha512" };

/**
 * Reads a Sigstore bundle with a signature of a message (sigstore_bundle.proto, messageSignature), or the JSON that older
 * cosigns write (`base64Signature`). Throws `SIGNATURE_MALFORMED`.
 */
export function parseBlobBundle(bytes: Uint8Array): BlobClaim {
  const bundle = parseStrictJson(bytes, "the bundle");
  if (!isJsonObject(bundle)) throw malformed("the bundle is not an object", "an object", describeJson(bundle));
  const old = bundle["base64Signature"];
  if (old !== undefined && bundle["mediaType"] === undefined)
    return { signature: decodeBase64(old, "the signature of the bundle") };
  const { mediaType, messageSignature } = bundle;
  if (typeof mediaType !== "string" || !readableBundles.test(mediaType))
    throw malformed("unknown media type of a bundle", bundleMediaType, describeJson(mediaType));
  if (!isJsonObject(messageSignature))
    throw malformed("the bundle does not sign a file", "messageSignature", Object.keys(bundle).slice(0, 10).join(", "));
  const signature = decodeBase64(messageSignature["signature"], "the signature of the bundle");
  const { messageDigest } = messageSignature;
  if (messageDigest === undefined) return { signature };
  if (!isJsonObject(messageDigest))
    throw malformed("messageDigest is not an object", "an object", describeJson(messageDigest));
  // cosign 3 names no hash beside an Ed25519 signature, which is over the file itself.
  return messageDigest["algorithm"] === undefined ? { signature } : { signature, digest: digestIn(messageDigest) };
}

function digestIn(messageDigest: JsonObject): NonNullable<BlobClaim["digest"]> {
  const { algorithm, digest } = messageDigest;
  const hashName =
    typeof algorithm === "string" && Object.hasOwn(hashNames, algorithm) ? hashNames[algorithm] : undefined;
  if (hashName === undefined)
    throw malformed("unknown hash of a message", Object.keys(hashNames).join(", "), describeJson(algorithm));
  return { hashName, value: decodeBase64(digest, "the digest of the bundle") };
}

function malformed(message: string, expected: string, found: string): TrustError {
  return new TrustError("SIGNATURE_MALFORMED", message, { expected, found: found.slice(0, 200) });
}
