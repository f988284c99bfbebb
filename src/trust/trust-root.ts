import type { Digest } from "../crypto/digest.ts";
import type { HashName, PublicKey } from "../crypto/public-key.ts";
import type { Certificate } from "../crypto/x509.ts";

/** When something may be believed: both ends belong to it; milliseconds since 1970. Without an end it is in use. */
export interface Window {
  readonly start: number;
  readonly end?: number;
}

/** How a log signs: the one algorithm that its `keyDetails` name (Sigstore algorithm registry). */
export interface SignatureScheme {
  readonly kind: "ecdsa" | "ed25519" | "ed25519ph" | "rsa-pkcs1" | "rsa-pss";
  /** Of the message; `undefined` where the algorithm signs the message itself (Ed25519). */
  readonly hash: HashName | undefined;
}

/** A transparency log (Rekor), from `tlogs`. */
export interface TransparencyLog {
  readonly baseUrl: string;
  /**
   * The names that its checkpoints may be signed under: the base URL without its scheme, and its host alone; none where the
   * root names no URL.
   * (The origin line of a Rekor v1 checkpoint has the number of a tree behind the name.)
   */
  readonly origins: readonly string[];
  readonly key: PublicKey;
  readonly scheme: SignatureScheme;
  /** As declared, else the SHA-256 of the key's SubjectPublicKeyInfo; what entries name the log by. */
  readonly logId: Buffer;
  /** The first 4 bytes of the key id in checkpoints (C2SP signed-note), where the root declares it, or a `logId` made like it. */
  readonly checkpointKeyId: Buffer;
  readonly window: Window;
  /** Of the Merkle tree. */
  readonly hash: "sha256";
  /** Who runs it: logs of one operator count once. Its host where the root does not say. */
  readonly operator: string;
}

/** A certificate transparency log, from `ctlogs`. */
export interface CertificateLog {
  readonly baseUrl: string;
  readonly key: PublicKey;
  readonly scheme: SignatureScheme;
  /** What SCTs name the log by (RFC 6962 §3.2): always the SHA-256 of the key's SubjectPublicKeyInfo. */
  readonly logId: Buffer;
  readonly window: Window;
  readonly operator: string;
}

/** An authority whose certificates sign artifacts (Fulcio), from `certificateAuthorities`. */
export interface CertificateAuthority {
  readonly uri: string;
  /** At least one: intermediates in issuing order, the trust anchor last. */
  readonly chain: readonly Certificate[];
  readonly window: Window;
  readonly operator: string;
}

/** An RFC 3161 authority, from `timestampAuthorities`. */
export interface TimestampAuthority {
  readonly uri: string;
  /** At least one: the certificate that signs first (or, where tokens bring it along, what issued it), the trust anchor last. */
  readonly chain: readonly Certificate[];
  readonly window: Window;
  readonly operator: string;
}

/**
 * The least evidence a keyless signature needs, in numbers of distinct logs and authorities; all of them hold. A root whose
 * minima are met by either a log or a timestamp says `{ log: 0, timestamp: 0, logOrTimestamp: 1 }`.
 */
export interface EvidenceMinima {
  /** Verified entries of distinct transparency logs. */
  readonly log: number;
  /** Verified timestamps of distinct authorities. */
  readonly timestamp: number;
  /** Both together. */
  readonly logOrTimestamp: number;
  /** Verified SCTs of distinct certificate logs. */
  readonly sct: number;
}

/** Where a root comes from, for the Verdict and for staleness. Times in milliseconds since 1970. */
export type TrustRootSource =
  /** Part of the program; `issued` is when its content was published, `expires` when its TUF metadata runs out. */
  | { readonly kind: "embedded"; readonly issued: number; readonly expires?: number }
  /** A file, or bytes, that somebody gave: does not expire. */
  | { readonly kind: "file"; readonly path?: string }
  /** Fetched by TUF: `fetched` is the last time that the mirror was asked with success, `expires` when the metadata runs out. */
  | { readonly kind: "tuf"; readonly mirror: string; readonly fetched: number; readonly expires: number }
  /** To be fetched by TUF as a policy document says, which was not done yet: nothing is believed. */
  | { readonly kind: "unfetched"; readonly mirror: string }
  /** Written in a policy document: does not expire. */
  | { readonly kind: "policy"; readonly path?: string };

/** An entry that is not used, because its kind of key is not known here. */
export interface SkippedEntry {
  /** `tlogs[1]` and the like. */
  readonly at: string;
  readonly reason: string;
}

/** What a verifier believes about one Sigstore deployment; parsed, checked in form, never changed. */
export interface TrustRoot {
  readonly name: string;
  /** Of all that decides: canonical content and `require`; the key of caches. */
  readonly revision: Digest;
  readonly source: TrustRootSource;
  readonly certificateAuthorities: readonly CertificateAuthority[];
  readonly logs: readonly TransparencyLog[];
  readonly certificateLogs: readonly CertificateLog[];
  readonly timestampAuthorities: readonly TimestampAuthority[];
  readonly require: EvidenceMinima;
  /** The minima that somebody has set lower than the deployment allows for; shown in `unsafe`. */
  readonly relaxed: readonly (keyof EvidenceMinima)[];
  readonly skipped: readonly SkippedEntry[];
}

/** Whether a moment lies in the window. */
export function isWithin({ start, end }: Window, at: number): boolean {
  return at >= start && (end === undefined || at <= end);
}
