import { createHash } from "node:crypto";
import { type Digest, digestOf } from "./crypto/digest.ts";
import { readUnsignedMembers } from "./crypto/json.ts";
import { TrustError } from "./errors.ts";
import { type BlobClaim, parseBlobBundle } from "./formats/blob-bundle.ts";
import { bundlesIn } from "./formats/bundle-lines.ts";
import {
  countAttestation,
  type Proof,
  type SignatureBundle,
  type SignerIdentity,
  type TrustMaterial,
  type VerifiedSignature,
} from "./formats/format.ts";
import { type BlobContent, proveBlob } from "./formats/prove-blob.ts";
import { sigstoreBundle } from "./formats/sigstore-bundle.ts";
import { bundleOf } from "./formats/sigstore-bundle-parse.ts";
import { countedFor, expectedOf } from "./policy/authority.ts";
import { authorityObjection } from "./policy/counting.ts";
import type { Authority } from "./policy/policy.ts";
import { trustIn } from "./policy/trust-material.ts";

/** What stands beside a file: a signature of it, or an attestation about it. Claims. */
export type FileClaim =
  | { readonly kind: "signature"; readonly claim: BlobClaim }
  | { readonly kind: "statements"; readonly bundles: readonly SignatureBundle[] };

/** What is proved about a file. */
export interface VerifiedFile {
  /** Hex SHA-256. */
  readonly sha256: string;
  readonly signer: SignerIdentity;
  /** RFC 3339 UTC; only a proved time. */
  readonly signedAt?: string;
  /** What an attestation says, and of which type. */
  readonly attestation?: { readonly predicateType: string; readonly statement: Uint8Array };
}

/**
 * Reads a bundle, of either kind; bundles of attestations one on a line, as GitHub's command line downloads them; or what
 * older cosigns write. Throws `SIGNATURE_MALFORMED`.
 */
export function parseFileClaim(bytes: Uint8Array): FileClaim {
  const bundles = bundlesIn(bytes);
  if (bundles.length === 1 && !isEnvelope(bytes)) return { kind: "signature", claim: parseBlobBundle(bytes) };
  return { kind: "statements", bundles: bundles.map((bundle) => bundleOf(bundle, digestOf(bundle))) };
}

function isEnvelope(bytes: Uint8Array): boolean {
  return readUnsignedMembers(bytes, "the bundle").has("dsseEnvelope");
}

/**
 * Verifies a file of any size, read piece by piece, or by its SHA-256 alone, against a claim: it must be by one of the
 * authorities. `predicateType`: an attestation of that type is wanted; without it a signature or any attestation will do. Throws `SUBJECT_MISMATCH`,
 * `SIGNER_NOT_TRUSTED`, `PREDICATE_TYPE_MISMATCH`, `CONTENT_TOO_LARGE`, and the codes of proofs and objections.
 */
export async function verifyFile(
  authorities: readonly Authority[],
  claim: FileClaim,
  blob: BlobContent,
  { now, predicateType }: { readonly now: number; readonly predicateType?: string | undefined },
): Promise<VerifiedFile> {
  const trust = trustIn(authorities);
  if (claim.kind === "signature") {
    if (predicateType !== undefined) throw anotherType(predicateType, "a signature");
    const proof = await proveBlob(claim.claim, blob, trust, now);
    return { sha256: proof.subject.slice("sha256:".length), ...countedBy(authorities, proof, now) };
  }
  const { sha256, subjects } = await digestsOf(blob);
  const failures: unknown[] = [];
  for (const bundle of claim.bundles) {
    try {
      const proof = await proveAbout(subjects, bundle, trust, now);
      return { sha256, ...statedBy(authorities, proof, now, predicateType) };
    } catch (error) {
      if (!(error instanceof TrustError)) throw error;
      failures.push(error);
    }
  }
  throw failures[0];
}

function statedBy(
  authorities: readonly Authority[],
  proof: Proof,
  now: number,
  predicateType: string | undefined,
): Omit<VerifiedFile, "sha256"> {
  if (proof.kind === "signature") {
    if (predicateType !== undefined) throw anotherType(predicateType, "a signature");
    return countedBy(authorities, proof, now);
  }
  const { statement } = proof;
  if (predicateType !== undefined && proof.predicateType !== predicateType)
    throw anotherType(predicateType, proof.predicateType.slice(0, 200));
  const attestation = { predicateType: proof.predicateType, statement };
  return { ...countedBy(authorities, countAttestation(proof), now), attestation };
}

/** A statement names its subject by the digest that its makers use: npm's is SHA-512. */
async function proveAbout(
  subjects: readonly Digest[],
  bundle: SignatureBundle,
  trust: TrustMaterial,
  now: number,
): Promise<Proof> {
  let mismatch: TrustError | undefined;
  for (const subject of subjects) {
    try {
      return await sigstoreBundle.verify(bundle, subject, trust, now);
    } catch (error) {
      if (!(error instanceof TrustError) || error.code !== "SUBJECT_MISMATCH") throw error;
      mismatch ??= error;
    }
  }
  throw mismatch;
}

async function digestsOf(
  blob: BlobContent,
): Promise<{ readonly sha256: string; readonly subjects: readonly Digest[] }> {
  if ("sha256" in blob) {
    const sha256 = Buffer.from(blob.sha256).toString("hex");
    return { sha256, subjects: [`sha256:${sha256}`] };
  }
  const hashes = { sha256: createHash("sha256"), sha512: createHash("sha512") };
  for await (const piece of blob) for (const hash of Object.values(hashes)) hash.update(piece);
  const sha256 = hashes.sha256.digest("hex");
  return { sha256, subjects: [`sha256:${sha256}`, `sha512:${hashes.sha512.digest("hex")}`] };
}

function anotherType(expected: string, found: string): TrustError {
  return new TrustError("PREDICATE_TYPE_MISMATCH", "the file has no attestation of the type wanted", {
    expected,
    found,
  });
}

/** Whose it is, of the first authority that counts it; or why it does not count. */
function countedBy(
  authorities: readonly Authority[],
  proof: VerifiedSignature,
  now: number,
): Pick<VerifiedFile, "signer" | "signedAt"> {
  const failures: TrustError[] = [];
  for (const authority of authorities) {
    const counted = countedFor(authority, proof)?.proof;
    if (counted === undefined) continue;
    const objection = authorityObjection(authority, counted, now);
    if (objection === undefined) {
      const [signedAt] = counted.signedAt;
      return { signer: counted.signer, ...(signedAt === undefined ? {} : { signedAt }) };
    }
    const { code, message, ...details } = objection;
    failures.push(new TrustError(code, message, details));
  }
  const { signer } = proof;
  throw (
    failures[0] ??
    new TrustError("SIGNER_NOT_TRUSTED", "the file is signed by somebody else", {
      expected: authorities.slice(0, 5).map(expectedOf).join("; "),
      found: signer.kind === "key" ? `key ${signer.keyId.slice(0, 16)}` : `${signer.subject} of ${signer.issuer}`,
    })
  );
}
