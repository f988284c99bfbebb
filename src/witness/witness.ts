import type { PublicKey } from "../crypto/public-key.ts";

/** A signature that is made, and what a witness has to know of it. */
export interface Witnessed {
  readonly signature: Uint8Array;
  /** SHA-256 of the bytes that are signed: of a message, or of an envelope's pre-authentication encoding. */
  readonly sha256: Uint8Array;
  readonly publicKey: PublicKey;
  /** DER; what the signature is proved with, if not the bare key. */
  readonly certificate?: Uint8Array | undefined;
  /** The JSON of the DSSE envelope, where there is one. */
  readonly envelope?: Uint8Array | undefined;
  /** What a timestamp is over, if not over the signature: cosign has it over the whole envelope under `.att` tags. */
  readonly stamped?: Uint8Array | undefined;
}

/** An entry of a transparency log, checked in form only (sigstore_rekor.proto, TransparencyLogEntry). */
export interface LogEntry {
  readonly kind: string;
  readonly version: string;
  /** Decimal digits. */
  readonly logIndex: string;
  /** The id of the log. */
  readonly logId: Buffer;
  /** Seconds since 1970; Rekor v2 says none. */
  readonly integratedTime?: string | undefined;
  /** The log's promise of Rekor v1: a signature (SET). */
  readonly inclusionPromise?: Buffer | undefined;
  readonly inclusionProof?: InclusionProof | undefined;
  readonly canonicalizedBody: Buffer;
}

/** RFC 6962 §2.1.1, and the signed note that the root is in. */
export interface InclusionProof {
  readonly logIndex: string;
  readonly treeSize: string;
  readonly rootHash: Buffer;
  readonly hashes: readonly Buffer[];
  readonly checkpoint: string;
}

/** What witnesses said: claims, until the verifier has proved them. */
export interface Testimony {
  readonly entries: readonly LogEntry[];
  /** DER TimeStampResp (RFC 3161 §2.4.2). */
  readonly timestamps: readonly Buffer[];
}

/**
 * Says that a signature exists: a transparency log, or a timestamp authority. Errors: `SIGNING_SERVICE_UNAVAILABLE`,
 * `SIGNING_SERVICE_REFUSED`, `DEADLINE_EXCEEDED`.
 */
export interface Witness {
  /** For messages: the URL, without anything secret. */
  readonly name: string;
  testify(witnessed: Witnessed, signal?: AbortSignal | undefined): Promise<Testimony>;
}

export const noTestimony: Testimony = { entries: [], timestamps: [] };

/**
 * Asks all witnesses, at the same time. Every one must answer: a signature with half its evidence is not to be written.
 */
export async function askAll(
  witnesses: readonly Witness[],
  witnessed: Witnessed,
  signal?: AbortSignal | undefined,
): Promise<Testimony> {
  const all = await Promise.all(witnesses.map((witness) => witness.testify(witnessed, signal)));
  return { entries: all.flatMap(({ entries }) => entries), timestamps: all.flatMap(({ timestamps }) => timestamps) };
}
