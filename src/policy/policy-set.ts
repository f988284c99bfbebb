import { createHash } from "node:crypto";
import { canonicalAuthority } from "./authority.ts";
import type { TrustException } from "./exception.ts";
import type { PolicySet, TrustPolicy } from "./policy.ts";
import { type Problem, policyInvalid } from "./problem.ts";
import type { WrittenRoot } from "./root-rules.ts";
import type { ParsedPolicies } from "./rules.ts";

/**
 * Puts the policies of all sources in force together, cluster policies first, then by namespace and name. Throws one
 * `POLICY_INVALID` with every problem there is: all of the policies take effect or none.
 */
export function toPolicySet(parsed: readonly ParsedPolicies[]): PolicySet {
  const policies = parsed.flatMap((source) => source.policies);
  const exceptions = parsed.flatMap((source) => source.exceptions ?? []);
  const problems = [
    ...parsed.flatMap((source) => source.problems),
    ...tooMany([...policies, ...exceptions]),
    ...samePolicies(policies),
    ...sameExceptions(exceptions),
    ...sameRoots(parsed.flatMap((source) => source.roots ?? [])),
  ];
  if (problems.length > 0) throw policyInvalid(problems);
  return inForce(parsed);
}

/** The policies of all sources in the order in which they are told, whatever problems there are beside them. */
export function inForce(parsed: readonly ParsedPolicies[]): PolicySet {
  const policies = parsed.flatMap((source) => source.policies).toSorted((a, b) => compare(nameOf(a), nameOf(b)));
  const exceptions = parsed.flatMap((source) => source.exceptions ?? []).toSorted((a, b) => compare(a.name, b.name));
  const warnings = parsed.flatMap((source) => source.warnings ?? []);
  const tufRoots = parsed.flatMap((source) => (source.roots ?? []).flatMap(({ tuf }) => tuf ?? []));
  return {
    policies,
    ...(exceptions.length === 0 ? {} : { exceptions }),
    ...(warnings.length === 0 ? {} : { warnings }),
    ...(tufRoots.length === 0 ? {} : { tufRoots }),
    revision: revisionOf(policies, exceptions),
  };
}

/**
 * Several sets in force together: an image has to pass the matching policies of all of them, also where two are called the same.
 */
export function mergeSets(sets: readonly PolicySet[]): PolicySet {
  const [only] = sets;
  if (sets.length === 1 && only !== undefined) return only;
  const exceptions = sets.flatMap((set) => set.exceptions ?? []);
  const warnings = sets.flatMap((set) => set.warnings ?? []);
  const tufRoots = sets.flatMap((set) => set.tufRoots ?? []);
  return {
    policies: sets.flatMap((set) => set.policies).toSorted((a, b) => compare(nameOf(a), nameOf(b))),
    ...(exceptions.length === 0 ? {} : { exceptions: exceptions.toSorted((a, b) => compare(a.name, b.name)) }),
    ...(warnings.length === 0 ? {} : { warnings }),
    ...(tufRoots.length === 0 ? {} : { tufRoots }),
    revision: createHash("sha256")
      .update(JSON.stringify(sets.map(({ revision }) => revision)))
      .digest("hex"),
  };
}

/** Each image is held against all of them. */
const maxPolicies = 5000;

function tooMany(items: readonly { readonly source: string }[]): readonly Problem[] {
  const [first] = items.slice(maxPolicies, maxPolicies + 1);
  if (first === undefined) return [];
  const what = "more policies than take effect together";
  return [{ place: first.source, what, expected: `at most ${maxPolicies}`, found: `${items.length}` }];
}

function samePolicies(policies: readonly TrustPolicy[]): readonly Problem[] {
  return sameNames(policies, nameOf, ({ namespace, name, images }) => {
    if (namespace !== undefined) return `TrustPolicy ${name} of ${namespace}`;
    return images[0].speaksOf === "names" ? `ClusterImagePolicy ${name}` : `ClusterTrustPolicy ${name}`;
  });
}

function sameExceptions(exceptions: readonly TrustException[]): readonly Problem[] {
  return sameNames(
    exceptions,
    ({ name }) => name,
    ({ name }) => `TrustException ${name}`,
  );
}

/** Two roots of one name and language would leave it to chance which of them is believed. */
function sameRoots(roots: readonly WrittenRoot[]): readonly Problem[] {
  return sameNames(
    roots.map(({ root: { name }, place, isForeign = false }) => ({ name, isForeign, source: place })),
    ({ name, isForeign }) => `${isForeign} ${name}`,
    ({ name }) => `TrustRoot ${name}`,
  );
}

function sameNames<T extends { readonly source: string }>(
  items: readonly T[],
  keyOf: (item: T) => string,
  describe: (item: T) => string,
): readonly Problem[] {
  const first = new Map<string, T>();
  return items.flatMap((item) => {
    const other = first.get(keyOf(item));
    if (other === undefined) {
      first.set(keyOf(item), item);
      return [];
    }
    const what = `a second ${describe(item)}`;
    return [{ place: item.source, what, expected: "each name once", found: `the first at ${other.source}` }];
  });
}

/** Sorts as (namespace, name): the separator stands before every character of a name. */
function nameOf({ namespace, name }: TrustPolicy): string {
  return `${namespace ?? ""}\n${name}`;
}

/** By code unit, so that the order is the same under every locale. */
function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** A hash over what the policies mean, with the keys themselves: comments, layout and file names do not change it. */
function revisionOf(policies: readonly TrustPolicy[], exceptions: readonly TrustException[]): string {
  const hash = createHash("sha256");
  for (const item of [...policies, ...exceptions]) hash.update(revisionOfOne(item));
  return hash.digest("hex");
}

const revisions = new WeakMap<TrustPolicy | TrustException, Buffer>();

/** Most of a set stays the same when one of it changes. */
function revisionOfOne(item: TrustPolicy | TrustException): Buffer {
  const known = revisions.get(item);
  if (known !== undefined) return known;
  const { source: _, ...rest } = item;
  const content = "authorities" in rest ? { ...rest, authorities: rest.authorities.map(canonicalAuthority) } : rest;
  const kind = "authorities" in rest ? "policy" : "exception";
  const revision = createHash("sha256")
    .update(JSON.stringify([kind, content], sortedKeys))
    .digest();
  revisions.set(item, revision);
  return revision;
}

function sortedKeys(_: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => compare(a, b)));
}
