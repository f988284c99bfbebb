import type { Cluster, ClusterObject, Resource } from "../cluster/cluster.ts";
import { type FollowTiming, follow } from "../cluster/follow.ts";
import type { TrustError } from "../errors.ts";
import { kindLabel } from "./kinds.ts";

export interface KindListsOptions {
  readonly cluster: Cluster;
  readonly resources: readonly Resource[];
  /** Told after every change once there is a first list of each kind. */
  readonly onChange: () => void;
  /** Kinds are named by {@link kindLabel}. */
  readonly onTrouble: (kind: string, error: TrustError) => void;
  /** Told whenever the server said what there is of a kind. */
  readonly onSeen: (kind: string) => void;
  readonly signal: AbortSignal;
  readonly timing?: Partial<FollowTiming> | undefined;
}

/** An object and its kind. */
export interface ListedObject {
  readonly resource: Resource;
  readonly object: ClusterObject;
}

/** A kind of which nothing is known yet, and what stands against it. */
export interface AwaitedKind {
  readonly kind: string;
  readonly trouble: TrustError | undefined;
}

/** All objects of some kinds, followed until the signal comes. */
export interface KindLists {
  /** By kind in the order given, then by namespace and name. */
  objects(): readonly ListedObject[];
  awaited(): readonly AwaitedKind[];
  /** True when a first list of each kind is complete; false if the signal came before. */
  readonly ready: Promise<boolean>;
}

interface KindState {
  readonly resource: Resource;
  objects: ReadonlyMap<string, ClusterObject> | undefined;
  trouble: TrustError | undefined;
}

export function followKinds({ resources, onChange, onTrouble, onSeen, ...options }: KindListsOptions): KindLists {
  const states = resources.map((resource): KindState => ({ resource, objects: undefined, trouble: undefined }));
  const followings = states.map((state) =>
    follow({
      ...options,
      resource: state.resource,
      onChange(objects) {
        state.objects = objects;
        if (states.every((each) => each.objects !== undefined)) onChange();
      },
      onTrouble(error) {
        state.trouble = error;
        onTrouble(kindLabel(state.resource), error);
      },
      onSeen() {
        state.trouble = undefined;
        onSeen(kindLabel(state.resource));
      },
    }),
  );
  return {
    objects: () => states.flatMap(({ resource, objects }) => inOrder(objects).map((object) => ({ resource, object }))),
    awaited: () =>
      states
        .filter(({ objects }) => objects === undefined)
        .map(({ resource, trouble }) => ({ kind: kindLabel(resource), trouble })),
    ready: Promise.all(followings.map(({ ready }) => ready)).then((all) => all.every((isReady) => isReady)),
  };
}

/** The same objects in the same order, whatever order they came in. */
function inOrder(objects: ReadonlyMap<string, ClusterObject> | undefined): readonly ClusterObject[] {
  const entries = [...(objects ?? new Map<string, ClusterObject>())];
  return entries.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object);
}
