import { createHash } from "node:crypto";
import type { PublicKey } from "./crypto/public-key.ts";
import { createStreamCheck } from "./crypto/stream-verify.ts";
import { TrustError } from "./errors.ts";
import { type BlobClaim, parseBlobBundle } from "./formats/blob-bundle.ts";
import { makeBlobBundle } from "./formats/blob-bundle-make.ts";
import type { SignRequest } from "./formats/format.ts";
import { shortKeyId } from "./formats/prove.ts";
import { type CertifiedSigner, namesOf } from "./keys/named.ts";

export interface SignedBlob extends CertifiedSigner {
  /** Hex SHA-256. */
  readonly sha256: string;
  readonly keyId: string;
  readonly signature: Buffer;
  /** A Sigstore bundle that holds the signature. */
  readonly bundle: Buffer;
}

const maxWholeMessage = 256 * 1024 * 1024;

/**
 * Signs a blob of any size, read piece by piece; Ed25519 keys sign at most 256 MiB, as they need it whole. What was made is
 * proved with the verifier's own code. Throws `CONTENT_TOO_LARGE`.
 */
export async function signBlob(
  { signer, testify }: Pick<SignRequest, "signer" | "testify">,
  pieces: AsyncIterable<Uint8Array>,
): Promise<SignedBlob> {
  const hash = createHash("sha256");
  const check = createStreamCheck([signer.publicKey]);
  async function* tapped() {
    for await (const piece of pieces) {
      hash.update(piece);
      check.update(piece);
      yield piece;
    }
  }
  const made = signer.signStream === undefined ? signer.sign(await whole(tapped())) : signer.signStream(tapped());
  const signature = Buffer.from(await made);
  const digest = hash.digest();
  const { keyId } = signer.publicKey;
  const bundle = await makeBlobBundle({ signer, testify }, digest, signature);
  if ((await check.signerOf(parseBlobBundle(bundle).signature)) === undefined)
    throw new TrustError("SIGNATURE_INVALID", "the signature that was made does not prove; nothing is written");
  return { sha256: digest.toString("hex"), keyId, ...(await namesOf(signer)), signature, bundle };
}

async function whole(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Buffer[] = [];
  let size = 0;
  for await (const piece of pieces) {
    size += piece.length;
    if (size > maxWholeMessage)
      throw new TrustError("CONTENT_TOO_LARGE", "the file is too large for this kind of key", {
        expected: `at most ${maxWholeMessage} bytes`,
        hint: "Sign large files with an ECDSA key",
      });
    all.push(Buffer.from(piece));
  }
  return Buffer.concat(all);
}

export interface VerifiedBlob {
  /** Hex SHA-256. */
  readonly sha256: string;
  readonly keyId: string;
}

/**
 * Verifies a blob of any size against a claim and the keys that are trusted. Throws `SUBJECT_MISMATCH` where the claim is
 * about another blob, `SIGNER_NOT_TRUSTED` where none of the keys signed this one, `CONTENT_TOO_LARGE`.
 */
export async function verifyBlob(
  keys: readonly PublicKey[],
  claim: BlobClaim,
  pieces: AsyncIterable<Uint8Array>,
): Promise<VerifiedBlob> {
  const check = createStreamCheck(keys);
  for await (const piece of pieces) check.update(piece);
  const { digest } = claim;
  if (digest !== undefined && !check.digest(digest.hashName).equals(digest.value))
    throw new TrustError("SUBJECT_MISMATCH", "the signature covers another file", {
      expected: digest.value.toString("hex").slice(0, 200),
      found: check.digest(digest.hashName).toString("hex"),
      hint: "Check that file and signature belong together; sign this file with: trust sign-blob",
    });
  const key = await check.signerOf(claim.signature);
  if (key === undefined)
    throw new TrustError("SIGNER_NOT_TRUSTED", "no trusted key made this signature over this file", {
      expected: keys.map(({ keyId }) => shortKeyId(keyId)).join(", "),
      found: "a signature by another key, or over other bytes",
      hint: "Verify with the key of the signer, or have the file signed with: trust sign-blob",
    });
  return { sha256: check.digest("sha256").toString("hex"), keyId: key.keyId };
}
