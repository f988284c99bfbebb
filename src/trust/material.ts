import type { InclusionProof } from "../crypto/merkle.ts";
import type { Certificate } from "../crypto/x509.ts";

/** An entry of a transparency log as somebody brings it along: a claim, nothing in it may be believed. */
export interface LogEntry {
  readonly logId: Buffer;
  /** Across all trees of the log. */
  readonly logIndex: bigint;
  /** What the bundle says the body is; absent in annotations. */
  readonly kind?: { readonly name: string; readonly version: string };
  /** Seconds since 1970, as an integer; absent where it is 0. */
  readonly integratedTime?: number;
  /** The promise of Rekor v1: a signature over body, time, log and index. */
  readonly signedEntryTimestamp?: Buffer;
  readonly proof?: LogProof;
  /** Canonical JSON of what is logged; the leaf of the tree. */
  readonly body: Buffer;
}

/** An inclusion proof with the signed tree that it leads to. */
export interface LogProof extends InclusionProof {
  readonly root: Buffer;
  readonly checkpoint: string;
}

/** What is brought along with a signature so that it can be verified: claims, decoded. */
export interface VerificationMaterial {
  /** The signer's certificate; without one a plain key signed. */
  readonly leaf?: Certificate;
  /** Between leaf and root. No root is among them. */
  readonly intermediates: readonly Certificate[];
  /** Which key signed, in hex: a hint. */
  readonly keyHint?: string;
  readonly entries: readonly LogEntry[];
  /** TimeStampResp in DER (RFC 3161). */
  readonly timestamps: readonly Buffer[];
}

/** More of either is refused: each costs signatures. */
export const maxEntries = 32;
export const maxTimestamps = 16;
/** Of an entry: bodies name a certificate, a signature and digests, and take a few kilobytes. */
export const maxBodyBytes = 128 * 1024;

/** Whether a certificate names itself as its issuer, as roots do. */
export function isSelfIssued({ issuer, subject }: Certificate): boolean {
  return issuer.raw.equals(subject.raw);
}
