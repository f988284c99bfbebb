/** Bytes that come in pieces, in one buffer. */
export interface Gatherer {
  /** Copies a piece to the end; gives how many bytes there are now. */
  add(piece: Uint8Array): number;
  bytes(): Buffer;
}

const firstBytes = 16 * 1024;

/**
 * Gathers pieces in a buffer that doubles as it fills. Whoever sends chooses the pieces, and a list of those that have one
 * byte would take a hundred times their memory.
 */
export function createGatherer(): Gatherer {
  let buffer = Buffer.alloc(0);
  let size = 0;
  return {
    add(piece) {
      if (size + piece.length > buffer.length) {
        const larger = Buffer.allocUnsafeSlow(Math.max(firstBytes, 2 * buffer.length, size + piece.length));
        buffer.copy(larger, 0, 0, size);
        buffer = larger;
      }
      buffer.set(piece, size);
      size += piece.length;
      return size;
    },
    bytes: () => buffer.subarray(0, size),
  };
}
