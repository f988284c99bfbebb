import type { Readable } from "node:stream";
import { TrustError } from "../src/index.ts";

export interface BodyLimits {
  /** The largest body that is read, in bytes. */
  readonly maxBody: number;
  /** The most bytes of all bodies that are held at one time. */
  readonly maxHeld: number;
}

/** How many times the largest body is read and thrown away before the connection is ended. */
const drainedBodies = 4;

/** The API server takes objects up to 3 MiB; a review holds two of them, and JSON is longer than what it came as. */
export const defaultBodyLimits: BodyLimits = { maxBody: 16 * 1024 * 1024, maxHeld: 128 * 1024 * 1024 };

/**
 * Reads request bodies, each bounded and all of them together. What is too large is read on all the same, but not kept:
 * a client that is still writing would never see the answer. Rejects with `REVIEW_INVALID` or `SERVER_BUSY`.
 */
export function createBodyReader(limits: BodyLimits = defaultBodyLimits): (payload: Readable) => Promise<Buffer> {
  let held = 0;
  return (payload) => {
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    const chunks: Buffer[] = [];
    let size = 0;
    let kept = 0;
    let ended = false;
    let trouble: TrustError | undefined;
    const letGo = () => {
      held -= kept;
      kept = 0;
    };
    const refuse = (error: TrustError) => {
      trouble ??= error;
      chunks.length = 0;
      letGo();
    };
    payload.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > limits.maxBody * drainedBodies) payload.destroy();
      if (size > limits.maxBody) return refuse(tooLarge(limits));
      if (trouble !== undefined) return;
      if (held + chunk.length > limits.maxHeld) return refuse(busy());
      chunks.push(chunk);
      kept += chunk.length;
      held += chunk.length;
    });
    payload.on("end", () => {
      ended = true;
      letGo();
      if (trouble !== undefined) reject(trouble);
      else resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks));
    });
    payload.on("error", (cause) => {
      letGo();
      reject(trouble ?? new TrustError("REVIEW_INVALID", "the body ended too early", { cause }));
    });
    payload.on("close", () => {
      if (ended) return;
      letGo();
      reject(trouble ?? new TrustError("REVIEW_INVALID", "the body ended too early"));
    });
    return promise;
  };
}

function tooLarge(limits: BodyLimits): TrustError {
  return new TrustError("REVIEW_INVALID", "the body is too large", { expected: `at most ${limits.maxBody} bytes` });
}

function busy(): TrustError {
  return new TrustError("SERVER_BUSY", "too many large requests at one time");
}
