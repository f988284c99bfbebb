import { isJsonObject, type JsonObject } from "../crypto/json.ts";
import { TrustError } from "../errors.ts";
import { isRootName } from "../trust/stored-root.ts";
import { isForeign } from "./foreign/kinds.ts";
import { createObjectReader, type ObjectReader, type ObjectReading, type ObjectSources } from "./object-reading.ts";
import { type NamedRoot, openingRoots } from "./opening-roots.ts";
import type { PolicySet } from "./policy.ts";
import { inForce } from "./policy-set.ts";
import type { ParsedPolicies } from "./rules.ts";
import { salvagePolicy } from "./salvage.ts";

export type { ObjectSources } from "./object-reading.ts";

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
  /** When it ends, in milliseconds since 1970; absent where it does not. */
  readonly until?: number;
}

export interface ComposedObjects {
  readonly set: PolicySet;
  /** One for each object, in their order. */
  readonly states: readonly ObjectState[];
}

/** Puts the policy objects of a cluster in force, again and again; what did not change is not read anew. Never throws. */
export type ComposeObjects = (objects: readonly JsonObject[]) => Promise<ComposedObjects>;

/** How many objects of a kind take effect together: images are held against all that may speak about them. */
export interface ObjectLimits {
  /** Of each kind of the cluster. */
  readonly cluster: number;
  /** TrustPolicies of one namespace. */
  readonly namespace: number;
  /** Keys, and authorities that are none, in all of those: each signature is held against each key. */
  readonly signers: number;
}

const defaultLimits: ObjectLimits = { cluster: 2000, namespace: 100, signers: 500 };

/**
 * Puts policy objects in force object by object: those that load as they are; of those that do not, a policy refuses what it
 * matches ({@link salvagePolicy}), an exception lets nothing pass, a root is believed by nobody. No object's mistake is another's.
 * Of too many objects the first by name take effect, and the others refuse all that they could be about.
 */
export function createObjectComposer(sources: ObjectSources, limits: ObjectLimits = defaultLimits): ComposeObjects {
  const reader = createObjectReader();
  return async (objects) => {
    const named = markExcess(objects.map(nameObject), limits);
    const readings = new Map<NamedObject, ObjectReading>();
    const read = async (object: NamedObject, from: ObjectSources) =>
      readings.set(object, await readOne(reader, object, from));
    // Roots first: the others name them.
    for (const object of named) if (object.isRoot) await read(object, sources);
    const opening = { ...sources, ...openingRoots(rootsOf(readings), sources.openRoot && onlyNames(sources.openRoot)) };
    for (const object of named) if (!object.isRoot) await read(object, opening);
    reader.sweep();
    return settle(...markCrowded(named, readings, limits.signers));
  };
}

interface NamedObject {
  readonly value: JsonObject;
  readonly name: ObjectName;
  /** Undefined for what no server keeps. */
  readonly version: string | undefined;
  readonly isRoot: boolean;
  /** Why it does not take effect whatever it says: it is beyond the limits, or on its way out. */
  readonly excess?: string;
}

const rootKind = "TrustRoot";
const exceptionKind = "TrustException";

function nameObject(value: JsonObject): NamedObject {
  const { apiVersion, kind } = value;
  const metadata = isJsonObject(value["metadata"]) ? value["metadata"] : {};
  const text = (field: unknown) => (typeof field === "string" ? field : "");
  const { name, namespace, uid, resourceVersion, deletionTimestamp } = metadata;
  // What refuses does so until it is gone; what lets pass was told to go.
  const isLeaving = kind === exceptionKind && typeof deletionTimestamp === "string";
  return {
    value,
    name: {
      apiVersion: text(apiVersion),
      kind: text(kind),
      name: text(name),
      ...(typeof namespace === "string" && namespace !== "" ? { namespace } : {}),
    },
    version: text(resourceVersion) === "" ? undefined : `${text(uid)} ${text(resourceVersion)}`,
    isRoot: kind === rootKind,
    ...(isLeaving ? { excess: "it is being deleted, and lets nothing pass any more" } : {}),
  };
}

/** As kubectl names it: `clustertrustpolicy/production`. */
export function placeOf({ kind, name, namespace }: ObjectName): string {
  const object = `${kind.toLowerCase()}/${name}`;
  return namespace === undefined ? object : `${object} -n ${namespace}`;
}

function markExcess(objects: readonly NamedObject[], limits: ObjectLimits): readonly NamedObject[] {
  const kinds = Map.groupBy(objects, ({ name: { apiVersion, kind, namespace } }) =>
    JSON.stringify([apiVersion, kind, namespace]),
  );
  const beyond = new Map<NamedObject, string>();
  for (const group of kinds.values()) {
    const { namespace, kind } = group[0]?.name ?? { kind: "" };
    const limit = namespace === undefined ? limits.cluster : limits.namespace;
    if (group.length <= limit) continue;
    const where = namespace === undefined ? "" : ` of the namespace ${namespace}`;
    const why = `only ${limit} objects of kind ${kind}${where} take effect, the first by name; there are ${group.length}`;
    for (const object of group.toSorted(byName).slice(limit)) beyond.set(object, why);
  }
  if (beyond.size === 0) return objects;
  return objects.map((object) => {
    const excess = beyond.get(object);
    return excess === undefined ? object : { ...object, excess };
  });
}

/** Those of a namespace that have too many signers together: as many as come first take effect. */
function markCrowded(
  objects: readonly NamedObject[],
  readings: ReadonlyMap<NamedObject, ObjectReading>,
  limit: number,
): [readonly NamedObject[], ReadonlyMap<NamedObject, ObjectReading>] {
  const counts = new Map<string, number>();
  const settled = new Map<NamedObject, ObjectReading>();
  for (const object of objects) {
    const reading = readings.get(object) ?? unread;
    const { namespace } = object.name;
    const own = namespace === undefined ? 0 : signersOf(reading);
    const count = (counts.get(namespace ?? "") ?? 0) + own;
    if (own === 0 || count <= limit) {
      counts.set(namespace ?? "", count);
      settled.set(object, reading);
      continue;
    }
    const why = `the policies of the namespace ${namespace} have more than ${limit} keys and other signers together`;
    settled.set({ ...object, excess: why }, { ...unread, problems: [why] });
  }
  return [[...settled.keys()], settled];
}

function signersOf({ parsed }: ObjectReading): number {
  const authorities = parsed.policies.flatMap((policy) => policy.authorities);
  return authorities.reduce((sum, one) => sum + (one.kind === "key" ? one.keys.length : 1), 0);
}

/** By code unit, so that the order is the same under every locale. */
function byName({ name: { name: a } }: NamedObject, { name: { name: b } }: NamedObject): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

async function readOne(reader: ObjectReader, object: NamedObject, sources: ObjectSources): Promise<ObjectReading> {
  const { excess, value, version, name } = object;
  if (excess !== undefined) return { parsed: { policies: [], problems: [] }, problems: [excess], warnings: [] };
  const place = placeOf(name);
  return reader.read(value, { key: `${name.apiVersion} ${place}`, version, place }, sources);
}

function rootsOf(readings: ReadonlyMap<NamedObject, ObjectReading>): readonly NamedRoot[] {
  return [...readings].map(([{ name, value }, { parsed, problems }]) => ({
    name: name.name,
    isForeign: isForeign(value),
    written: parsed.roots?.[0],
    problem: problems[0],
  }));
}

/** Whoever opens roots may take a name for a path; no object may name a file. */
function onlyNames(openRoot: NonNullable<ObjectSources["openRoot"]>): NonNullable<ObjectSources["openRoot"]> {
  return async (name, tuf) => {
    if (tuf !== undefined || isRootName(name)) return openRoot(name, tuf);
    throw new TrustError("TRUST_ROOT_NOT_FOUND", "there is no such trust root", {
      expected: "public-good, or the name of a TrustRoot",
      found: JSON.stringify(name.slice(0, 100)),
    });
  };
}

async function settle(
  objects: readonly NamedObject[],
  readings: ReadonlyMap<NamedObject, ObjectReading>,
): Promise<ComposedObjects> {
  const parsed: ParsedPolicies[] = [];
  const states: ObjectState[] = [];
  const refusing = new Set<string | undefined>();
  for (const object of objects) {
    const { parsed: own, problems, warnings } = readings.get(object) ?? unread;
    const { name, excess } = object;
    const until = own.exceptions?.[0]?.expires;
    const ends = until === undefined ? {} : { until };
    states.push({ object: name, usable: problems.length === 0, problems, warnings, ...ends });
    parsed.push(own);
    if (problems.length === 0 || object.isRoot || name.kind === exceptionKind) continue;
    // One refusal of everything is as good as a thousand.
    if (excess !== undefined && refusing.has(name.namespace)) continue;
    if (excess !== undefined) refusing.add(name.namespace);
    parsed.push({ policies: [await salvage(object, problems)], problems: [] });
  }
  return { set: inForce(parsed), states };
}

const unread: ObjectReading = {
  parsed: { policies: [], problems: [] },
  problems: ["the object was not read"],
  warnings: [],
};

const maxReason = 500;

function salvage({ value, name, excess }: NamedObject, problems: readonly string[]) {
  const [first = "", ...others] = problems;
  const more = others.length === 0 ? "" : ` (and ${others.length} more)`;
  const object = placeOf(name);
  const reason = `${name.kind} ${name.name} cannot be used as it is: ${first.slice(0, maxReason)}${more}`;
  const unusable = { name: object, reason, expected: "a policy that loads", object };
  // What is beyond the limits is not looked into.
  const looked = excess === undefined ? value : {};
  return salvagePolicy({ value: looked, name: name.name, namespace: name.namespace, unusable });
}
