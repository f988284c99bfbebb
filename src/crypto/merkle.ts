import { createHash, hash } from "node:crypto";
import { TrustError } from "../errors.ts";

/** Where a leaf stands in a tree, and the hashes beside its way to the root, from the leaf upwards (RFC 9162 §2.1.3). */
export interface InclusionProof {
  readonly index: bigint;
  /** Leaves of the tree. */
  readonly size: bigint;
  readonly hashes: readonly Uint8Array[];
}

const hashLength = 32;
/** Trees have less than 2^63 leaves: what Go's int64 counts. */
const maxSize = 2n ** 63n - 1n;
/** A leaf is at most that far below the root of such a tree. */
export const maxProofHashes = 63;

const leafPrefix = Buffer.of(0);
const nodePrefix = Buffer.of(1);

/** The hash of an entry (RFC 9162 §2.1.1): SHA-256 with a prefix that no inner node has. */
export function merkleLeafHash(entry: Uint8Array): Buffer {
  return createHash("sha256").update(leafPrefix).update(entry).digest();
}

/** The hash of two subtrees (RFC 9162 §2.1.1). */
export function merkleNodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  return hash("sha256", Buffer.concat([nodePrefix, left, right]), "buffer");
}

/**
 * The root that the proof leads to from that leaf hash (RFC 9162 §2.1.3.2): the leaf is in a tree exactly if this is the
 * tree's root. Throws `LOG_PROOF_INVALID` where index, size, or number or length of the hashes make no proof.
 */
export function rootOfInclusion(leaf: Uint8Array, { index, size, hashes }: InclusionProof): Buffer {
  if (size < 1n || size > maxSize) throw invalid("the size of the tree is out of range", `1 to ${maxSize}`, `${size}`);
  if (index < 0n || index >= size) throw invalid("the leaf is outside the tree", `0 to ${size - 1n}`, `${index}`);
  if (hashes.length > maxProofHashes)
    throw invalid("the proof is too long", `at most ${maxProofHashes} hashes`, `${hashes.length}`);
  if ([leaf, ...hashes].some(({ length }) => length !== hashLength))
    throw invalid("a hash of the proof has a wrong length", `${hashLength} bytes`, "another length");
  // Up to where the ways to this leaf and to the last one meet, every level has a sibling, on the side that the bit of the index
  // says; above that, siblings are on the left, and there are some only where a bit is set.
  const bits = index.toString(2);
  const shared = index ^ (size - 1n);
  const inner = shared === 0n ? 0 : shared.toString(2).length;
  const border = bits.slice(0, Math.max(0, bits.length - inner)).replaceAll("0", "").length;
  if (hashes.length !== inner + border)
    throw invalid("the proof has a wrong number of hashes", `${inner + border}, up to the root`, `${hashes.length}`);
  let node: Buffer = Buffer.from(leaf);
  for (const [level, sibling] of hashes.entries()) {
    const isLeft = level < inner && bits.at(-1 - level) !== "1";
    node = isLeft ? merkleNodeHash(node, sibling) : merkleNodeHash(sibling, node);
  }
  return node;
}

function invalid(message: string, expected: string, found: string): TrustError {
  return new TrustError("LOG_PROOF_INVALID", message, { expected, found });
}
