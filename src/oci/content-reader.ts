import type { BlobContent } from "./registry.ts";

/** Reads content part by part without keeping any of it. One part at a time. */
export interface ContentReader {
  /**
   * `length` bytes from `start` on, fewer where the content ends. Going on from where the last part ended costs nothing;
   * any other place opens the content again.
   */
  read(start: number, length: number): AsyncIterable<Uint8Array>;
  /** Reads past the last byte, so that content which checks itself at its end does so. */
  finish(): Promise<void>;
  /** Lets go of the content. */
  close(): void;
}

interface Cursor {
  readonly pieces: AsyncIterator<Uint8Array>;
  position: number;
  /** What is left of the last piece. */
  rest: Uint8Array;
  /** A piece is on its way: whoever waits for it may have been given up. */
  waiting: boolean;
}

const nothing = new Uint8Array(0);

export function createContentReader(content: Pick<BlobContent, "open">): ContentReader {
  let cursor: Cursor | undefined;
  const at = (start: number): Cursor => {
    if (cursor !== undefined && !cursor.waiting && cursor.position <= start) return cursor;
    close();
    cursor = { pieces: content.open()[Symbol.asyncIterator](), position: 0, rest: nothing, waiting: false };
    return cursor;
  };
  const close = () => {
    // A source that fails while it is let go has nothing more to say.
    cursor?.pieces.return?.().catch(() => undefined);
    cursor = undefined;
  };
  return {
    async *read(start, length) {
      const from = at(start);
      while (from.position < start) if ((await take(from, start - from.position)).length === 0) return;
      for (const end = start + length; from.position < end; ) {
        const piece = await take(from, end - from.position);
        if (piece.length === 0) return;
        yield piece;
      }
    },
    async finish() {
      if (cursor !== undefined) await take(cursor, 1);
    },
    close,
  };
}

/** The next bytes, at most so many; none at the end. */
async function take(cursor: Cursor, maxBytes: number): Promise<Uint8Array> {
  while (cursor.rest.length === 0) {
    cursor.waiting = true;
    const { value, done } = await cursor.pieces.next();
    cursor.waiting = false;
    if (done === true) return nothing;
    cursor.rest = value;
  }
  const piece = cursor.rest.subarray(0, maxBytes);
  cursor.rest = cursor.rest.subarray(piece.length);
  cursor.position += piece.length;
  return piece;
}
