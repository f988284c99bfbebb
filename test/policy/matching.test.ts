import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { maximumMatching } from "../../src/policy/matching.ts";

interface Pair {
  readonly owner: string;
  readonly signer: string;
}

const owner = (pair: Pair) => pair.owner;
const signer = (pair: Pair) => pair.signer;
const pairs = (...texts: string[]): readonly Pair[] =>
  texts.map((text) => ({ owner: text.charAt(0), signer: text.slice(1) }));
const size = (...texts: string[]) => maximumMatching(pairs(...texts), owner, signer).length;

describe("maximumMatching", () => {
  it("is empty without candidates", () => {
    expect(maximumMatching([], owner, signer)).toEqual([]);
  });

  it("counts one signer once, under however many owners", () => {
    expect(size("a1", "b1", "c1")).toBe(1);
  });

  it("counts one owner once, however many of its signers signed", () => {
    expect(size("a1", "a2", "a3")).toBe(1);
  });

  it("counts the same candidate twice as one", () => {
    expect(size("a1", "a1", "a1")).toBe(1);
  });

  it("gives a shared signer to the owner that needs it", () => {
    expect(maximumMatching(pairs("a1", "a2", "b1"), owner, signer)).toEqual(pairs("a2", "b1"));
  });

  it("moves a whole chain of owners to seat one more", () => {
    expect(size("a1", "a2", "b2", "b3", "c3", "c4", "d1", "d2", "d3")).toBe(4);
  });

  it("answers in the order of the candidates", () => {
    expect(maximumMatching(pairs("b1", "a2", "c3"), owner, signer)).toEqual(pairs("b1", "a2", "c3"));
  });

  it("finds as many as trying every subset does, each owner and signer once", () => {
    const pair = fc.record({ owner: fc.constantFrom("a", "b", "c", "d"), signer: fc.constantFrom("1", "2", "3", "4") });
    fc.assert(
      fc.property(fc.array(pair, { maxLength: 9 }), (candidates) => {
        const chosen = maximumMatching(candidates, owner, signer);
        expect(isMatching(chosen)).toBe(true);
        expect(chosen.every((candidate) => candidates.includes(candidate))).toBe(true);
        expect(chosen.length).toBe(bruteForce(candidates));
        expect(maximumMatching(candidates, owner, signer)).toEqual(chosen);
      }),
      { numRuns: 1000 },
    );
  });

  it("is done with a hundred owners and two hundred signers in no time", () => {
    const everybody = Array.from({ length: 100 * 200 }, (_, i) => ({ owner: `${i % 100}`, signer: `${i % 200}` }));
    const started = performance.now();
    expect(maximumMatching(everybody, owner, signer).length).toBe(100);
    expect(performance.now() - started).toBeLessThan(1000);
  });

  it("does not run out of stack on a chain of three thousand", () => {
    const chain = Array.from({ length: 3000 }, (_, i) => [
      { owner: `${i}`, signer: `${i}` },
      { owner: `${i}`, signer: `${i + 1}` },
    ]).flat();
    expect(maximumMatching([...chain, { owner: "last", signer: "0" }], owner, signer).length).toBe(3001);
  });
});

function isMatching(candidates: readonly Pair[]): boolean {
  return (
    new Set(candidates.map(owner)).size === candidates.length &&
    new Set(candidates.map(signer)).size === candidates.length
  );
}

function bruteForce(candidates: readonly Pair[]): number {
  const [first, ...rest] = candidates;
  if (first === undefined) return 0;
  const compatible = rest.filter((pair) => pair.owner !== first.owner && pair.signer !== first.signer);
  return Math.max(bruteForce(rest), 1 + bruteForce(compatible));
}
