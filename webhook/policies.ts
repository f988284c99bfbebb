import {
  type Cluster,
  type HighWaterMarks,
  mergeSets,
  type OpenedRoots,
  type PolicySet,
  type PolicyWatch,
  type PolicyWatchOptions,
  watchPolicies,
} from "../src/index.ts";
import type { NamespaceLabels } from "./answer.ts";
import { followCluster } from "./cluster.ts";
import type { Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";

export interface PolicyOptions {
  /** Files and folders; none where the policies are in the cluster alone. */
  readonly paths: readonly string[];
  /** Relative paths start here. */
  readonly cwd: string;
  /** Whose policy objects and namespaces count. */
  readonly cluster?: Cluster | undefined;
  /** The ConfigMap of the cluster that keeps high-water marks. */
  readonly stateMap?: string | undefined;
  /** Opens trust roots that no policy writes out, by name. */
  readonly openRoot?: PolicyWatchOptions["openRoot"];
  readonly rootFile?: PolicyWatchOptions["rootFile"];
  readonly metrics: Metrics;
  readonly log: Log;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Ends a start that waits for the cluster. */
  readonly signal?: AbortSignal | undefined;
}

/** The policies in force, of files and of the cluster together. */
export interface PoliciesInForce {
  current(): PolicySet;
  /** The trust roots that they name. */
  roots(): OpenedRoots;
  /** Absent where no cluster is followed. */
  readonly namespaceLabels?: NamespaceLabels | undefined;
  /** Absent where the cluster keeps none. */
  readonly highWaterMarks?: HighWaterMarks | undefined;
  close(): void;
}

/**
 * Loads the policies and follows them. Files: a changed set takes effect whole, and where it does not load, the last good one stays in
 * force. Cluster: object by object. Resolves when all of it is known. Throws `POLICY_INVALID`, `POLICY_NOT_FOUND` where the first files
 * do not load, and what {@link followCluster} throws.
 */
export async function followPolicies(options: PolicyOptions): Promise<PoliciesInForce> {
  const { metrics, log, now } = options;
  const parts: (() => PolicySet)[] = [];
  const current = createMerger(parts);
  const changed = (set: PolicySet) => {
    const { policies, revision } = current();
    metrics.policiesLoaded(policies.length, now());
    log.info({ policies: policies.length, revision }, "policies changed");
    tellWarnings(log, set);
  };
  const files = options.paths.length === 0 ? undefined : await followFiles(options, changed);
  if (files !== undefined) parts.push(files.current);
  const objects = await followObjects(options, changed).catch((error: unknown) => {
    files?.close();
    throw error;
  });
  if (objects !== undefined) parts.push(objects.policies);
  metrics.policiesLoaded(current().policies.length, now());
  if (files !== undefined) tellWarnings(log, files.current());
  return {
    current,
    roots: () => new Map([...(files?.roots() ?? []), ...(objects?.roots() ?? [])]),
    namespaceLabels: objects?.namespaceLabels,
    highWaterMarks: objects?.highWaterMarks,
    close() {
      files?.close();
      objects?.close();
    },
  };
}

function followFiles(
  { metrics, log, paths, cwd, openRoot, rootFile }: PolicyOptions,
  onChange: (set: PolicySet) => void,
): Promise<PolicyWatch> {
  return watchPolicies({
    ...{ paths, cwd, openRoot, rootFile, onChange },
    onError({ code, message, expected, found }) {
      metrics.policiesFailed();
      log.error({ code, message, expected, found }, "changed policies do not load; the last good ones stay in force");
    },
  });
}

async function followObjects(options: PolicyOptions, onChange: (set: PolicySet) => void) {
  const { cluster } = options;
  if (cluster === undefined) return undefined;
  let revision: string | undefined;
  let isFirst = true;
  return followCluster({
    ...options,
    cluster,
    onChange(set) {
      const isSame = set.revision === revision;
      revision = set.revision;
      // Warnings of objects are told with the object.
      if (!isFirst && !isSame) onChange({ ...set, warnings: [] });
      isFirst = false;
    },
  });
}

/** The parts put together, anew only when one of them is another: what is known of a set hangs on it. */
function createMerger(parts: readonly (() => PolicySet)[]): () => PolicySet {
  let merged: { readonly of: readonly PolicySet[]; readonly set: PolicySet } | undefined;
  return () => {
    const sets = parts.map((part) => part());
    const known = merged;
    if (known?.of.length === sets.length && sets.every((set, index) => set === known.of[index])) return known.set;
    merged = { of: sets, set: mergeSets(sets) };
    return merged.set;
  };
}

const maxTold = 50;

/** What took effect otherwise than its author may think: policies of others that ask for what is not judged here. */
function tellWarnings(log: Log, { warnings = [] }: PolicySet): void {
  for (const { place, what, expected } of warnings.slice(0, maxTold))
    log.warn({ place, what, expected }, "policy warning");
}
