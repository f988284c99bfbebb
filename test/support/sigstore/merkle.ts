import { hash } from "node:crypto";

const sha256 = (...parts: readonly Uint8Array[]): Buffer => hash("sha256", Buffer.concat(parts), "buffer");
export const leafHash = (leaf: Uint8Array): Buffer => sha256(Buffer.of(0), leaf);
const nodeHash = (left: Uint8Array, right: Uint8Array): Buffer => sha256(Buffer.of(1), left, right);

export interface MerkleTree {
  readonly size: number;
  /** Appends and returns the index. */
  append(leaf: Uint8Array): number;
  leaf(index: number): Buffer | undefined;
  /** Where a leaf with these bytes stands first. */
  indexOf(leaf: Uint8Array): number | undefined;
  /** RFC 6962 §2.1 of the first `size` leaves. */
  root(size?: number): Buffer;
  /** RFC 6962 §2.1.1. */
  inclusion(index: number, size?: number): readonly Buffer[];
  /** Up to 256 hashes of a tile of C2SP tlog-tiles: the roots of complete subtrees of 256^level leaves. */
  tile(level: number, index: number): readonly Buffer[];
}

/** A tree that keeps the hashes of its complete subtrees, so that proofs of large trees cost little. */
export function createTree(): MerkleTree {
  const leaves: Buffer[] = [];
  const levels: Buffer[][] = [[]];
  const places = new Map<string, number>();

  /** The hash of leaves `from` up to `to`; `from` is a multiple of the subtree's width wherever RFC 6962 splits. */
  const range = (from: number, to: number): Buffer => {
    const width = to - from;
    const level = Math.log2(width);
    const complete = Number.isInteger(level) ? levels[level]?.[from / width] : undefined;
    if (complete !== undefined) return complete;
    const split = from + splitOf(width);
    return nodeHash(range(from, split), range(split, to));
  };
  const path = (index: number, from: number, to: number): Buffer[] => {
    if (to - from === 1) return [];
    const split = from + splitOf(to - from);
    return index < split
      ? [...path(index, from, split), range(split, to)]
      : [...path(index, split, to), range(from, split)];
  };

  return {
    get size() {
      return leaves.length;
    },
    append(leaf) {
      const index = leaves.push(Buffer.from(leaf)) - 1;
      let node = leafHash(leaf);
      if (!places.has(node.toString("hex"))) places.set(node.toString("hex"), index);
      for (let level = 0, at = index; ; level++, at >>= 1) {
        const row = levels[level] ?? [];
        levels[level] = row;
        row[at] = node;
        const left = row[at - 1];
        if (at % 2 === 0 || left === undefined) return index;
        node = nodeHash(left, node);
      }
    },
    leaf: (index) => leaves[index],
    indexOf: (leaf) => places.get(leafHash(leaf).toString("hex")),
    root: (size = leaves.length) => (size === 0 ? sha256() : range(0, size)),
    inclusion: (index, size = leaves.length) => path(index, 0, size),
    tile: (level, index) => (levels[8 * level] ?? []).slice(256 * index, 256 * (index + 1)),
  };
}

/** The largest power of two below the size. */
function splitOf(size: number): number {
  return 2 ** Math.floor(Math.log2(size - 1));
}
