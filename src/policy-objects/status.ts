import type { Cluster, ClusterObject, Resource } from "../cluster/cluster.ts";
import type { JsonObject } from "../crypto/json.ts";
import { asTrustError, type TrustError } from "../errors.ts";
import type { ObjectState } from "../policy/objects.ts";
import { isManagedByOthers, type ReadyCondition, readyCondition, statusToWrite } from "./conditions.ts";
import { isForeignResource, kindLabel } from "./kinds.ts";

/** An object as it was last seen, and what became of it. */
export interface StatedObject {
  readonly resource: Resource;
  readonly object: ClusterObject;
  readonly state: ObjectState;
}

export interface StatusWriterOptions {
  readonly cluster: Cluster;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Told once for each object whose status cannot be written, and once for each kind whose status may not. Must not throw. */
  readonly onFailure: (error: TrustError, what: { readonly kind: string; readonly name?: string }) => void;
  readonly signal: AbortSignal;
  /** Milliseconds until the first repetition of what failed, or was undone; doubled each time. */
  readonly retryAfter?: number;
  /** Milliseconds between two writes to one object, however often it changes. */
  readonly pause?: number;
}

export interface StatusWriter {
  /** All objects that there are. What of them does not say so yet is written in the background. */
  tell(objects: readonly StatedObject[]): void;
}

const maxAtOnce = 4;
const longestWait = 30 * 60_000;

interface Task {
  readonly resource: Resource;
  readonly object: ClusterObject;
  readonly state: ObjectState;
}

/** What was tried for an object. */
interface History {
  /** What was last written, or tried. */
  readonly wish: string;
  readonly tries: number;
  readonly at: number;
  /** The same not again before this moment. */
  readonly notBefore: number;
  readonly isTold: boolean;
}

/**
 * Writes the condition `Ready` into the status of policy objects. Only what differs is written, so that any number of replicas may
 * do the same; one that finds its words replaced says them again after ever longer times. Nothing waits for it, and nothing it
 * meets is thrown.
 */
export function createStatusWriter(options: StatusWriterOptions): StatusWriter {
  const { now, signal, retryAfter = 5000, pause = 1000 } = options;
  const waiting = new Map<string, Task>();
  const history = new Map<string, History>();
  const running = new Set<string>();
  const refused = new Map<string, number>();
  let timer: NodeJS.Timeout | undefined;
  signal.addEventListener("abort", () => clearTimeout(timer), { once: true });

  const run = async (key: string, task: Task, ready: ReadyCondition, status: JsonObject) => {
    running.add(key);
    const wish = JSON.stringify([task.object.metadata.generation, ready]);
    const before = history.get(key);
    const tries = before?.wish === wish ? before.tries + 1 : 1;
    const wait = Math.min(retryAfter * 2 ** Math.min(tries - 1, 20), longestWait);
    const error = await write(options, task, status);
    const isTold = before?.isTold === true || error !== undefined;
    if (error?.code === "CLUSTER_ACCESS_DENIED") {
      if (!refused.has(kindLabel(task.resource))) options.onFailure(error, { kind: kindLabel(task.resource) });
      refused.set(kindLabel(task.resource), now() + longestWait);
    } else if (error !== undefined && before?.isTold !== true && !signal.aborted)
      options.onFailure(error, { kind: kindLabel(task.resource), name: nameOf(task.object) });
    if (history.has(key) || waiting.has(key))
      history.set(key, { wish, tries, at: now(), notBefore: now() + wait, isTold });
    // What was written comes back with the next list of objects.
    if (error === undefined && waiting.get(key) === task) waiting.delete(key);
    running.delete(key);
    pump();
  };

  const dueAt = (key: string, { resource, object }: Task, ready: ReadyCondition): number => {
    const tried = history.get(key);
    const isSame = tried?.wish === JSON.stringify([object.metadata.generation, ready]);
    const due = isSame ? tried.notBefore : (tried?.at ?? Number.NEGATIVE_INFINITY) + pause;
    return Math.max(due, refused.get(kindLabel(resource)) ?? 0);
  };

  /** When there is something to do for an object, having begun it where that is now; nothing where there is not. */
  const attend = (key: string, task: Task): number | undefined => {
    const ready = readyCondition(task.state, now());
    const status = statusToWrite(task.object, ready, now());
    const { until = Number.NEGATIVE_INFINITY } = task.state;
    if (status === undefined) return until > now() ? until : undefined;
    const due = dueAt(key, task, ready);
    if (due <= now()) void run(key, task, ready, status);
    return due;
  };

  const pump = () => {
    clearTimeout(timer);
    if (signal.aborted) return;
    let next = Number.POSITIVE_INFINITY;
    for (const [key, task] of waiting) {
      if (running.size >= maxAtOnce) return;
      if (running.has(key)) continue;
      const due = attend(key, task);
      if (due === undefined) waiting.delete(key);
      else if (!running.has(key)) next = Math.min(next, due);
    }
    if (next < Number.POSITIVE_INFINITY) timer = setTimeout(pump, Math.min(next - now(), longestWait)).unref();
  };

  return {
    tell(objects) {
      waiting.clear();
      const seen = new Set<string>();
      for (const { resource, object, state } of objects) {
        const key = object.metadata.uid;
        seen.add(key);
        if (isForeignResource(resource) && isManagedByOthers(object)) continue;
        waiting.set(key, { resource, object, state });
      }
      for (const key of history.keys()) if (!seen.has(key)) history.delete(key);
      pump();
    },
  };
}

async function write(
  { cluster, signal }: StatusWriterOptions,
  { resource, object }: Task,
  status: JsonObject,
): Promise<TrustError | undefined> {
  try {
    // In the version in which it was read: another one may need a conversion that does not run.
    const [version = resource.version] = object.apiVersion.split("/").slice(-1);
    await cluster.mergeStatus({ ...resource, version }, object, status, signal);
    return undefined;
  } catch (error) {
    return asTrustError(error);
  }
}

function nameOf({ metadata: { namespace, name } }: ClusterObject): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}
