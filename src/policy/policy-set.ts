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
  const sorted = policies.toSorted((a, b) => compare(nameOf(a), nameOf(b)));
  const warnings = parsed.flatMap((source) => source.warnings ?? []);
  const tufRoots = parsed.flatMap((source) => (source.roots ?? []).flatMap(({ tuf }) => tuf ?? []));
  const told = {
    ...(warnings.length === 0 ? {} : { warnings }),
    ...(tufRoots.length === 0 ? {} : { tufRoots }),
  };
  if (exceptions.length === 0) return { policies: sorted, ...told, revision: revisionOf(sorted, []) };
  const inOrder = exceptions.toSorted((a, b) => compare(a.name, b.name));
  return { policies: sorted, exceptions: inOrder, ...told, revision: revisionOf(sorted, inOrder) };
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

/** Two roots of one name would leave it to chance which of them is believed. */
function sameRoots(roots: readonly WrittenRoot[]): readonly Problem[] {
  return sameNames(
    roots.map(({ root: { name }, place }) => ({ name, source: place })),
    ({ name }) => name,
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
  const content = policies.map(({ source: _, authorities, ...rest }) => ({
    ...rest,
    authorities: authorities.map(canonicalAuthority),
  }));
  const all = exceptions.length === 0 ? content : [...content, ...exceptions.map(({ source: _, ...rest }) => rest)];
  return createHash("sha256").update(JSON.stringify(all, sortedKeys)).digest("hex");
}

function sortedKeys(_: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => compare(a, b)));
}
