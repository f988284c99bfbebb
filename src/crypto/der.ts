import { type ErrorCode, TrustError } from "../errors.ts";

/** The bytes that are read, and how an error about them is told. */
export interface DerSource {
  readonly bytes: Buffer;
  /** For messages: "the certificate". */
  readonly what: string;
  readonly code: ErrorCode;
}

/** One DER value, a view: header from `start`, content from `content` to `end`, offsets into the bytes of the source. */
export interface DerNode {
  readonly source: DerSource;
  /** The identifier octet as it stands, with class and constructed bit. */
  readonly tag: number;
  readonly start: number;
  readonly content: number;
  readonly end: number;
}

/** Identifier octets of the types we read (X.690 §8.1.2, X.680 §8.6). */
export const derTags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  numericString: 0x12,
  printableString: 0x13,
  teletexString: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  visibleString: 0x1a,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
} as const;

/** The identifier octet of a context-specific tag: `[number]`, implicit over a primitive type unless constructed. */
export function contextTag(number: number, kind: "primitive" | "constructed"): number {
  return (kind === "constructed" ? 0xa0 : 0x80) | number;
}

const constructedBit = 0x20;
/** Deeper values are refused; certificates need 7 levels, timestamps 14. */
const maxDepth = 24;
/** Nothing we read is larger than 16 MiB, which three octets of length can say. */
const maxLengthOctets = 3;

/** The error for a value that is not what it should be; for use by those who read structures out of DER. */
export function derError(node: DerNode, problem: string, expected?: string, found?: string): TrustError {
  return errorAt(node.source, node.start, problem, expected, found);
}

function errorAt(source: DerSource, offset: number, problem: string, expected?: string, found?: string): TrustError {
  return new TrustError(source.code, `${source.what} is malformed at byte ${offset}: ${problem}`, {
    expected: expected ?? "DER (X.690)",
    found,
  });
}

/**
 * Reads bytes that are exactly one DER value (X.690 §10, §11) and checks the whole tree below it: definite lengths in the
 * fewest octets, one-octet tags, no constructed strings, every primitive of a universal type in its one valid form, depth and
 * size bounded. Copies nothing. Throws a `TrustError` with the code of the source.
 */
export function parseDer(
  bytes: Uint8Array,
  options: Omit<DerSource, "bytes"> & { readonly maxBytes: number },
): DerNode {
  const { maxBytes, what, code } = options;
  const source = { bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), what, code };
  if (bytes.length > maxBytes)
    throw errorAt(source, 0, "it is too large", `at most ${maxBytes} bytes`, `${bytes.length} bytes`);
  return wholeValue(source, 0, bytes.length);
}

/** Reads the content of an OCTET STRING (or, after `skip` octets, of a BIT STRING) as exactly one DER value, like {@link parseDer}. */
export function parseDerInside(node: DerNode, skip = 0): DerNode {
  return wholeValue(node.source, node.content + skip, node.end);
}

/** The bytes of the value with its header; a view. */
export function derBytes(node: DerNode): Buffer {
  return node.source.bytes.subarray(node.start, node.end);
}

/** The bytes of the value without its header; a view. */
export function derContent(node: DerNode): Buffer {
  return node.source.bytes.subarray(node.content, node.end);
}

/** The values inside a constructed value, in order. */
export function derChildren(node: DerNode): readonly DerNode[] {
  if ((node.tag & constructedBit) === 0)
    throw derError(node, "a constructed value is wanted", "SEQUENCE", tagName(node.tag));
  const children: DerNode[] = [];
  for (let at = node.content; at < node.end; ) {
    const child = readHeader(node.source, at, node.end);
    children.push(child);
    at = child.end;
  }
  return children;
}

/** Reads the fields of a SEQUENCE one after the other. Whoever reads one calls `end`, so that nothing stays unread. */
export interface DerFields {
  /** The next field; throws unless it is there with that tag. `what` names it in the error. */
  take(tag: number, what: string): DerNode;
  /** The next field whatever its tag; throws if there is none. */
  takeAny(what: string): DerNode;
  /** The next field if it has that tag. */
  optional(tag: number): DerNode | undefined;
  /** Throws if a field is left. */
  end(): void;
}

export function derFields(node: DerNode): DerFields {
  const children = derChildren(node);
  let next = 0;
  const takeAny = (what: string): DerNode => {
    const child = children[next++];
    if (child === undefined) throw derError(node, `${what} is missing`, what, "nothing");
    return child;
  };
  return {
    takeAny,
    take: (tag, what) => expectTag(takeAny(what), tag, what),
    optional: (tag) => (children[next]?.tag === tag ? children[next++] : undefined),
    end: () => {
      const child = children[next];
      if (child !== undefined) throw derError(child, "a field is in the wrong place", "the end", tagName(child.tag));
    },
  };
}

/** The value itself; throws unless it has that tag. */
export function expectTag(node: DerNode, tag: number, what: string): DerNode {
  if (node.tag !== tag) throw derError(node, `${what} is of another type`, tagName(tag), tagName(node.tag));
  return node;
}

/** A tag for people. */
export function tagName(tag: number): string {
  const name = Object.entries(derTags).find(([, value]) => value === tag)?.[0];
  return name ?? `tag 0x${tag.toString(16).padStart(2, "0")}`;
}

function wholeValue(source: DerSource, start: number, end: number): DerNode {
  const node = readHeader(source, start, end);
  if (node.end !== end) throw errorAt(source, node.end, "bytes follow the value", "the end", `${end - node.end} bytes`);
  checkTree(node, 0);
  return node;
}

function readHeader(source: DerSource, start: number, limit: number): DerNode {
  const { bytes } = source;
  const tag = bytes[start];
  const first = bytes[start + 1];
  if (tag === undefined || first === undefined || start + 2 > limit)
    throw errorAt(source, start, "a value is cut off", "tag and length", `${Math.max(0, limit - start)} bytes`);
  if ((tag & 0x1f) === 0x1f) throw errorAt(source, start, "a tag has several octets", "a tag below 31");
  const octets = first < 0x80 ? 0 : first - 0x80;
  const content = start + 2 + octets;
  if (first === 0x80) throw errorAt(source, start, "the length is indefinite", "a definite length");
  if (octets > maxLengthOctets) throw errorAt(source, start, "a value is too large", "a length of at most 3 octets");
  if (content > limit) throw errorAt(source, start, "a length is cut off");
  const length = octets === 0 ? first : bytes.readUIntBE(start + 2, octets);
  if (octets > 0 && length < (octets === 1 ? 0x80 : 2 ** (8 * (octets - 1))))
    throw errorAt(source, start, "the length has more octets than it needs");
  const end = content + length;
  if (end > limit)
    throw errorAt(
      source,
      start,
      "a value reaches beyond what holds it",
      `at most ${limit - content} bytes`,
      `${length} bytes`,
    );
  return { source, tag, start, content, end };
}

function checkTree(node: DerNode, depth: number): void {
  if (depth > maxDepth) throw derError(node, "values are nested too deep", `${maxDepth} levels`);
  const tagClass = node.tag & 0xc0;
  if (tagClass === 0) checkUniversal(node);
  else if (tagClass !== 0x80)
    throw derError(node, "a tag is of an unknown class", "universal or context-specific", tagName(node.tag));
  if ((node.tag & constructedBit) === 0) return;
  for (let at = node.content; at < node.end; ) {
    const child = readHeader(node.source, at, node.end);
    checkTree(child, depth + 1);
    at = child.end;
  }
}

/** The form of each primitive; the readers in der-values.ts may then rely on it for universal tags. */
function checkUniversal(node: DerNode): void {
  const problem = problemOf(node);
  if (problem !== undefined) throw derError(node, problem, undefined, tagName(node.tag));
}

function problemOf(node: DerNode): string | undefined {
  const { boolean, integer, enumerated, bitString, oid } = derTags;
  if (node.tag === boolean) return booleanProblem(node);
  if (node.tag === integer || node.tag === enumerated) return integerProblem(node);
  if (node.tag === bitString) return bitStringProblem(node);
  if (node.tag === oid) return oidProblem(node);
  if (node.tag === derTags.null) return node.content === node.end ? undefined : "a NULL has content";
  return knownTags.has(node.tag) ? undefined : "a type is not known here, or in a form DER does not have";
}

const knownTags: ReadonlySet<number> = new Set(Object.values(derTags));

/** X.690 §8.2, §11.1. */
export function booleanProblem({ source, content, end }: DerNode): string | undefined {
  const value = source.bytes[content];
  return end - content === 1 && (value === 0 || value === 0xff) ? undefined : "a BOOLEAN is neither 00 nor FF";
}

/** X.690 §8.3: at least one octet, and the first nine bits are not all the same. */
export function integerProblem({ source, content, end }: DerNode): string | undefined {
  const first = source.bytes[content] ?? 0;
  const second = source.bytes[content + 1] ?? 0;
  if (end === content) return "an INTEGER is empty";
  const padded = (first === 0 && second < 0x80) || (first === 0xff && second >= 0x80);
  return end - content > 1 && padded ? "an INTEGER has more octets than it needs" : undefined;
}

/** X.690 §8.6, §11.2.1: the unused bits are zero. */
export function bitStringProblem({ source, content, end }: DerNode): string | undefined {
  const unused = source.bytes[content] ?? 8;
  if (end === content || unused > 7 || (end - content === 1 && unused > 0))
    return "a BIT STRING has a wrong count of unused bits";
  const last = source.bytes[end - 1] ?? 0;
  return unused > 0 && (last & ((1 << unused) - 1)) !== 0 ? "a BIT STRING has unused bits that are set" : undefined;
}

/** X.690 §8.19: every component ends, in the fewest octets. */
export function oidProblem({ source, content, end }: DerNode): string | undefined {
  let fresh = true;
  for (let at = content; at < end; at++) {
    const octet = source.bytes[at] ?? 0;
    if (fresh && octet === 0x80) return "an OBJECT IDENTIFIER has more octets than it needs";
    fresh = octet < 0x80;
  }
  return end > content && fresh ? undefined : "an OBJECT IDENTIFIER is cut off";
}
