import type { JsonObject } from "../crypto/json.ts";
import type { PolicySources } from "./authority-rules.ts";
import type { PolicySet } from "./policy.ts";

/** What an object is told by. */
export interface ObjectName {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  /** Undefined for objects of the cluster. */
  readonly namespace?: string;
}

/** What became of one policy object. */
export interface ObjectState {
  readonly object: ObjectName;
  /** Whether it is in force as it is written. One that is not refuses what it matches, or, where it would allow, allows nothing. */
  readonly usable: boolean;
  /** Why it is not; one line each. */
  readonly problems: readonly string[];
  /** What takes effect otherwise than its author may think; one line each. */
  readonly warnings: readonly string[];
}

export interface ComposedObjects {
  readonly set: PolicySet;
  /** One for each object, in their order. */
  readonly states: readonly ObjectState[];
}

/** Puts the policy objects of a cluster in force, again and again; what did not change is not read anew. */
export type ComposeObjects = (objects: readonly JsonObject[]) => Promise<ComposedObjects>;

/** Where policies of a cluster get what they name. */
export type ObjectSources = Pick<PolicySources, "openRoot">;
