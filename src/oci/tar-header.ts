import { TrustError } from "../errors.ts";

/** Tar archives are made of blocks of this many bytes. */
export const tarBlock = 512;

/** What an extension says about the entry after it. */
export interface ExtendedFields {
  readonly path?: string;
  readonly size?: number;
}

/** One header: a file, something without content of interest, an extension of the next one, or the end. */
export interface TarHeader {
  readonly kind: "file" | "link" | "other" | "pax" | "long-name" | "extension" | "end";
  /** Without `./` before it. */
  readonly path: string;
  /** Bytes of content that follow the header. */
  readonly size: number;
  /** What a link leads to, as it stands: from its own folder, or after `/` from the root of the archive. */
  readonly target?: string;
}

/**
 * Parses a header block (POSIX.1-2001 ustar and pax, GNU long names and sizes). Throws `FILE_UNREADABLE`, without naming
 * the archive, where it is none.
 */
export function parseTarHeader(header: Buffer, extended: ExtendedFields): TarHeader {
  if (header.length < tarBlock) throw malformedTar("the archive ends inside a header");
  if (header.every((byte) => byte === 0)) return { kind: "end", path: "", size: 0 };
  checkSum(header);
  const kind = kindOf(String.fromCharCode(header.readUInt8(156)));
  const own = numberField(header.subarray(124, 136));
  if (kind !== "file" && kind !== "other" && kind !== "link") return { kind, path: "", size: own };
  const path = (extended.path ?? headerPath(header)).replace(/^(?:\.\/)+/, "");
  if (kind !== "link") return { kind, path, size: extended.size ?? own };
  const target = text(header.subarray(157, 257));
  return { kind, path, size: 0, target: header.readUInt8(156) === 0x31 ? `/${target}` : target };
}

/** Parses the content of a `pax` or `long-name` header. Throws `FILE_UNREADABLE`. */
export function parseExtension(kind: TarHeader["kind"], content: Buffer): ExtendedFields {
  if (kind === "pax") return paxFields(content);
  return kind === "long-name" ? { path: text(content) } : {};
}

function kindOf(type: string): TarHeader["kind"] {
  if (type === "0" || type === "\0") return "file";
  if (type === "x") return "pax";
  if (type === "L") return "long-name";
  if (type === "1" || type === "2") return "link";
  return type === "g" || type === "K" ? "extension" : "other";
}

function checkSum(header: Buffer): void {
  let sum = 0;
  for (let i = 0; i < tarBlock; i++) sum += i >= 148 && i < 156 ? 0x20 : header.readUInt8(i);
  if (numberField(header.subarray(148, 156)) !== sum)
    throw malformedTar("a header without its checksum; a compressed archive must be unpacked first");
}

/** An octal number, or a big-endian one where the first bit is set (GNU, for files of 8 GiB and more). */
function numberField(field: Buffer): number {
  if (field.readUInt8(0) === 0x80) {
    const value = field.subarray(1).reduce((sum, byte) => sum * 256 + byte, 0);
    if (Number.isSafeInteger(value)) return value;
  } else {
    const digits = text(field).trim();
    if (/^[0-7]*$/.test(digits)) return Number.parseInt(digits || "0", 8);
  }
  throw malformedTar("a header with a number that is none");
}

function headerPath(header: Buffer): string {
  const name = text(header.subarray(0, 100));
  const prefix = header.toString("latin1", 257, 263) === "ustar\0" ? text(header.subarray(345, 500)) : "";
  return prefix === "" ? name : `${prefix}/${name}`;
}

/** `LENGTH KEY=VALUE\n` records; of them only path and size matter here. */
function paxFields(content: Buffer): ExtendedFields {
  const fields: { path?: string; size?: number } = {};
  for (let at = 0; at < content.length; ) {
    const match = /^([1-9][0-9]{0,5}) ([^=\n]+)=/.exec(content.toString("utf8", at, at + 300));
    const end = at + Number(match?.[1]);
    if (match === null || end > content.length) throw malformedTar("an extended header that cannot be read");
    const value = content.toString("utf8", at + Buffer.byteLength(match[0]), end - 1);
    if (match[2] === "path") fields.path = value;
    if (match[2] === "size") fields.size = paxSize(value);
    at = end;
  }
  return fields;
}

function paxSize(value: string): number {
  if (/^[0-9]{1,15}$/.test(value)) return Number(value);
  throw malformedTar("an extended header with a size that is none");
}

function text(field: Buffer): string {
  const end = field.indexOf(0);
  return field.toString("utf8", 0, end < 0 ? field.length : end);
}

/** Why something is not an archive that can be read; `FILE_UNREADABLE`. */
export function malformedTar(why: string): TrustError {
  return new TrustError("FILE_UNREADABLE", `not a tar archive of an image layout: ${why}`, {
    expected: "an uncompressed tar archive with oci-layout and index.json",
    found: why,
    hint: "Write the archive with: skopeo copy SOURCE oci-archive:FILE, or give the layout's folder",
  });
}
