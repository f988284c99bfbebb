import { decodeBase64 } from "../crypto/base64.ts";
import { describeJson } from "../crypto/describe-json.ts";
import { isJsonObject, type JsonObject, parseStrictJson } from "../crypto/json.ts";
import type { HashName } from "../crypto/public-key.ts";
import { TrustError } from "../errors.ts";
import { messageContent, type SignedContent } from "../trust/signed-content.ts";
import { annotatedSigner, signerAnnotations } from "./annotated-signer.ts";
import type { SignerClaim } from "./prove.ts";
import { bundleVersionOf, signerIn } from "./sigstore-bundle-parse.ts";

/** What a file says about a blob: a claim. */
export interface BlobClaim {
  readonly signature: Buffer;
  /** The hash of the blob that it names, where it does. */
  readonly digest?: { readonly hashName: HashName; readonly value: Buffer };
  /** Who is said to have signed; absent for a bare signature. */
  readonly signer?: (content: () => SignedContent) => SignerClaim;
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
  if (old !== undefined && bundle["mediaType"] === undefined) return oldClaim(old, bundle);
  const { mediaType, messageSignature, verificationMaterial } = bundle;
  const version = bundleVersionOf(mediaType);
  if (!isJsonObject(messageSignature))
    throw malformed("the bundle does not sign a file", "messageSignature", Object.keys(bundle).slice(0, 10).join(", "));
  const signature = decodeBase64(messageSignature["signature"], "the signature of the bundle");
  // Refused here, before a large file is read, where it names no signer.
  signerIn(verificationMaterial, version, () => messageContent(signature, {}));
  const claim = {
    signature,
    signer: (content: () => SignedContent) => signerIn(verificationMaterial, version, content),
  };
  const { messageDigest } = messageSignature;
  if (messageDigest === undefined) return claim;
  if (!isJsonObject(messageDigest))
    throw malformed("messageDigest is not an object", "an object", describeJson(messageDigest));
  // cosign 3 names no hash beside an Ed25519 signature, which is over the file itself.
  return messageDigest["algorithm"] === undefined ? claim : { ...claim, digest: digestIn(messageDigest) };
}

/** What cosign 1 and 2 write without `--new-bundle-format`: the certificate in base64 of PEM, the entry of Rekor as in annotations. */
function oldClaim(base64Signature: unknown, { cert, rekorBundle }: JsonObject): BlobClaim {
  const signature = decodeBase64(base64Signature, "the signature of the bundle");
  const pem = typeof cert === "string" ? Buffer.from(cert, "base64").toString("latin1") : "";
  const annotations = {
    ...(pem.includes("CERTIFICATE") ? { [signerAnnotations.certificate]: pem } : {}),
    ...(isJsonObject(rekorBundle) ? { [signerAnnotations.bundle]: JSON.stringify(rekorBundle) } : {}),
  };
  if (Object.keys(annotations).length === 0) return { signature };
  return { signature, signer: (content) => annotatedSigner(annotations, content) };
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
