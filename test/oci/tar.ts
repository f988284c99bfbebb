/** One entry as in a plain ustar archive; `change` may spoil its header. */
export function tarEntry(
  file: string,
  content: string | Uint8Array,
  more: { readonly type?: string; readonly target?: string; change?(header: Buffer): void } = {},
): Buffer {
  const bytes = Buffer.from(content);
  const header = Buffer.alloc(512);
  header.write(file, 0);
  header.write(`${bytes.length.toString(8).padStart(11, "0")}\0`, 124);
  header.write(more.type ?? "0", 156);
  header.write(more.target ?? "", 157);
  header.write("ustar\0", 257);
  more.change?.(header);
  header.fill(" ", 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return Buffer.concat([header, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
}

/** A symbolic link. */
export function tarLink(file: string, target: string): Buffer {
  return tarEntry(file, "", { type: "2", target });
}

export const tarEnd = Buffer.alloc(1024);
