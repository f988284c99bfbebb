import { isBrokenConnection } from "./network-errors.ts";
import type { HttpResponse } from "./transport.ts";
import { sleep } from "./waiting.ts";

/** How failed requests are repeated. Times in milliseconds. */
export interface RetrySettings {
  /** Tries in all, the first included. */
  readonly attempts: number;
  /** The first pause is at most this long; each further one at most twice the one before. */
  readonly base: number;
  readonly maxPause: number;
  /** The longest `Retry-After` that is waited for. */
  readonly maxRetryAfter: number;
  readonly now: () => number;
  /** From 0 up to 1. */
  readonly random: () => number;
}

export const defaultRetry: RetrySettings = {
  attempts: 4,
  base: 100,
  maxPause: 3_000,
  maxRetryAfter: 10_000,
  now: Date.now,
  random: Math.random,
};

/** Answers that a later try may change. */
const transient = new Set([408, 429, 500, 502, 503, 504]);

export function isTransientStatus(status: number): boolean {
  return transient.has(status);
}

/** What one try came to: a result, or an answer that says to come again. */
export type Attempt<T> = { readonly result: T } | { readonly again: HttpResponse };

export interface RetriedRequest {
  readonly signal?: AbortSignal | undefined;
  /** Names the request in errors. */
  readonly what: string;
  /** False: a broken connection ends it, as nobody knows how much of the request arrived. */
  readonly mendsBroken?: boolean;
}

/**
 * Repeats a request that may be repeated, after broken connections and where the server said to come again. `last` tells
 * the try that its answer counts whatever it is.
 */
export async function retrying<T>(
  settings: RetrySettings,
  about: RetriedRequest,
  attempt: (last: boolean) => Promise<Attempt<T>>,
): Promise<T> {
  for (let tries = 1; ; tries++) {
    const last = tries >= settings.attempts;
    let wait = pauseAfter(tries, settings);
    try {
      const outcome = await attempt(last);
      if ("result" in outcome) return outcome.result;
      wait = Math.max(wait, retryAfter(outcome.again, settings));
    } catch (error) {
      if (last || about.mendsBroken === false || !isBrokenConnection(error)) throw error;
    }
    await sleep(wait, about.signal, `a pause before trying again: ${about.what}`);
  }
}

/** The pause after so many tries, with full jitter, so that many clients do not come back at once. */
export function pauseAfter(tries: number, settings: RetrySettings): number {
  return settings.random() * Math.min(settings.maxPause, settings.base * 2 ** (tries - 1));
}

/** Milliseconds that a `Retry-After` header asks for, in seconds or as a date (RFC 9110 §10.2.3), within the limit. */
export function retryAfter(response: Pick<HttpResponse, "headers">, settings: RetrySettings): number {
  const text = response.headers["retry-after"]?.trim() ?? "";
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - settings.now();
  return Number.isNaN(ms) ? 0 : Math.min(Math.max(ms, 0), settings.maxRetryAfter);
}
