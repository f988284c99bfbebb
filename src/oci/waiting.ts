import { setTimeout as sleepFor } from "node:timers/promises";
import { deadlineExceeded } from "./network-errors.ts";

/** Sleeps, unless the signal ends it with `DEADLINE_EXCEEDED`. */
export async function sleep(ms: number, signal: AbortSignal | undefined, during: string): Promise<void> {
  try {
    await sleepFor(ms, undefined, signal === undefined ? {} : { signal });
  } catch (cause) {
    throw deadlineExceeded(during, cause);
  }
}

/** Waits for shared work, which goes on for others when this caller's signal ends the wait with `DEADLINE_EXCEEDED`. */
export async function raceSignal<T>(work: Promise<T>, signal: AbortSignal | undefined, during: string): Promise<T> {
  if (signal === undefined) return work;
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () => reject(deadlineExceeded(during, signal.reason));
  if (signal.aborted) abort();
  else signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([promise, work]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** At most so many at once per key; the rest waits its turn. */
export interface Slots {
  /** Resolves to the function that gives the place back. */
  take(key: string, signal: AbortSignal | undefined): Promise<() => void>;
}

export function createSlots(perKey: number): Slots {
  const lanes = new Map<string, Lane>();
  return {
    async take(key, signal) {
      const lane = lanes.get(key) ?? { taken: 0, waiting: [] };
      lanes.set(key, lane);
      const giveBack = () => {
        const next = lane.waiting.shift();
        if (next !== undefined) next();
        else if (--lane.taken === 0) lanes.delete(key);
      };
      if (lane.taken < perKey) lane.taken += 1;
      else await waitForTurn(lane, signal, giveBack);
      return giveBack;
    },
  };
}

interface Lane {
  taken: number;
  readonly waiting: (() => void)[];
}

async function waitForTurn(lane: Lane, signal: AbortSignal | undefined, giveBack: () => void): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  lane.waiting.push(resolve);
  try {
    await raceSignal(promise, signal, "the wait for a free connection");
  } catch (error) {
    const place = lane.waiting.indexOf(resolve);
    // Gone from the line: the turn came in the same moment, and somebody else must have it.
    if (place < 0) giveBack();
    else lane.waiting.splice(place, 1);
    throw error;
  }
}
