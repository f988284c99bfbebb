import { digestOf } from "../crypto/digest.ts";
import type { HashName, PublicKey } from "../crypto/public-key.ts";
import { createStreamCheck, type StreamCheck } from "../crypto/stream-verify.ts";
import { publicKeyOf } from "../crypto/x509.ts";
import { TrustError } from "../errors.ts";
import type { VerificationMaterial } from "../trust/material.ts";
import { messageContent } from "../trust/signed-content.ts";
import type { BlobClaim } from "./blob-bundle.ts";
import { certify, witnessKey } from "./certified.ts";
import { type ProvedSigner, proveSignature, type TrustMaterial, type VerifiedSignature } from "./format.ts";
import { shortKeyId } from "./prove.ts";

/** A file, piece by piece; or its SHA-256 alone, where that is all that is known of it. */
export type BlobContent = AsyncIterable<Uint8Array> | { readonly sha256: Uint8Array };

const hashNames: readonly HashName[] = ["sha256", "sha384", "sha512"];

/**
 * Proves a signature over a file of any size, which is read once, piece by piece; or over one of which the SHA-256 is known,
 * which Ed25519 signatures cannot be proved with. The steps:
 *
 * 1. Who is said to have signed decides with which key the file is hashed.
 * 2. The claim is about this file.
 * 3. A trusted key made the signature; or the certificate is proved, and its key did.
 * 4. With a trusted key, what logs and timestamp authorities say about it.
 *
 * Throws `SUBJECT_MISMATCH`, `SIGNER_NOT_TRUSTED`, `SIGNATURE_INVALID`, `CONTENT_TOO_LARGE`, the codes of `certify`.
 */
export async function proveBlob(
  claim: BlobClaim,
  blob: BlobContent,
  trust: TrustMaterial,
  now: number,
): Promise<VerifiedSignature> {
  const { signature } = claim;
  let check: StreamCheck | undefined;
  const digests = () => Object.fromEntries(hashNames.map((name) => [name, check?.digest(name)]));
  const content = () => messageContent(signature, digests() as Readonly<Partial<Record<HashName, Buffer>>>);
  const signer = claim.signer?.(content);
  const material = await materialOf(signer, trust); // 1
  check = await checkOf(blob, material?.leaf === undefined ? trust.keys : [publicKeyOf(material.leaf)]);
  checkDigest(claim, check); // 2
  const proved =
    material?.leaf === undefined
      ? await byKey(claim, check, trust)
      : await byCertificate({ leaf: material.leaf, material, content: content() }, check, trust, now); // 3
  const key = trust.keys.find(({ keyId }) => proved.signer.kind === "key" && proved.signer.keyId === keyId);
  const { roots = [] } = trust;
  const witnessed = signer?.witnessed === true && material !== undefined && key !== undefined && roots.length > 0;
  const backings = witnessed ? { backings: await witnessKey(key, material, content(), roots) } : {}; // 4
  const subject = `sha256:${check.digest("sha256").toString("hex")}` as const;
  const evidence = digestOf(signature);
  return proveSignature({ format: "blob", evidence, subject, annotations: {}, ...proved, ...backings });
}

async function checkOf(blob: BlobContent, keys: readonly PublicKey[]): Promise<StreamCheck> {
  if ("sha256" in blob) {
    const { createDigestCheck } = await import("../crypto/digest-verify.ts");
    return createDigestCheck(keys, blob.sha256);
  }
  const check = createStreamCheck(keys);
  for await (const piece of blob) check.update(piece);
  return check;
}

/** What is not needed is not read: with a bare key, logs and timestamps only where somebody believes some. */
async function materialOf(
  signer: ReturnType<NonNullable<BlobClaim["signer"]>> | undefined,
  { keys, certificates = [], roots = [] }: TrustMaterial,
): Promise<VerificationMaterial | undefined> {
  if (signer === undefined) return undefined;
  const certifies = certificates.length + roots.length > 0;
  if (signer.certified === "only" && !certifies)
    throw new TrustError("SIGNER_NOT_TRUSTED", "the file is signed with a certificate, and none is trusted here", {
      expected: keys.map(({ keyId }) => shortKeyId(keyId)).join(", ") || "an authority of certificates",
      found: "a certificate",
    });
  return certifies && (signer.certified !== false || signer.witnessed) ? signer.material() : undefined;
}

function checkDigest({ digest }: BlobClaim, check: StreamCheck): void {
  if (digest === undefined || check.digest(digest.hashName).equals(digest.value)) return;
  throw new TrustError("SUBJECT_MISMATCH", "the signature covers another file", {
    expected: digest.value.toString("hex").slice(0, 200),
    found: check.digest(digest.hashName).toString("hex"),
    hint: "Check that file and signature belong together; sign this file with: trust sign-blob",
  });
}

async function byKey({ signature }: BlobClaim, check: StreamCheck, { keys }: TrustMaterial): Promise<ProvedSigner> {
  const key = await check.signerOf(signature);
  if (key !== undefined) return { signer: { kind: "key", keyId: key.keyId }, signedAt: [] };
  throw new TrustError("SIGNER_NOT_TRUSTED", "no trusted key made this signature over this file", {
    expected: keys.map(({ keyId }) => shortKeyId(keyId)).join(", ") || "no key is trusted",
    found: "a signature by another key, or over other bytes",
    hint: "Verify with the key of the signer, or have the file signed with: trust sign-blob",
  });
}

async function byCertificate(
  claim: Parameters<typeof certify>[0],
  check: StreamCheck,
  trust: TrustMaterial,
  now: number,
): Promise<ProvedSigner> {
  const { key, signer } = await certify(claim, trust, now);
  const found: PublicKey | undefined = await check.signerOf(claim.content.signature);
  if (found?.keyId === key.keyId) return signer;
  throw new TrustError("SIGNATURE_INVALID", "the key of the certificate did not sign this file", {
    expected: shortKeyId(key.keyId),
    found: "a signature by another key, or over other bytes",
  });
}
