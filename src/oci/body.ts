import { tooLarge } from "./content.ts";
import { createGatherer } from "./gather.ts";
import { tooSlow } from "./network-errors.ts";
import type { HttpResponse } from "./transport.ts";

/** Bytes of an answer that nobody reads, which are waited for so that the connection can be used again. */
const maxDiscarded = 64 * 1024;

/** Bounds of an answer that is kept in memory: bytes, and milliseconds for all of it. */
export interface BodyLimits {
  readonly maxBytes: number;
  readonly maxMs: number;
}

/** A whole answer in memory; `what` names it in errors. Throws `CONTENT_TOO_LARGE`, `REGISTRY_UNREACHABLE`. */
export async function readBody(response: HttpResponse, limits: BodyLimits, what: string): Promise<Buffer> {
  const announced = Number(response.headers["content-length"] ?? 0);
  const { bytes, whole } = announced > limits.maxBytes ? await cut(response) : await readUpTo(response, limits);
  if (!whole) throw tooLarge(what, announced > 0 ? announced : `more than ${limits.maxBytes}`, limits.maxBytes);
  return bytes;
}

async function cut(response: HttpResponse) {
  for await (const _ of response.body) break;
  return { bytes: Buffer.of(), whole: false };
}

/** The beginning of an answer; the connection is closed where there is more. Throws `REGISTRY_UNREACHABLE`. */
export async function readUpTo(
  response: HttpResponse,
  { maxBytes, maxMs }: BodyLimits,
): Promise<{ readonly bytes: Buffer; readonly whole: boolean }> {
  const until = performance.now() + maxMs;
  const announced = Number(response.headers["content-length"] ?? 0);
  if (announced > largeAnswer && announced <= maxBytes)
    return readInto(Buffer.allocUnsafeSlow(announced), response, until);
  const gathered = createGatherer();
  // Each piece comes within the idle timeout, so this ends in time.
  for await (const piece of response.body) {
    if (gathered.add(piece) > maxBytes) return { bytes: gathered.bytes().subarray(0, maxBytes), whole: false };
    if (performance.now() > until) throw tooSlow(response.url.host, "the whole answer", maxMs);
  }
  return { bytes: gathered.bytes(), whole: true };
}

/** Large answers have a place from the start, so that they are in memory once; what never comes takes no memory. */
const largeAnswer = 1024 * 1024;

async function readInto(bytes: Buffer, response: HttpResponse, maxMs: number) {
  const until = performance.now() + maxMs;
  let size = 0;
  for await (const piece of response.body) {
    size += piece.copy(bytes, size);
    if (performance.now() > until) throw tooSlow(response.url.host, "the whole answer", maxMs);
  }
  return { bytes: bytes.subarray(0, size), whole: true };
}

/** Lets an answer go that nobody reads; errors on the way no longer matter. */
export async function discard(response: HttpResponse): Promise<void> {
  try {
    await readUpTo(response, { maxBytes: maxDiscarded, maxMs: 1_000 });
  } catch {
    // The connection is gone; the next request makes another.
  }
}
