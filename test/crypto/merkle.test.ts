import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { merkleLeafHash, rootOfInclusion } from "../../src/crypto/merkle.ts";
import { codeOf } from "../support/errors.ts";
import { createTree } from "../support/sigstore/merkle.ts";

const tree = createTree();
for (let index = 0; index < 300; index++) tree.append(Buffer.from(`leaf ${index}`));

const proofOf = (index: number, size: number) => ({
  index: BigInt(index),
  size: BigInt(size),
  hashes: tree.inclusion(index, size),
});
const leafOf = (index: number) => merkleLeafHash(Buffer.from(`leaf ${index}`));
const place = fc.integer({ min: 1, max: 300 }).chain((size) => fc.tuple(fc.nat(size - 1), fc.constant(size)));

describe("rootOfInclusion", () => {
  it("leads from every leaf to the root, in trees of every size up to 70", () => {
    for (let size = 1; size <= 70; size++) {
      for (let index = 0; index < size; index++)
        expect(rootOfInclusion(leafOf(index), proofOf(index, size))).toEqual(tree.root(size));
    }
  });

  it("leads elsewhere, or nowhere, from another leaf, place or hash", () => {
    fc.assert(
      fc.property(place, fc.nat(), fc.nat(255), ([index, size], which, mask) => {
        const proof = proofOf(index, size);
        const isRoot = (leaf: Buffer, changed: typeof proof) => {
          let root: Buffer | undefined;
          const code = codeOf(() => {
            root = rootOfInclusion(leaf, changed);
          });
          if (code !== undefined) expect(code).toBe("LOG_PROOF_INVALID");
          return root?.equals(tree.root(size)) === true;
        };
        const { hashes } = proof;
        const at = which % (hashes.length || 1);
        const flipped = hashes.map((one, position) =>
          position === at ? Buffer.from(one.map((byte, i) => (i === 5 ? byte ^ (mask || 1) : byte))) : one,
        );
        expect(isRoot(leafOf(index), proof)).toBe(true);
        expect(isRoot(leafOf(index + 1), proof)).toBe(false);
        expect(isRoot(leafOf(index), { ...proof, hashes: [...hashes, tree.root(1)] })).toBe(false);
        if (hashes.length === 0) return;
        expect(isRoot(leafOf(index), { ...proof, hashes: flipped })).toBe(false);
        expect(isRoot(leafOf(index), { ...proof, hashes: hashes.slice(0, -1) })).toBe(false);
        expect(isRoot(leafOf(index), { ...proof, hashes: hashes.slice(1) })).toBe(false);
        expect(isRoot(leafOf(index), { ...proof, index: BigInt((index + 1) % size) })).toBe(false);
      }),
    );
  });

  it("does not take an inner node for a leaf", () => {
    const [left, right] = [leafOf(0), leafOf(1)];
    const node = Buffer.concat([left, right]);
    const proof = proofOf(0, 4);
    const shifted = { index: 0n, size: 2n, hashes: proof.hashes.slice(1) };
    expect(rootOfInclusion(merkleLeafHash(node), shifted)).not.toEqual(tree.root(4));
  });

  it.each([
    ["an empty tree", { index: 0n, size: 0n, hashes: [] }],
    ["a negative size", { index: 0n, size: -1n, hashes: [] }],
    ["a negative index", { index: -1n, size: 2n, hashes: [leafOf(1)] }],
    ["an index at the size", { index: 2n, size: 2n, hashes: [leafOf(1)] }],
    ["a size beyond 2^63", { index: 0n, size: 2n ** 63n, hashes: [] }],
    ["hashes of another length", { index: 0n, size: 2n, hashes: [Buffer.alloc(31)] }],
    ["hashes without end", { index: 0n, size: 2n ** 62n, hashes: Array.from({ length: 64 }, () => leafOf(1)) }],
  ])("refuses %s", (_, proof) => {
    expect(codeOf(() => rootOfInclusion(leafOf(0), proof))).toBe("LOG_PROOF_INVALID");
  });

  it("takes a short leaf hash for none", () => {
    expect(codeOf(() => rootOfInclusion(Buffer.alloc(20), proofOf(0, 1)))).toBe("LOG_PROOF_INVALID");
  });
});
