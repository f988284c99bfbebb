import { createHash } from "node:crypto";
import type { PublicKey } from "./crypto/public-key.ts";
import { createStreamCheck, type StreamCheck } from "./crypto/stream-verify.ts";
import { TrustError } from "./errors.ts";
import { type BlobClaim, parseBlobBundle } from "./formats/blob-bundle.ts";
import { makeBlobBundle, makeStatementBundle } from "./formats/blob-bundle-make.ts";
import type { SignRequest, TrustMaterial } from "./formats/format.ts";
import { trustInSigner, type WitnessedEvidence } from "./formats/made-trust.ts";
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

/** Who signs a blob, and what with; as of `signImage`. */
export interface SignBlobRequest extends Pick<SignRequest, "signer" | "testify"> {
  readonly trust?: TrustMaterial | undefined;
  readonly evidence?: WitnessedEvidence | undefined;
  /** Milliseconds since 1970; wanted with a certificate, which is judged then. */
  readonly now?: number | undefined;
}

const maxWholeMessage = 256 * 1024 * 1024;

/**
 * Signs a blob of any size, read piece by piece; Ed25519 keys sign at most 256 MiB, as they need it whole. What was made is
 * proved with the verifier's own code. Throws `CONTENT_TOO_LARGE`.
 */
export async function signBlob(request: SignBlobRequest, pieces: AsyncIterable<Uint8Array>): Promise<SignedBlob> {
  const { signer, testify } = request;
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
  await proveMaterial(bundle, check, request);
  return { sha256: digest.toString("hex"), keyId, ...(await namesOf(signer)), signature, bundle };
}

/** A statement that is signed. */
export interface SignedStatement extends CertifiedSigner {
  readonly keyId: string;
  /** A Sigstore bundle that holds the statement. */
  readonly bundle: Buffer;
}

/**
 * Signs an in-toto statement as it stands, whatever it is about. What was made is proved with the verifier's own code. Throws
 * `PREDICATE_INVALID` for what is no such statement.
 */
export async function signStatement(request: SignBlobRequest, statement: Uint8Array): Promise<SignedStatement> {
  const { signer, testify, trust, evidence, now = Number.NaN } = request;
  const { proveMadeStatement, subjectOfStatement } = await import("./formats/prove-made-statement.ts");
  const subject = subjectOfStatement(statement);
  const bundle = await makeStatementBundle({ signer, testify }, statement);
  await proveMadeStatement(bundle, subject, { signer, evidence, now, ...(trust === undefined ? {} : { trust }) });
  return { keyId: signer.publicKey.keyId, ...(await namesOf(signer)), bundle };
}

/** A bare key has nothing beside its signature that could be proved. */
async function proveMaterial(bundle: Buffer, check: StreamCheck, request: SignBlobRequest): Promise<void> {
  const { signer, testify, evidence, now = Number.NaN } = request;
  if (signer.certificate === undefined && testify === undefined) return;
  const { proveMadeBlob } = await import("./formats/prove-made-blob.ts");
  const trust = request.trust ?? (await trustInSigner(signer));
  await proveMadeBlob(bundle, check, { signer, trust, evidence, now });
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
