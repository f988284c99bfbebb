import { setTimeout as sleep } from "node:timers/promises";
import { type Action, eventsMediaType, type RegistryEvent } from "./events.ts";
import { createPoster } from "./post.ts";

/** An endpoint of notifications, in the words of the Docker registry's configuration. Durations in milliseconds. */
export interface NotificationEndpoint {
  readonly name: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, readonly string[]>>;
  /** How long one request may take. */
  readonly timeout: number;
  /** After so many failures in a row, `backoff` is waited before the next try. */
  readonly threshold: number;
  readonly backoff: number;
  readonly ignore: { readonly actions: readonly Action[]; readonly mediaTypes: readonly string[] };
}

/** Sends events, without ever making the request wait that they came from. */
export interface Notifier {
  publish(event: RegistryEvent): void;
  /** Sends what waits, for at most so many milliseconds, then gives up on the rest; gives the number given up. */
  close(withinMs: number): Promise<number>;
}

export interface NotifierOptions {
  readonly endpoints: readonly NotificationEndpoint[];
  readonly warn: (message: string) => void;
  /** Events that wait for one endpoint at most. */
  readonly maxWaiting?: number;
}

const maxBatch = 100;
const firstPauseMs = 100;

/** Every endpoint gets its events in order, each at least once while this process lives and its queue has room. */
export function createNotifier(options: NotifierOptions): Notifier {
  const queues = options.endpoints.map((endpoint) => createQueue(endpoint, options));
  return {
    publish: (event) => queues.forEach((queue) => void queue.add(event)),
    async close(withinMs) {
      const left = await Promise.all(queues.map((queue) => queue.close(withinMs)));
      return left.reduce((sum, count) => sum + count, 0);
    },
  };
}

function createQueue(endpoint: NotificationEndpoint, { warn, maxWaiting = 10_000 }: NotifierOptions) {
  const post = createPoster(endpoint);
  const giveUp = new AbortController();
  const waiting: RegistryEvent[] = [];
  let sending = 0;
  let dropped = 0;
  let worker: Promise<void> | undefined;

  async function work(): Promise<void> {
    for (let failures = 0; waiting.length > 0 && !giveUp.signal.aborted; ) {
      const batch = waiting.slice(0, maxBatch);
      sending = batch.length;
      const problem = await post(eventsMediaType, JSON.stringify({ events: batch }), giveUp.signal);
      if (problem === undefined) {
        if (failures >= endpoint.threshold) warn(`notifications: ${endpoint.name} takes events again`);
        if (dropped > 0) warn(`notifications: ${dropped} events for ${endpoint.name} were dropped`);
        waiting.splice(0, batch.length);
        [failures, sending, dropped] = [0, 0, 0];
      } else {
        failures++;
        if (failures === endpoint.threshold) warn(`notifications: ${endpoint.name} ${problem}; events wait`);
        await pause(failures);
      }
    }
    worker = undefined;
  }

  async function pause(failures: number): Promise<void> {
    const ms =
      failures >= endpoint.threshold ? endpoint.backoff : Math.min(firstPauseMs * 2 ** failures, endpoint.backoff);
    await sleep(ms, undefined, { signal: giveUp.signal, ref: false }).catch(() => undefined);
  }

  /** Somebody can pull as often as they like: pulls make room for changes. The batch on its way is left alone. */
  function makeRoom(event: RegistryEvent): boolean {
    if (waiting.length < maxWaiting) return true;
    if (dropped++ === 0) warn(`notifications: ${endpoint.name} is too slow; events are dropped`);
    if (event.action === "pull") return false;
    const pull = waiting.findIndex(({ action }, index) => action === "pull" && index >= sending);
    const victim = pull < 0 ? sending : pull;
    if (victim >= waiting.length) return false;
    waiting.splice(victim, 1);
    return true;
  }

  return {
    add(event: RegistryEvent): void {
      const { actions, mediaTypes } = endpoint.ignore;
      if (actions.includes(event.action) || mediaTypes.includes(event.target.mediaType ?? "")) return;
      if (giveUp.signal.aborted || !makeRoom(event)) return;
      waiting.push(event);
      worker ??= work();
    },
    async close(withinMs: number): Promise<number> {
      const timer = setTimeout(() => giveUp.abort(), withinMs);
      while (worker !== undefined) await worker;
      clearTimeout(timer);
      giveUp.abort();
      post.close();
      if (waiting.length > 0) warn(`notifications: ${waiting.length} events for ${endpoint.name} were not delivered`);
      return waiting.length;
    },
  };
}
