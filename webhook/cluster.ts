import {
  type AwaitedKind,
  type Cluster,
  createStatusWriter,
  followPolicyObjects,
  followStoredMarks,
  type HighWaterMarks,
  kindLabel,
  type OpenedRoots,
  type PolicyObjects,
  type PolicyObjectsOptions,
  type PolicySet,
  policyResources,
  TrustError,
} from "../src/index.ts";
import type { NamespaceLabels } from "./answer.ts";
import type { Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import { followNamespaces } from "./namespaces.ts";
import { createObjectLog } from "./object-log.ts";
import { createTroubleLog } from "./trouble-log.ts";

export interface ClusterFollowingOptions extends Pick<PolicyObjectsOptions, "openRoot" | "rootFile" | "timing"> {
  readonly cluster: Cluster;
  /** The ConfigMap that keeps high-water marks; absent: none does. */
  readonly stateMap?: string | undefined;
  /** Told after each change of the policies in force. Must not throw. */
  readonly onChange: (policies: PolicySet) => void;
  readonly metrics: Metrics;
  readonly log: Log;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Ends the start before the cluster was heard. */
  readonly signal?: AbortSignal | undefined;
}

/** What a cluster says of policies and namespaces. */
export interface ClusterFollowing {
  policies(): PolicySet;
  roots(): OpenedRoots;
  readonly namespaceLabels: NamespaceLabels;
  readonly highWaterMarks?: HighWaterMarks | undefined;
  close(): void;
}

/**
 * Follows the policy objects and namespaces of a cluster; resolves when all of them are known, however long that takes, since nothing
 * may be admitted before. Afterwards what is known stays in force while the API server is away. Throws `CLUSTER_UNREACHABLE` only
 * after the signal.
 */
export async function followCluster(options: ClusterFollowingOptions): Promise<ClusterFollowing> {
  const { cluster, metrics, log, now } = options;
  const closing = new AbortController();
  const { signal } = closing;
  const trouble = createTroubleLog(log, now);
  const common = {
    cluster,
    signal,
    onTrouble(kind: string, error: TrustError) {
      metrics.clusterFailed();
      trouble.met(kind, error);
    },
    onSeen(kind: string) {
      metrics.clusterSeen(kind, now());
      trouble.over(kind);
    },
  };
  const writer = createStatusWriter({
    ...{ cluster, now, signal },
    onFailure: ({ code, message, expected, found }, what) =>
      log.warn({ ...what, code, message, expected, found }, "status of a policy object not written"),
  });
  const tellObjects = createObjectLog(log, now);
  const namespaces = followNamespaces({ ...common, timing: options.timing });
  const objects = followPolicyObjects({
    ...common,
    openRoot: options.openRoot,
    rootFile: options.rootFile,
    timing: options.timing,
    onChange(current) {
      count(metrics, current);
      tellObjects(current.objects);
      writer.tell(current.objects);
      options.onChange(current.set);
    },
  });
  const stored = options.stateMap === undefined ? undefined : followMarks(common, options.stateMap);
  const parts = [objects, namespaces, ...(stored === undefined ? [] : [stored])];
  const awaited = () => parts.flatMap((part) => part.awaited());
  const ready = parts.map((part) => part.ready);
  const isReady = await waiting(ready, awaited, log, options.signal, closing);
  const current = (): PolicyObjects => {
    const found = objects.current();
    if (found !== undefined) return found;
    throw new TrustError("INTERNAL", "policies of the cluster are asked for before they are known");
  };
  if (!isReady) throw new TrustError("CLUSTER_UNREACHABLE", "stopped before the cluster was heard");
  return {
    policies: () => current().set,
    roots: objects.roots,
    namespaceLabels: namespaces.labels,
    highWaterMarks: stored?.marks,
    close: () => closing.abort(),
  };
}

interface Common {
  readonly cluster: Cluster;
  readonly signal: AbortSignal;
  onTrouble(kind: string, error: TrustError): void;
  onSeen(kind: string): void;
}

/** Of the marks, what is told of the kinds: whether they are known, and why not. */
function followMarks({ cluster, signal, onTrouble, onSeen }: Common, name: string) {
  const kind = "ConfigMap";
  let isKnown = false;
  let trouble: TrustError | undefined;
  const stored = followStoredMarks({
    ...{ cluster, name, signal, onSeen: () => onSeen(kind) },
    onTrouble(error) {
      trouble = error;
      onTrouble(kind, error);
    },
  });
  void stored.ready.then((ready) => {
    isKnown = ready;
  });
  return { ...stored, awaited: (): readonly AwaitedKind[] => (isKnown ? [] : [{ kind, trouble }]) };
}

const firstWord = 5000;
const nextWords = 60_000;

/** Waits until all is known, and says from time to time what for; false after the signal. */
async function waiting(
  ready: readonly Promise<boolean>[],
  awaited: () => readonly AwaitedKind[],
  log: Log,
  signal: AbortSignal | undefined,
  closing: AbortController,
): Promise<boolean> {
  const stop = () => closing.abort();
  if (signal?.aborted === true) stop();
  signal?.addEventListener("abort", stop, { once: true });
  let timer: NodeJS.Timeout | undefined;
  const say = () => {
    const waitingFor = awaited().map(({ kind, trouble }) =>
      trouble === undefined ? kind : `${kind}: ${trouble.message}`,
    );
    log.warn({ waitingFor }, "not listening yet: the policies of the cluster are not known");
    timer = setTimeout(say, nextWords);
  };
  timer = setTimeout(say, firstWord);
  try {
    const all = await Promise.all(ready);
    return all.every((isReady) => isReady);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
  }
}

function count(metrics: Metrics, { objects }: PolicyObjects): void {
  const kinds = Map.groupBy(objects, ({ resource }) => kindLabel(resource));
  for (const resource of policyResources) {
    const kind = kindLabel(resource);
    const all = kinds.get(kind) ?? [];
    const unusable = all.filter(({ state }) => !state.usable).length;
    metrics.policyObjects(kind, all.length - unusable, unusable);
  }
}
