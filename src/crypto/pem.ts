/** One PEM block (RFC 7468): its label, the base64 text between the lines, and the block as it stands. */
export interface PemBlock {
  readonly label: string;
  readonly body: string;
  readonly block: string;
}

const beginLine = /-----BEGIN ([A-Z0-9 ]{1,64})-----/g;

/** Every complete PEM block of a text, in order; text around them is skipped, as everybody does. */
export function findPemBlocks(text: string): readonly PemBlock[] {
  const blocks: PemBlock[] = [];
  let from = 0;
  for (;;) {
    beginLine.lastIndex = from;
    const begin = beginLine.exec(text);
    if (begin === null) return blocks;
    const label = begin[1] ?? "";
    const endLine = `-----END ${label}-----`;
    const start = begin.index + begin[0].length;
    const end = text.indexOf(endLine, start);
    if (end < 0) return blocks;
    from = end + endLine.length;
    blocks.push({ label, body: text.slice(start, end), block: text.slice(begin.index, from) });
  }
}

/** A PEM block with lines of 64 characters and a newline at the end. */
export function formatPem(label: string, content: Uint8Array): string {
  const lines =
    Buffer.from(content)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n");
}
