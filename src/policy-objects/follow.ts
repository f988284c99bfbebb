import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster } from "../cluster/cluster.ts";
import type { FollowTiming } from "../cluster/follow.ts";
import type { JsonObject } from "../crypto/json.ts";
import { asTrustError, type TrustError } from "../errors.ts";
import type { OpenedRoots } from "../policy/load.ts";
import { createObjectComposer } from "../policy/objects.ts";
import type { PolicySet } from "../policy/policy.ts";
import { boundingObjects } from "./bounded.ts";
import { type AwaitedKind, followKinds, type ListedObject } from "./kind-lists.ts";
import { policyResources, secretResource } from "./kinds.ts";
import { createRootSource, type OpenRoot, type RootFile } from "./roots.ts";
import { createSecretSource } from "./secrets.ts";
import { atServedVersions } from "./served.ts";
import type { StatedObject } from "./status.ts";

export interface PolicyObjectsOptions {
  readonly cluster: Cluster;
  /** Opens trust roots that no object writes out, by name; never asked for what could be a path. */
  readonly openRoot?: OpenRoot | undefined;
  /** The file in which such a root is kept; followed as well. */
  readonly rootFile?: RootFile | undefined;
  /** Told of the policies in force, first and after each change of an object, be it of its status. Must not throw. */
  readonly onChange: (now: PolicyObjects) => void;
  /** Told of each failure to list or watch a kind, or a Secret; what was known stays in force. Must not throw. */
  readonly onTrouble: (kind: string, error: TrustError) => void;
  /** Told whenever the server said what there is of a kind. Must not throw. */
  readonly onSeen: (kind: string) => void;
  readonly signal: AbortSignal;
  readonly timing?: Partial<PolicyObjectsTiming> | undefined;
}

/** Milliseconds. */
export interface PolicyObjectsTiming extends FollowTiming {
  /** From a change to what it means: others may come with it. */
  readonly settle: number;
  /** Between two looks at the files of roots. */
  readonly rootFiles: number;
}

/** What is in force at a time. */
export interface PolicyObjects {
  readonly set: PolicySet;
  /** Each object as it was last seen, and what became of it. */
  readonly objects: readonly StatedObject[];
}

export interface PolicyObjectsWatch {
  /** What is in force; undefined until `ready`. */
  current(): PolicyObjects | undefined;
  /** The trust roots that are in use, beside those that objects write out. */
  roots(): OpenedRoots;
  /** The kinds of which nothing is known yet. */
  awaited(): readonly AwaitedKind[];
  /** True once every kind was listed and is in force; false if the signal came before. Never rejects. */
  readonly ready: Promise<boolean>;
}

/** A server that is back, and kinds that were just made known to it, are asked soon. */
const defaultTiming = { maxPause: 10_000, unknownKind: 10_000, settle: 50, rootFiles: 1000 };

/**
 * Keeps the policy objects of a cluster in force, object by object, until the signal comes: each change of an object, of a Secret that
 * one names and of a trust root takes effect, and while the API server is away all stays as it was.
 */
export function followPolicyObjects(options: PolicyObjectsOptions): PolicyObjectsWatch {
  const { signal, onTrouble } = options;
  const { settle, rootFiles, ...timing } = { ...defaultTiming, ...options.timing };
  const cluster = atServedVersions(options.cluster);
  const first = Promise.withResolvers<boolean>();
  signal.addEventListener("abort", () => first.resolve(false), { once: true });
  if (signal.aborted) first.resolve(false);
  const rounds = createRounds(
    () => compose(),
    (error) => onTrouble("policies", error),
    settle,
    signal,
  );
  const secrets = createSecretSource({
    cluster: options.cluster,
    onChange: () => rounds.ask(),
    onTrouble: (error) => onTrouble(secretResource.kind, error),
    signal,
    timing,
  });
  const roots = createRootSource(options.openRoot, options.rootFile);
  const composer = createObjectComposer({ openRoot: roots.openRoot, readSecret: secrets.readSecret });
  const lists = followKinds({
    ...options,
    cluster: boundingObjects(cluster),
    resources: policyResources,
    timing,
    onChange: () => rounds.ask(),
  });
  let current: PolicyObjects | undefined;
  const compose = async () => {
    const listed = lists.objects();
    secrets.begin();
    const { set, states } = await composer(listed.map(({ object }) => asWritten(object)));
    secrets.end();
    roots.sweep();
    if (signal.aborted) return;
    current = {
      set: sameSet(current?.set, set),
      objects: listed.flatMap((each, index) => withState(each, states[index])),
    };
    options.onChange(current);
    first.resolve(true);
  };
  void lookAtRoots(roots.hasChanged, rounds.ask, rootFiles, signal);
  return { current: () => current, roots: roots.inUse, awaited: lists.awaited, ready: first.promise };
}

/**
 * Runs what is asked for, one at a time, and once for all that is asked within the time it settles; with pauses so long that nobody who
 * changes objects again and again takes most of the time from the decisions.
 */
function createRounds(
  run: () => Promise<void>,
  onError: (error: TrustError) => void,
  settle: number,
  signal: AbortSignal,
): { ask(): void } {
  let isAsked = false;
  let isRunning = false;
  let lasted = 0;
  const goOn = async () => {
    isRunning = true;
    while (isAsked && !signal.aborted) {
      await sleep(Math.max(settle, lasted * pausesPerRun), undefined, { signal }).catch(() => undefined);
      isAsked = false;
      const began = performance.now();
      if (signal.aborted) break;
      try {
        await run();
        lasted = Math.min(performance.now() - began, longestRun);
      } catch (error) {
        // What is in force stays so; a bug must not leave it so for ever.
        onError(asTrustError(error));
        isAsked = true;
        lasted = longestRun;
      }
    }
    isRunning = false;
  };
  return {
    ask() {
      isAsked = true;
      if (!isRunning) void goOn();
    },
  };
}

const pausesPerRun = 3;
/** A run that took longer waited for answers. */
const longestRun = 300;

async function lookAtRoots(
  hasChanged: () => Promise<boolean>,
  onChange: () => void,
  interval: number,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await sleep(interval, undefined, { signal, ref: false }).catch(() => undefined);
    if (!signal.aborted && (await hasChanged())) onChange();
  }
}

/**
 * An object without what is not its author's. Its version is that of what the author wrote, so that a status which is written to it
 * does not have it read again; but whether all of that was kept is part of it.
 */
function asWritten({ metadata, status: _, ...rest }: ListedObject["object"]): JsonObject {
  const { name, namespace, uid, generation, resourceVersion, deletionTimestamp } = metadata;
  const version = `${typeof rest["spec"]} ${generation === undefined ? resourceVersion : `generation ${generation}`}`;
  const scope = namespace === undefined ? {} : { namespace };
  return { ...rest, metadata: { name, ...scope, uid, resourceVersion: version, deletionTimestamp } };
}

/** The one before where nothing of it is another: what is known of a set hangs on it. */
function sameSet(before: PolicySet | undefined, after: PolicySet): PolicySet {
  if (before?.revision !== after.revision) return after;
  const [old, now] = [before, after].map(({ policies, exceptions = [] }) => [...policies, ...exceptions]);
  return old?.length === now?.length && old?.every((item, index) => item === now?.[index]) ? before : after;
}

function withState({ resource, object }: ListedObject, state: StatedObject["state"] | undefined): StatedObject[] {
  return state === undefined ? [] : [{ resource, object, state }];
}
