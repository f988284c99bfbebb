import { setTimeout as sleepFor } from "node:timers/promises";
import { asTrustError, TrustError } from "../errors.ts";
import { retryAfterOf } from "./answers.ts";
import type { Cluster, ClusterObject, ObjectQuery, Resource } from "./cluster.ts";
import { createKnown, type Known } from "./known.ts";

/** Milliseconds. */
export interface FollowTiming {
  /** The pause after the first trouble; doubles up to `maxPause` while trouble goes on. */
  readonly firstPause: number;
  readonly maxPause: number;
  /** Everything is listed again after this at the latest, whatever the watch says. */
  readonly relist: number;
  /** Everything is listed again after a watch told nothing for so long: a server sends a bookmark each minute. */
  readonly silence: number;
  /** Events that come within this time are told together. */
  readonly batch: number;
  /** When a kind that the server does not know is asked for again. */
  readonly unknownKind: number;
  /** How long a kind that had objects must be unknown before they count as gone: a server that starts knows no kinds yet. */
  readonly lostKind: number;
}

export const defaultFollowTiming: FollowTiming = {
  firstPause: 1_000,
  maxPause: 30_000,
  relist: 600_000,
  silence: 180_000,
  batch: 50,
  unknownKind: 30_000,
  lostKind: 60_000,
};

export interface FollowOptions {
  readonly cluster: Cluster;
  readonly resource: Resource;
  readonly query?: Omit<ObjectQuery, "signal"> | undefined;
  /**
   * Told after the first list, however empty, and then whenever an object came, changed or went. Keys are
   * `NAMESPACE/NAME`, or `NAME` for objects of the cluster. The map is the listener's to keep.
   */
  readonly onChange: (objects: ReadonlyMap<string, ClusterObject>) => void;
  /**
   * Told of each trouble; what was known stays known. Of a version that is gone only where that happens again and again:
   * everything is listed then.
   */
  readonly onTrouble: (error: TrustError) => void;
  /** Told whenever the server said something from which follows that what is known is what there is. */
  readonly onSeen?: (() => void) | undefined;
  readonly signal: AbortSignal;
  readonly timing?: Partial<FollowTiming> | undefined;
  /** From 0 up to 1. */
  readonly random?: (() => number) | undefined;
}

export interface Following {
  /** True once the first list is complete and was told; false if the signal came before. Never rejects. */
  readonly ready: Promise<boolean>;
  /** When the signal came, and nothing more will be told. Never rejects. */
  readonly ended: Promise<void>;
}

/**
 * Knows the objects of a kind as they are, until the signal comes: lists them, then watches what changes. A watch that ends
 * goes on from the last version; one whose version is gone, and any trouble after a pause, lists again. What was known
 * stays known meanwhile. A kind that the server does not know has no objects, and is asked for again.
 */
export function follow(options: FollowOptions): Following {
  const { promise: ready, resolve } = Promise.withResolvers<boolean>();
  const { onChange, onTrouble } = options;
  const tell = (error: unknown) => guarded(() => onTrouble(asTrustError(error)));
  const run: Run = {
    ...options,
    query: options.query ?? {},
    onTrouble: tell,
    onSeen: () => guarded(options.onSeen ?? (() => {})),
    timing: { ...defaultFollowTiming, ...options.timing },
    random: options.random ?? Math.random,
    known: createKnown((objects) => {
      guarded(() => onChange(objects), tell);
      resolve(true);
    }),
  };
  const ended = goOn(run).finally(() => resolve(false));
  return { ready, ended };
}

/** A listener that throws must not end what others rely on. */
function guarded(call: () => void, tell: (error: unknown) => void = () => {}): void {
  try {
    call();
  } catch (error) {
    tell(error);
  }
}

interface Run {
  readonly cluster: Cluster;
  readonly resource: Resource;
  readonly query: Omit<ObjectQuery, "signal">;
  readonly onTrouble: (error: unknown) => void;
  readonly onSeen: () => void;
  readonly signal: AbortSignal;
  readonly timing: FollowTiming;
  readonly random: () => number;
  readonly known: Known;
}

async function goOn(run: Run): Promise<void> {
  const { signal, known } = run;
  const pauses = createPauses(run);
  let missingSince: number | undefined;
  while (!signal.aborted) {
    try {
      const list = await run.cluster.list(run.resource, { ...run.query, signal });
      if (signal.aborted) return;
      if (list === undefined) {
        missingSince ??= performance.now();
        await waitForKind(run, performance.now() - missingSince);
        continue;
      }
      missingSince = undefined;
      known.replace(list);
      run.onSeen();
      await watchOn(run, list.resourceVersion);
    } catch (error) {
      if (signal.aborted) return;
      known.flush();
      if (isGone(error) && pauses.mayHurry()) continue;
      run.onTrouble(error);
      await pause(pauses.next(error), signal);
      pauses.over();
    }
  }
}

async function waitForKind({ known, onSeen, signal, timing }: Run, missing: number): Promise<void> {
  if (known.size > 0 && missing < timing.lostKind) {
    await pause(Math.min(timing.firstPause * 2, timing.lostKind - missing), signal);
    return;
  }
  known.replace({ items: [], resourceVersion: "" });
  onSeen();
  await pause(timing.unknownKind, signal);
}

/** Watches until it is time to list again. Throws what the watch throws. */
async function watchOn(run: Run, from: string): Promise<void> {
  const { signal, timing, random } = run;
  const until = performance.now() + timing.relist * (0.8 + 0.2 * random());
  let version = from;
  while (!signal.aborted && performance.now() < until) {
    const began = performance.now();
    const { last, isSilent } = await watchOnce(run, version, until);
    if (isSilent) return;
    const lasted = performance.now() - began;
    if (lasted >= timing.firstPause || performance.now() >= until) {
      version = last ?? version;
      continue;
    }
    if (last === undefined)
      throw new TrustError("CLUSTER_UNREACHABLE", `${run.cluster.server} ends watches at once`, {
        expected: `what changes of ${run.resource.plural}`,
        found: "nothing",
      });
    version = last;
    await pause(timing.firstPause - lasted, signal);
  }
}

/** One watch; gives the last version it told of, and whether it fell silent. */
async function watchOnce({ cluster, resource, query, signal, known, ...run }: Run, from: string, until: number) {
  const watching = new AbortController();
  const stop = () => watching.abort();
  const timer = setTimeout(stop, Math.max(0, until - performance.now()));
  signal.addEventListener("abort", stop, { once: true });
  let last: string | undefined;
  let flushing: NodeJS.Timeout | undefined;
  let isSilent = false;
  const silence = setTimeout(() => {
    isSilent = true;
    stop();
  }, run.timing.silence);
  try {
    for await (const event of cluster.watch(resource, { ...query, resourceVersion: from, signal: watching.signal })) {
      if (watching.signal.aborted) break;
      last = known.apply(event, last ?? from, cluster.server);
      silence.refresh();
      run.onSeen();
      flushing ??= setTimeout(() => {
        flushing = undefined;
        known.flush();
      }, run.timing.batch);
    }
  } catch (error) {
    if (!watching.signal.aborted) throw error;
  } finally {
    clearTimeout(timer);
    clearTimeout(silence);
    clearTimeout(flushing);
    signal.removeEventListener("abort", stop);
    if (!signal.aborted) known.flush();
  }
  return { last, isSilent };
}

function isGone(error: unknown): boolean {
  return error instanceof TrustError && error.code === "CLUSTER_VERSION_GONE";
}

interface Pauses {
  /** Milliseconds to wait after this trouble. */
  next(error: unknown): number;
  /** The pause is over. */
  over(): void;
  /** Whether what went wrong may be tried again at once: not again and again. */
  mayHurry(): boolean;
}

function createPauses({ timing, random }: Run): Pauses {
  const { firstPause, maxPause } = timing;
  let troubles = 0;
  let resumed = Number.NEGATIVE_INFINITY;
  let lastHurry = Number.NEGATIVE_INFINITY;
  return {
    next(error) {
      // A success in between says little: a server may list well and watch badly.
      if (performance.now() - resumed > maxPause) troubles = 0;
      const longest = Math.min(maxPause, firstPause * 2 ** Math.min(troubles++, 30));
      return Math.max(longest * (0.5 + 0.5 * random()), retryAfterOf(error) ?? 0);
    },
    over() {
      resumed = performance.now();
    },
    mayHurry() {
      const now = performance.now();
      const may = now - lastHurry > maxPause;
      lastHurry = now;
      return may;
    },
  };
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleepFor(Math.max(0, ms), undefined, { signal });
  } catch {
    // The signal came, and whoever waited looks at it.
  }
}
