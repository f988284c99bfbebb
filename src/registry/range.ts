/** A part of content, both ends included. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * The part of `size` bytes that a `Range` header asks for (RFC 9110, 14.2). `undefined` where all of it is to be sent:
 * no header, another unit, several ranges. `unsatisfiable` where the range is beyond the content or ends before it starts.
 */
export function parseRange(header: string | undefined, size: number): ByteRange | "unsatisfiable" | undefined {
  const found = /^bytes=\s*(\d{0,16})-(\d{0,16})\s*$/.exec(header ?? "");
  if (found === null) return undefined;
  const [, first = "", last = ""] = found;
  if (first === "" && last === "") return undefined;
  if (first === "") {
    const length = Math.min(Number(last), size);
    return length === 0 ? "unsatisfiable" : { start: size - length, end: size - 1 };
  }
  const start = Number(first);
  const end = last === "" ? size - 1 : Math.min(Number(last), size - 1);
  return start >= size || end < start ? "unsatisfiable" : { start, end };
}

/** `Content-Range` of a chunk of an upload: `START-END`, both included (distribution-spec v1.1, "Pushing a blob in chunks"). */
export function parseChunkRange(header: string): ByteRange | undefined {
  const found = /^(?:bytes )?(\d{1,16})-(\d{1,16})(?:\/(?:\d{1,16}|\*))?$/.exec(header);
  if (found === null) return undefined;
  const [start, end] = [Number(found[1]), Number(found[2])];
  return end < start ? undefined : { start, end };
}

/** The `Range` header of an upload that has so many bytes; `0-0` also stands for none. */
export function uploadRange(offset: number): string {
  return `0-${Math.max(offset - 1, 0)}`;
}
