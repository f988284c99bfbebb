import { createHash, type Hash, hash } from "node:crypto";
import { TrustError } from "../errors.ts";

/** Hash functions a content digest may use (image-spec v1.1, descriptor.md#digests). */
export type DigestAlgorithm = "sha256" | "sha512";

/** A content digest in canonical form, `sha256:` and 64 or `sha512:` and 128 lower-case hex digits. Made only by this file. */
export type Digest = `${DigestAlgorithm}:${string}`;

const pattern = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

/** True only for a digest in canonical form. */
export function isDigest(text: unknown): text is Digest {
  return typeof text === "string" && pattern.test(text);
}

/** Parses a digest; throws `DIGEST_INVALID` unless it is in canonical form. */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text;
  throw new TrustError("DIGEST_INVALID", `${JSON.stringify(text.slice(0, 200))} is not a digest`, {
    expected: "sha256:<64 hex digits> or sha512:<128 hex digits>",
    found: text.slice(0, 200),
  });
}

export function digestAlgorithm(digest: Digest): DigestAlgorithm {
  return digest.startsWith("sha512:") ? "sha512" : "sha256";
}

/** The hex part of a digest. */
export function digestHex(digest: Digest): string {
  return digest.slice(7);
}

/** The digest of some bytes, sha256 unless asked otherwise. */
export function digestOf(bytes: Uint8Array, algorithm: DigestAlgorithm = "sha256"): Digest {
  return `${algorithm}:${hash(algorithm, bytes, "hex")}`;
}

/** Whether the bytes have that digest. Digests are public, so plain comparison is enough. */
export function matchesDigest(bytes: Uint8Array, digest: Digest): boolean {
  return digestOf(bytes, digestAlgorithm(digest)) === digest;
}

/** Hashes a stream piece by piece. */
export interface Digester {
  update(chunk: Uint8Array): void;
  digest(): Digest;
}

export function createDigester(algorithm: DigestAlgorithm = "sha256"): Digester {
  const hasher: Hash = createHash(algorithm);
  return {
    update: (chunk) => void hasher.update(chunk),
    digest: () => `${algorithm}:${hasher.digest("hex")}`,
  };
}
