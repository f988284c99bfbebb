import { TrustError } from "../errors.ts";

/**
 * Decodes standard, padded base64 (RFC 4648 §4) and nothing else: no line breaks, no URL alphabet, no stray bits in the
 * last digit. One text for one value, so that nobody can change a signature's text and keep its meaning.
 */
export function decodeBase64(text: unknown, what: string): Buffer {
  if (typeof text === "string") {
    // Only the one text that an encoder writes comes back the same; a regular expression over megabytes may overflow.
    const bytes = Buffer.from(text, "base64");
    if (bytes.toString("base64") === text) return bytes;
  }
  throw notBase64(what);
}

/** Characters that are decoded at a time: whole groups of four. */
const pieceLength = 4 * 64 * 1024;

/**
 * Decodes a JSON string of base64, given as its bytes with the quotes, as strictly as {@link decodeBase64} and without
 * copies of megabytes. `headOf` gets the number of bytes that come and makes what stands before them.
 */
export function decodeBase64Json(
  literal: Uint8Array | undefined,
  what: string,
  headOf: (length: number) => Uint8Array = () => Buffer.of(),
): { readonly all: Buffer; readonly content: Buffer } {
  const text = literal === undefined ? undefined : textOf(literal);
  if (text === undefined || text.length % 4 !== 0) throw notBase64(what);
  const padding = text.at(-1) !== 0x3d ? 0 : text.at(-2) !== 0x3d ? 1 : 2;
  const length = (text.length / 4) * 3 - padding;
  const head = headOf(length);
  const all = Buffer.allocUnsafeSlow(head.length + length);
  all.set(head);
  const content = all.subarray(head.length);
  for (let from = 0; from < text.length; from += pieceLength) {
    const piece = text.toString("latin1", from, Math.min(text.length, from + pieceLength));
    const start = (from / 4) * 3;
    const written = content.write(piece, start, "base64");
    // Padding before the end would leave a gap, filled with whatever was in memory.
    const isWhole = start + written === Math.min(start + (piece.length / 4) * 3, length);
    if (!isWhole || content.toString("base64", start, start + written) !== piece) throw notBase64(what);
  }
  return { all, content };
}

/** What stands between the quotes. Some writers escape `/` and `=`. */
function textOf(literal: Uint8Array): Buffer | undefined {
  const buffer = Buffer.from(literal.buffer, literal.byteOffset, literal.byteLength);
  if (buffer[0] !== 0x22) return undefined;
  return buffer.includes(0x5c) ? Buffer.from(JSON.parse(buffer.toString()) as string) : buffer.subarray(1, -1);
}

function notBase64(what: string): TrustError {
  return new TrustError("SIGNATURE_MALFORMED", `${what} is not base64`, { expected: "standard base64 with padding" });
}
