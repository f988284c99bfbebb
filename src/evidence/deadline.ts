import { TrustError } from "../errors.ts";

/** Races the answer with the caller's deadline; the work goes on for others and for the cache. */
export async function withDeadline<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  const { promise, reject } = Promise.withResolvers<never>();
  const late = () => reject(new TrustError("DEADLINE_EXCEEDED", "the answer was not known at the deadline"));
  if (signal.aborted) late();
  signal.addEventListener("abort", late, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", late);
  }
}
