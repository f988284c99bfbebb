import { tarBlock } from "./tar-header.ts";

const maxOctalSize = 0o77777777777;

/** Two empty blocks: the end of an archive. */
export const tarEnd = Buffer.alloc(2 * tarBlock);

/** Bytes that follow content, up to the next block. */
export function tarPadding(size: number): number {
  return (tarBlock - (size % tarBlock)) % tarBlock;
}

/**
 * The header of a regular file, with a pax header before it where the path or the size does not fit (POSIX.1-2001
 * ustar and pax). Says nothing of owners and times, so that the same files make the same archive.
 */
export function tarFileHeader(path: string, size: number): Buffer {
  const extended = {
    ...(Buffer.byteLength(path) > 100 ? { path } : {}),
    ...(size > maxOctalSize ? { size: String(size) } : {}),
  };
  const own = header(path, size, "0");
  if (Object.keys(extended).length === 0) return own;
  const records = Buffer.from(Object.entries(extended).map(paxRecord).join(""));
  return Buffer.concat([header("pax", records.length, "x"), records, Buffer.alloc(tarPadding(records.length)), own]);
}

function header(path: string, size: number, type: string): Buffer {
  const block = Buffer.alloc(tarBlock);
  block.write(path.slice(0, 100), 0);
  block.write("0000644\0", 100);
  block.write("0000000\0", 108);
  block.write("0000000\0", 116);
  block.write(`${Math.min(size, maxOctalSize).toString(8).padStart(11, "0")}\0`, 124);
  block.write("00000000000\0", 136);
  block.write("        ", 148);
  block.write(type, 156);
  block.write("ustar\x0000", 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

/** `LENGTH KEY=VALUE\n`, whose length counts itself. */
function paxRecord([key, value]: readonly [string, string]): string {
  const rest = ` ${key}=${value}\n`;
  let length = Buffer.byteLength(rest);
  length += String(length + String(length).length).length;
  return `${length}${rest}`;
}
