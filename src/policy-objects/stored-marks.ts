import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster, ClusterObject, Resource } from "../cluster/cluster.ts";
import { type FollowTiming, follow } from "../cluster/follow.ts";
import { isJsonObject } from "../crypto/json.ts";
import { asTrustError, TrustError } from "../errors.ts";
import { createMarks, type HighWaterMarks } from "../policy/marks.ts";
import { formatMarks, parseMarks } from "../policy/marks-text.ts";

export interface StoredMarksOptions {
  readonly cluster: Cluster;
  /** Of the ConfigMap, in the namespace of the program; made with the first mark. */
  readonly name: string;
  /** Told of what could not be read or saved; it is tried again. Must not throw. */
  readonly onTrouble: (error: TrustError) => void;
  /** Told of each sign of life of the API server. */
  readonly onSeen?: (() => void) | undefined;
  readonly signal: AbortSignal;
  readonly timing?: Partial<StoredMarksTiming> | undefined;
}

export interface StoredMarks {
  readonly marks: HighWaterMarks;
  /** True once all that is stored is known: nothing should be decided before. False after the signal. Never rejects. */
  readonly ready: Promise<boolean>;
}

/** Milliseconds. */
export interface StoredMarksTiming extends FollowTiming {
  /** Marks that are raised within this time are saved together. */
  readonly gather: number;
}

export const configMapResource: Resource = {
  group: "",
  version: "v1",
  plural: "configmaps",
  kind: "ConfigMap",
  namespaced: true,
};

const entry = "marks.json";
/** etcd takes a little over 1 MiB; the rest of the object needs room too. */
const maxBytes = 900 * 1024;
const defaultGather = 200;
const maxPause = 30_000;

/**
 * High-water marks that all replicas share, in a ConfigMap: followed, and saved as they are raised. What others saved
 * meanwhile stays, and a mark is never lowered. What cannot be saved is kept in memory and tried again. Something else in
 * their place is trouble (`CONFIG_INVALID`), is not written over, and keeps a start from being ready: to forget what was seen
 * would let an older image pass.
 */
export function followStoredMarks(options: StoredMarksOptions): StoredMarks {
  const { cluster, name, signal, onTrouble } = options;
  const known = createMarks();
  const save = createSaver(options);
  const { promise: ready, resolve } = Promise.withResolvers<boolean>();
  const { ended } = follow({
    ...options,
    resource: configMapResource,
    query: { namespace: cluster.namespace, fieldSelector: `metadata.name=${name}` },
    onChange(objects) {
      try {
        for (const [key, created] of [...objects.values()].flatMap(marksIn)) known.raise(key, created);
        resolve(true);
      } catch (error) {
        onTrouble(asTrustError(error));
      }
    },
  });
  void ended.then(() => resolve(false));
  if (signal.aborted) resolve(false);
  return {
    ready,
    marks: {
      get: known.get,
      raise(key, created) {
        const old = known.get(key);
        if (old !== undefined && old >= created) return;
        known.raise(key, created);
        save(key, created);
      },
    },
  };
}

function marksIn(object: ClusterObject): ReturnType<typeof parseMarks> {
  const data = isJsonObject(object["data"]) ? object["data"] : {};
  const text = data[entry];
  const { name, namespace } = object.metadata;
  return text === undefined ? [] : parseMarks(String(text), `the ConfigMap ${namespace}/${name}`);
}

/** Saves marks one write at a time, those that come meanwhile with the next. */
function createSaver(options: StoredMarksOptions): (key: string, created: number) => void {
  const { signal, onTrouble, timing } = options;
  const waiting = new Map<string, number>();
  let saving = false;
  const run = async () => {
    let pause = timing?.gather ?? defaultGather;
    while (waiting.size > 0 && !signal.aborted) {
      await sleep(pause, undefined, { signal, ref: false }).catch(() => undefined);
      const learnt = new Map(waiting);
      try {
        await saveAll(options, learnt);
        for (const [key, created] of learnt) if (waiting.get(key) === created) waiting.delete(key);
        pause = timing?.gather ?? defaultGather;
      } catch (error) {
        if (!signal.aborted) onTrouble(asTrustError(error));
        pause = Math.min(maxPause, Math.max(1000, pause * 2));
      }
    }
    saving = false;
  };
  return (key, created) => {
    waiting.set(key, created);
    if (saving) return;
    saving = true;
    void run();
  };
}

const maxAttempts = 20;

/** Reads, merges and writes until nobody else wrote in between. */
async function saveAll(
  { cluster, name, signal }: StoredMarksOptions,
  learnt: ReadonlyMap<string, number>,
): Promise<void> {
  const { namespace } = cluster;
  for (let attempt = 0; attempt < maxAttempts && !signal.aborted; attempt++) {
    const before = await cluster.get(configMapResource, name, { namespace, signal });
    const merged = new Map(before === undefined ? [] : marksIn(before));
    const news = [...learnt].filter(([key, created]) => (merged.get(key) ?? Number.NEGATIVE_INFINITY) < created);
    if (news.length === 0) return;
    for (const [key, created] of news) merged.set(key, created);
    const data = {
      ...(isJsonObject(before?.["data"]) ? before["data"] : {}),
      [entry]: formatMarks(merged, { maxBytes }),
    };
    const metadata = before?.metadata ?? { name, namespace };
    const object = { ...(before ?? { apiVersion: "v1", kind: "ConfigMap" }), metadata, data };
    if ((await cluster.store(configMapResource, object, signal)) !== undefined) return;
    await sleep(10 + attempt * 20 * Math.random(), undefined, { ref: false });
  }
  throw new TrustError("UPDATE_CONFLICT", `the ConfigMap ${namespace}/${name} keeps being changed`, {
    expected: "a moment in which nobody else writes",
    found: `${maxAttempts} changes by others`,
  });
}
