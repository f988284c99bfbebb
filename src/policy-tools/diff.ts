import { LRUCache } from "lru-cache";
import { type ErrorCategory, errorCodes } from "../errors.ts";
import { mapLimit } from "../oci/parallel.ts";
import { formatReference, formatRepository, type RepositoryName } from "../oci/reference.ts";
import type { Registry } from "../oci/registry.ts";
import type { ObjectContext, PolicySet } from "../policy/policy.ts";
import { defaultSettings, type VerifierSettings } from "../policy/settings.ts";
import type { Outcome, Verdict } from "../policy/verdict.ts";
import { findingsByWeight } from "../policy/verdict-text.ts";
import { createVerifier, type VerifierOptions } from "../verify.ts";
import { foldDiffs } from "./fold-diffs.ts";

/** An image, and the object that names it, where one does. */
export interface DiffSubject {
  readonly image: string;
  /** `Deployment prod/web`. */
  readonly usedBy?: string | undefined;
  readonly object?: ObjectContext | undefined;
  /** Where objects answer for each other, as a Deployment does for its Pods: how this one is told. */
  readonly group?: SubjectGroup | undefined;
}

/** Who answers for an object of a cluster. */
export interface SubjectGroup {
  /** The topmost of its controllers, or the object itself: `Deployment prod/web`. */
  readonly of: string;
  /** The image as that one names it, or the one nearest to it that does. */
  readonly image: string;
  /** How many controllers stand above it. */
  readonly depth: number;
  /** How many objects it stands for, which are alike in all that policies look at. */
  readonly objects: number;
}

/**
 * What a change of policies does to an image: `denied`: it was not denied and will be; `admitted`: the other way round;
 * `changed`: between allowed and warned; `unknown`: one of the verdicts could not be had; `same`.
 */
export type Change = "denied" | "admitted" | "changed" | "unknown" | "same";

/** In the order of what matters: the blast radius first. */
export const changes: readonly Change[] = ["denied", "unknown", "changed", "admitted", "same"];

/** Plain JSON. */
export interface ImageDiff {
  readonly image: string;
  readonly usedBy?: string;
  readonly change: Change;
  readonly old: Verdict;
  readonly new: Verdict;
  /** The first reason of the verdict that is the worse one. */
  readonly code?: keyof typeof errorCodes;
  readonly policy?: string;
}

export interface DiffRequest {
  readonly old: PolicySet;
  readonly new: PolicySet;
  readonly subjects: readonly DiffSubject[];
  readonly registry: Registry;
  readonly noMatch?: VerifierSettings["noMatch"] | undefined;
  readonly signatureRepository?: RepositoryName | undefined;
  /** Milliseconds since 1970; both sets are judged at that time. */
  readonly now: number;
  readonly signal?: AbortSignal | undefined;
  readonly onSubject?: ((image: string) => void) | undefined;
}

const subjectsAtOnce = 8;

/**
 * Judges every image by the old policies and by the new, on the same evidence: what is asked of the registry is asked
 * once. Newly denied images come first, else the order stays; objects that answer for each other are told together where they
 * are judged alike. Never throws for an image.
 */
export async function diffPolicies(request: DiffRequest): Promise<readonly ImageDiff[]> {
  const { subjects, now, noMatch = "deny", signatureRepository, signal } = request;
  const common: Omit<VerifierOptions, "policies"> = {
    registry: rememberReads(request.registry),
    // What is read stands for one moment, however long the reading of all takes.
    settings: { ...defaultSettings, noMatch },
    signatureRepository,
    now: () => now,
  };
  const [before, after] = [request.old, request.new].map((set) => createVerifier({ ...common, policies: () => set }));
  const diffs = await mapLimit(subjects, subjectsAtOnce, async ({ image, usedBy, object }): Promise<ImageDiff> => {
    const asked = { image, object, signal };
    const old = (await before?.verify(asked)) as Verdict;
    const next = (await after?.verify(asked)) as Verdict;
    request.onSubject?.(image);
    const change = changeOf(old, next);
    return {
      image,
      ...(usedBy === undefined ? {} : { usedBy }),
      change,
      old,
      new: next,
      ...reasonOf(change, old, next),
    };
  });
  return foldDiffs(subjects, diffs).toSorted((a, b) => changes.indexOf(a.change) - changes.indexOf(b.change));
}

function changeOf(old: Verdict, next: Verdict): Change {
  if (isUnknown(old) || isUnknown(next)) return "unknown";
  if (old.outcome === next.outcome) return "same";
  if (next.outcome === "deny") return "denied";
  return old.outcome === "deny" ? "admitted" : "changed";
}

/** A denial for want of an answer says nothing about the policies; one by a policy that cannot be judged by is its own. */
function isUnknown(verdict: Verdict): boolean {
  if (verdict.status !== "unavailable") return false;
  return findingsByWeight(verdict).some(
    ({ finding: { code, category } }) => category !== "untrusted" && category !== "usage" && !refusals.has(code),
  );
}

const refusals: ReadonlySet<string> = new Set<keyof typeof errorCodes>(["POLICY_UNUSABLE", "POLICY_NOT_EVALUABLE"]);

const gravity: readonly Outcome[] = ["allow", "warn", "deny"];

function reasonOf(change: Change, old: Verdict, next: Verdict): Pick<ImageDiff, "code" | "policy"> {
  const isNewWorse = gravity.indexOf(next.outcome) >= gravity.indexOf(old.outcome);
  const telling = change === "unknown" && isUnknown(old) ? old : isNewWorse ? next : old;
  const [first] = findingsByWeight(telling);
  if (first === undefined) return {};
  return { code: first.finding.code, ...(first.policy === undefined ? {} : { policy: first.policy }) };
}

/** The categories that decide the exit code; `failOn`: whether nothing, new denials or any change is a no. */
export function diffCategories(
  diffs: readonly ImageDiff[],
  failOn: "denied" | "any" | "never",
): readonly ErrorCategory[] {
  const failing: readonly Change[] = failOn === "any" ? ["denied", "admitted", "changed"] : ["denied"];
  return diffs.flatMap(({ change, code }): readonly ErrorCategory[] => {
    if (change === "unknown") return [code === undefined ? "unavailable" : unknownCategory(errorCodes[code].category)];
    return failOn !== "never" && failing.includes(change) ? ["untrusted"] : [];
  });
}

function unknownCategory(category: ErrorCategory): ErrorCategory {
  return category === "untrusted" || category === "usage" ? "unavailable" : category;
}

const maxRemembered = 256 * 1024 * 1024;

/** The registry, asked once for each thing: what it said first holds for all who ask later. Failures are not remembered. */
function rememberReads(registry: Registry): Registry {
  const known = new LRUCache<string, Promise<unknown>>({ maxSize: maxRemembered });
  const once = <T>(key: string, read: () => Promise<T>, sizeOf: (answer: T) => number): Promise<T> => {
    const before = known.get(key);
    if (before !== undefined) return before as Promise<T>;
    const reading = read();
    known.set(key, reading, { size: 1000 });
    void reading.then(
      (answer) => known.set(key, reading, { size: 1000 + sizeOf(answer) }),
      () => known.delete(key),
    );
    return reading;
  };
  const inside = (name: RepositoryName, ...parts: readonly (string | number)[]) =>
    [formatRepository(name), ...parts].join(" ");
  return {
    ...registry,
    resolve: (ref, options) =>
      once(
        `resolve ${formatReference(ref)}`,
        () => registry.resolve(ref, options),
        () => 0,
      ),
    fetchManifest: (name, reference, options) =>
      once(
        inside(name, "manifest", reference),
        () => registry.fetchManifest(name, reference, options),
        ({ bytes }) => bytes.length,
      ),
    fetchBlob: (name, { digest, ...rest }, maxBytes, options) =>
      once(
        inside(name, "blob", digest, rest.size ?? "", maxBytes),
        () => registry.fetchBlob(name, { digest, ...rest }, maxBytes, options),
        (bytes) => bytes.length,
      ),
    listReferrers: (name, subject, maxPages, options) =>
      once(
        inside(name, "referrers", subject, maxPages),
        () => registry.listReferrers(name, subject, maxPages, options),
        ({ descriptors }) => 500 * descriptors.length,
      ),
  };
}
