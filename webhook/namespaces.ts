import { LRUCache } from "lru-cache";
import {
  type AwaitedKind,
  type Cluster,
  type ClusterObject,
  follow,
  type PolicyObjectsOptions,
  type Resource,
  type TrustError,
  trimming,
} from "../src/index.ts";
import type { NamespaceLabels } from "./answer.ts";
import { isObject, member } from "./json.ts";

export interface NamespaceOptions {
  readonly cluster: Cluster;
  readonly onTrouble: (kind: string, error: TrustError) => void;
  readonly onSeen: (kind: string) => void;
  readonly signal: AbortSignal;
  readonly timing?: PolicyObjectsOptions["timing"];
}

export interface Namespaces {
  readonly labels: NamespaceLabels;
  /** The kind itself, until all namespaces are known. */
  awaited(): readonly AwaitedKind[];
  /** True when all namespaces are known; false if the signal came before. */
  readonly ready: Promise<boolean>;
}

const resource: Resource = { group: "", version: "v1", plural: "namespaces", kind: "Namespace", namespaced: false };
type Labels = Readonly<Record<string, string>>;

/** How long the answer to a question about one namespace holds, in milliseconds: soon the list has it. */
const remember = 1000;
const maxRemembered = 1000;

/**
 * Knows the labels of all namespaces. One that was made a moment ago is asked for: by all reviews that need it at once, and only
 * until the deadline of each.
 */
export function followNamespaces({ cluster, onTrouble, onSeen, signal, timing }: NamespaceOptions): Namespaces {
  const trimmed = trimming(cluster, labelsAlone);
  let known: ReadonlyMap<string, ClusterObject> | undefined;
  let trouble: TrustError | undefined;
  const { ready } = follow({
    cluster: trimmed,
    resource,
    onChange(namespaces) {
      known = namespaces;
    },
    onTrouble(error) {
      trouble = error;
      onTrouble(resource.kind, error);
    },
    onSeen: () => onSeen(resource.kind),
    signal,
    timing: { maxPause: 10_000, ...timing },
  });
  const ask = async (name: string): Promise<{ readonly labels: Labels | undefined }> => {
    const namespace = await trimmed.get(resource, name, { signal }).catch((error: TrustError) => {
      if (!signal.aborted) onTrouble(resource.kind, error);
      return undefined;
    });
    return { labels: namespace && labelsOf(namespace) };
  };
  const asked = new LRUCache({ max: maxRemembered, ttl: remember, fetchMethod: ask });
  return {
    ready,
    awaited: () => (known === undefined ? [{ kind: resource.kind, trouble }] : []),
    async labels(name, budget) {
      const found = known?.get(name);
      if (found !== undefined) return labelsOf(found);
      const answer = await atMost(asked.fetch(name), budget);
      return answer?.labels;
    },
  };
}

function labelsAlone({ apiVersion, kind, metadata }: ClusterObject): ClusterObject {
  const { name, uid, resourceVersion, ...rest } = metadata;
  return { apiVersion, kind, metadata: { name, uid, resourceVersion, labels: labelsIn(rest["labels"]) } };
}

function labelsOf({ metadata }: ClusterObject): Labels {
  return labelsIn(metadata["labels"]);
}

function labelsIn(labels: unknown): Labels {
  if (!isObject(labels)) return {};
  const entries = Object.keys(labels).map((key) => [key, member(labels, key)] as const);
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => typeof entry[1] === "string"));
}

async function atMost<T>(promise: Promise<T>, milliseconds: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((done) => {
    timer = setTimeout(done, Math.max(0, milliseconds), undefined);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
