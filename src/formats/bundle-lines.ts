import { TrustError } from "../errors.ts";

const maxBundles = 100;

/**
 * The bundles of a file, not read yet: one on each line, as GitHub's command line downloads them, where the first two lines
 * look like documents by themselves; else all of it is one. Throws `SIGNATURE_MALFORMED` for more than 100.
 */
export function bundlesIn(bytes: Uint8Array): readonly Buffer[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const lines: Buffer[] = [];
  for (let at = 0; at < buffer.length && lines.length <= maxBundles; ) {
    const found = buffer.indexOf("\n", at);
    const end = found < 0 ? buffer.length : found;
    if (buffer.toString("latin1", at, Math.min(end, at + 100)).trim() !== "") lines.push(buffer.subarray(at, end));
    at = end + 1;
  }
  if (lines.length < 2 || !lines.slice(0, 2).every(looksWhole)) return [buffer];
  if (lines.length <= maxBundles) return lines;
  throw new TrustError("SIGNATURE_MALFORMED", "there are too many bundles in the file", {
    expected: `at most ${maxBundles}`,
    found: `${lines.length} and more`,
  });
}

function looksWhole(line: Buffer): boolean {
  return line.length > 1 && line[0] === 0x7b && line.subarray(-10).toString("latin1").trimEnd().endsWith("}");
}
