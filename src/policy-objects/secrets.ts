import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster, ClusterObject } from "../cluster/cluster.ts";
import { type FollowTiming, follow } from "../cluster/follow.ts";
import { TrustError } from "../errors.ts";
import type { ReadSecret } from "../policy/secret-keys.ts";
import { secretResource } from "./kinds.ts";
import { type EntryText, entryOf, type NamedEntry, unusable } from "./secret-entries.ts";
import { trimming } from "./trimmed.ts";

export interface SecretSourceOptions {
  readonly cluster: Cluster;
  /** Told when an entry that was asked for is another, or can be read at last. */
  readonly onChange: () => void;
  readonly onTrouble: (error: TrustError) => void;
  readonly signal: AbortSignal;
  readonly timing?: Partial<FollowTiming> | undefined;
  readonly limits?: SecretLimits;
  /** Milliseconds that one round of questions waits for answers in all. */
  readonly patience?: number;
}

/** How many entries are followed at once: each costs a connection. */
export interface SecretLimits {
  /** For the policies of one namespace. */
  readonly namespace: number;
  /** For those of all namespaces together, and as many for the policies of the cluster. */
  readonly total: number;
}

/** Entries of Secrets, each followed for as long as it is asked for. */
export interface SecretSource {
  readonly readSecret: ReadSecret;
  /** Begins a round: all that is in use is asked for in it. */
  begin(): void;
  /** Ends it, and lets go what was not asked for. */
  end(): void;
}

const defaultLimits: SecretLimits = { namespace: 20, total: 200 };

interface Followed {
  readonly named: NamedEntry;
  /** The namespace whose policies ask for it. */
  readonly asker: string | undefined;
  readonly closing: AbortController;
  /** When something is known of it: what it says, or why that cannot be had. */
  readonly first: Promise<void>;
  value?: EntryText;
  trouble?: TrustError;
  /** What was last answered; undefined before the first answer. */
  told?: string;
}

/**
 * Reads entries of Secrets and knows when they change. What was read once stays in force while the API server is away; nothing of a
 * Secret but the entry is kept.
 */
export function createSecretSource(options: SecretSourceOptions): SecretSource {
  const { cluster, limits = defaultLimits, patience = 5000 } = options;
  const followed = new Map<string, Followed>();
  const asked = new Set<string>();
  let waitUntil = performance.now() + patience;
  const letGo = (key: string) => {
    followed.get(key)?.closing.abort();
    followed.delete(key);
  };
  const followedOne = (named: NamedEntry, asker: string | undefined, key: string): Followed => {
    const known = followed.get(key);
    if (known !== undefined) return known;
    const inTheWay = checkRoom(named, asker, followed, limits);
    if (inTheWay !== undefined) {
      letGo(inTheWay);
      // Whose entry that was is told in another round.
      options.onChange();
    }
    const started = start(options, named, asker);
    followed.set(key, started);
    return started;
  };
  return {
    async readSecret({ name, namespace = cluster.namespace, entry, asker }) {
      const named = { namespace, name, entry };
      const key = JSON.stringify([asker ?? "", namespace, name, entry]);
      asked.add(key);
      const secret = followedOne(named, asker, key);
      if (secret.value === undefined) await atMost(secret.first, waitUntil - performance.now());
      secret.told = meaning(secret.value);
      if (secret.value === undefined) throw unreadable(named, secret.trouble);
      if ("error" in secret.value) throw secret.value.error;
      return secret.value.text;
    },
    begin() {
      asked.clear();
      waitUntil = performance.now() + patience;
    },
    end() {
      for (const key of followed.keys()) if (!asked.has(key)) letGo(key);
    },
  };
}

/**
 * Makes sure that there is room. What the policies of namespaces share is shared evenly: where it is full, the namespace that has most
 * of it gives one to another that has clearly less; gives its key. Throws `SECRET_UNUSABLE` where there is none.
 */
function checkRoom(
  named: NamedEntry,
  asker: string | undefined,
  followed: ReadonlyMap<string, Followed>,
  limits: SecretLimits,
): string | undefined {
  const rivals = [...followed].filter(([, other]) => (other.asker === undefined) === (asker === undefined));
  const shares = Map.groupBy(rivals, ([, other]) => other.asker);
  const own = shares.get(asker)?.length ?? 0;
  const here = asker === undefined ? limits.total : limits.namespace;
  if (rivals.length < limits.total && own < here) return undefined;
  const largest = [...shares.values()].reduce((most, share) => (share.length > most.length ? share : most), []);
  if (own < here && own + 1 < largest.length) return largest.at(-1)?.[0];
  const expected = `at most ${here} entries for the policies of a namespace and ${limits.total} in all`;
  throw unusable(named, "is not read, as policies name too many", expected);
}

function start(
  { onChange, onTrouble, ...options }: SecretSourceOptions,
  named: NamedEntry,
  asker: string | undefined,
): Followed {
  const { namespace, name } = named;
  const closing = new AbortController();
  const { promise: first, resolve } = Promise.withResolvers<void>();
  const state: Followed = { named, asker, closing, first };
  const texts = new WeakMap<ClusterObject, EntryText>();
  const cluster = trimming(options.cluster, (secret) => {
    const trimmed = withoutData(secret);
    texts.set(trimmed, entryOf(named, secret));
    return trimmed;
  });
  follow({
    cluster,
    resource: secretResource,
    query: { namespace, fieldSelector: `metadata.name=${name}` },
    onChange(secrets) {
      const secret = secrets.get(`${namespace}/${name}`);
      state.value = (secret && texts.get(secret)) ?? entryOf(named, undefined);
      delete state.trouble;
      resolve();
      if (state.told !== undefined && state.told !== meaning(state.value)) onChange();
    },
    onTrouble(error) {
      state.trouble = error;
      resolve();
      onTrouble(error);
    },
    signal: AbortSignal.any([options.signal, closing.signal]),
    timing: options.timing,
  });
  return state;
}

function withoutData({ apiVersion, kind, metadata }: ClusterObject): ClusterObject {
  const { name, namespace, uid, resourceVersion } = metadata;
  return {
    apiVersion,
    kind,
    metadata: { name, uid, resourceVersion, ...(namespace === undefined ? {} : { namespace }) },
  };
}

function meaning(value: EntryText | undefined): string {
  if (value === undefined) return "unknown";
  return "text" in value ? `text ${value.text}` : `error ${value.error.message} ${value.error.expected}`;
}

async function atMost(done: Promise<void>, ms: number): Promise<void> {
  const timer = new AbortController();
  await Promise.race([done, sleep(Math.max(0, ms), undefined, { signal: timer.signal }).catch(() => undefined)]);
  timer.abort();
}

function unreadable({ namespace, name }: NamedEntry, trouble: TrustError | undefined): TrustError {
  const what = `the Secret ${namespace}/${name} cannot be read`;
  if (trouble === undefined)
    return new TrustError("CLUSTER_UNREACHABLE", `${what} yet`, { expected: "an answer of the API server" });
  const { code, message, expected, found, hint } = trouble;
  return new TrustError(code, `${what}: ${message}`, { expected, found, hint, cause: trouble });
}
