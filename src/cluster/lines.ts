import { createGatherer, type Gatherer } from "../oci/gather.ts";

const newline = 0x0a;

/** The lines of a text that comes in pieces, without empty ones. Throws `tooLong()` for one that has more bytes. */
export async function* lines(
  pieces: AsyncIterable<Uint8Array>,
  maxBytes: number,
  tooLong: () => Error,
): AsyncIterable<Uint8Array> {
  let begun: Gatherer | undefined;
  const append = (part: Uint8Array): Gatherer => {
    const gathered = begun ?? createGatherer();
    if (gathered.add(part) > maxBytes) throw tooLong();
    return gathered;
  };
  for await (const piece of pieces) {
    let from = 0;
    for (let at = piece.indexOf(newline); at !== -1; at = piece.indexOf(newline, from)) {
      const line = append(piece.subarray(from, at)).bytes();
      begun = undefined;
      from = at + 1;
      if (!isBlank(line)) yield line;
    }
    if (from < piece.length) begun = append(piece.subarray(from));
  }
  const rest = begun?.bytes();
  if (rest !== undefined && !isBlank(rest)) yield rest;
}

function isBlank(line: Uint8Array): boolean {
  return line.length < 3 && line.every((byte) => byte === 0x20 || byte === 0x0d || byte === 0x09);
}
