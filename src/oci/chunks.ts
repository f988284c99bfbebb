/** Gathers pieces into chunks of exactly `size` bytes, the last one smaller. Holds one chunk in memory. */
export async function* collectChunks(pieces: AsyncIterable<Uint8Array>, size: number): AsyncIterable<Buffer> {
  let chunk = Buffer.allocUnsafe(size);
  let filled = 0;
  for await (const piece of pieces) {
    for (let at = 0; at < piece.length; ) {
      const length = Math.min(size - filled, piece.length - at);
      chunk.set(piece.subarray(at, at + length), filled);
      filled += length;
      at += length;
      if (filled < size) continue;
      yield chunk;
      chunk = Buffer.allocUnsafe(size);
      filled = 0;
    }
  }
  if (filled > 0) yield chunk.subarray(0, filled);
}
