/**
 * The largest set of candidates in which each owner and each signer is once: how many distinct signers stand behind how
 * many distinct authorities. Kuhn's algorithm (augmenting paths). The same candidates in the same order give the same
 * answer; it is in the order of the candidates.
 */
export function maximumMatching<T>(
  candidates: readonly T[],
  ownerOf: (candidate: T) => string,
  signerOf: (candidate: T) => string,
): readonly T[] {
  const edges = edgesByOwner(candidates, ownerOf, signerOf);
  const chosen = new Map<string, Edge>();
  for (const owner of edges.keys()) augment(owner, edges, chosen);
  return [...chosen.values()]
    .map((edge) => edge.index)
    .sort((a, b) => a - b)
    .flatMap((index) => candidates.slice(index, index + 1));
}

interface Edge {
  readonly owner: string;
  readonly signer: string;
  readonly index: number;
}

type Edges = ReadonlyMap<string, ReadonlyMap<string, Edge>>;

/** The first candidate of each owner and signer stands for all alike. */
function edgesByOwner<T>(
  candidates: readonly T[],
  ownerOf: (candidate: T) => string,
  signerOf: (candidate: T) => string,
): Edges {
  const edges = new Map<string, Map<string, Edge>>();
  candidates.forEach((candidate, index) => {
    const owner = ownerOf(candidate);
    const signer = signerOf(candidate);
    const own = edges.get(owner) ?? new Map<string, Edge>();
    edges.set(owner, own);
    if (!own.has(signer)) own.set(signer, { owner, signer, index });
  });
  return edges;
}

/**
 * Looks breadth first for a chain that ends at a free signer and moves each owner on it to the next signer. A queue
 * instead of recursion: how long a chain is must not decide how deep the stack grows.
 */
function augment(start: string, edges: Edges, chosen: Map<string, Edge>): void {
  const cameBy = new Map<string, Edge>();
  const queue = [start];
  for (const owner of queue) {
    for (const edge of edges.get(owner)?.values() ?? []) {
      if (cameBy.has(edge.signer)) continue;
      cameBy.set(edge.signer, edge);
      const holder = chosen.get(edge.signer);
      if (holder === undefined) {
        shift(edge, start, cameBy, chosen);
        return;
      }
      queue.push(holder.owner);
    }
  }
}

function shift(last: Edge, start: string, cameBy: ReadonlyMap<string, Edge>, chosen: Map<string, Edge>): void {
  let edge: Edge | undefined = last;
  while (edge !== undefined) {
    const previous: string | undefined = edge.owner === start ? undefined : heldBy(edge.owner, chosen);
    chosen.set(edge.signer, edge);
    edge = previous === undefined ? undefined : cameBy.get(previous);
  }
}

/** The signer that an owner holds so far. */
function heldBy(owner: string, chosen: ReadonlyMap<string, Edge>): string | undefined {
  for (const [signer, edge] of chosen) if (edge.owner === owner) return signer;
  return undefined;
}
