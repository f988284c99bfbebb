import { createDigester, type Digest, digestAlgorithm, digestOf } from "../crypto/digest.ts";
import { TrustError } from "../errors.ts";
import type { Descriptor } from "./manifest.ts";

/** Throws `CONTENT_MISMATCH` unless the bytes have that size and digest; `where` names the place they came from. */
export function expectContent(bytes: Uint8Array, descriptor: Pick<Descriptor, "digest" | "size">, where: string): void {
  if (bytes.length !== descriptor.size) throw sizeMismatch(descriptor, bytes.length, where);
  expectDigest(bytes, descriptor.digest, where);
}

/** Throws `CONTENT_MISMATCH` unless the bytes have that digest. */
export function expectDigest(bytes: Uint8Array, digest: Digest, where: string): void {
  const found = digestOf(bytes, digestAlgorithm(digest));
  if (found !== digest) throw digestMismatch(digest, found, where);
}

/**
 * Passes the pieces on and throws `CONTENT_MISMATCH` at the end, or as soon as there are too many of them, unless they
 * have that size and digest. Nothing may be believed before the end.
 */
export async function* checkedContent<T extends Uint8Array>(
  pieces: AsyncIterable<T>,
  descriptor: Pick<Descriptor, "digest" | "size">,
  where: string,
): AsyncIterable<T> {
  const digester = createDigester(digestAlgorithm(descriptor.digest));
  let size = 0;
  for await (const piece of pieces) {
    size += piece.length;
    if (size > descriptor.size) throw sizeMismatch(descriptor, size, where);
    digester.update(piece);
    yield piece;
  }
  if (size !== descriptor.size) throw sizeMismatch(descriptor, size, where);
  const found = digester.digest();
  if (found !== descriptor.digest) throw digestMismatch(descriptor.digest, found, where);
}

/** Refuses content beyond a limit before it is read. */
export function tooLarge(what: string, size: number | string, maxBytes: number): TrustError {
  return new TrustError("CONTENT_TOO_LARGE", `${what} is too large`, {
    expected: `at most ${maxBytes} bytes`,
    found: `${size} bytes`,
  });
}

export function sizeMismatch(
  descriptor: Pick<Descriptor, "digest" | "size">,
  found: number,
  where: string,
): TrustError {
  return new TrustError("CONTENT_MISMATCH", `${where} holds other content under ${descriptor.digest}`, {
    expected: `${descriptor.size} bytes`,
    found: `${found} bytes`,
  });
}

export function digestMismatch(expected: Digest, found: string, where: string): TrustError {
  return new TrustError("CONTENT_MISMATCH", `${where} holds other content under ${expected}`, { expected, found });
}
