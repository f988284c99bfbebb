import type { JsonObject } from "../crypto/json.ts";
import { TrustError } from "../errors.ts";
import type { Descriptor, FetchedManifest } from "./manifest.ts";
import { isBrokenConnection } from "./network-errors.ts";
import { isNonsense } from "./nonsense.ts";
import { formatRepository, type RepositoryName } from "./reference.ts";
import type { Registry, TaggedManifest } from "./registry.ts";
import { sleep } from "./waiting.ts";

/** The raw JSON of a shared manifest: its list of entries, and everything else. What is not understood stays in both. */
export interface SharedContent {
  readonly document: JsonObject;
  readonly entries: readonly JsonObject[];
}

/** A manifest under a tag, to whose list several writers add: a fallback index, the signatures of a `.sig` tag. */
export interface SharedManifest {
  readonly registry: Registry;
  readonly name: RepositoryName;
  readonly tag: string;
  /** What tells two entries apart; entries of one key are one. */
  keyOf(entry: JsonObject): string;
  /** Throws `REFERRERS_TAG_CONFLICT` where the tag holds something else, which is then left alone. */
  read(found: FetchedManifest): SharedContent;
  /** Makes the manifest, and pushes what it names and the registry may not have; the second time that costs nothing. */
  write(content: SharedContent): Promise<{ readonly bytes: Uint8Array; readonly mediaType: string }>;
  /** Whether what an entry names is gone from the registry. */
  isGone(entry: JsonObject): Promise<boolean>;
}

export interface UpdateSettings {
  readonly signal?: AbortSignal | undefined;
  /** From 0 up to 1; for the jitter of pauses. */
  readonly random?: (() => number) | undefined;
  /** Milliseconds after which the update gives up. */
  readonly maxMs?: number | undefined;
  /** The caller has just written the manifest: it is looked at until it stays as it is. */
  readonly written?: boolean | undefined;
}

const defaultMaxMs = 90_000;
/** Reads in a row that miss nothing, after which the update holds. */
const quietReads = 3;
/**
 * Where others write the same list, it must miss nothing for so many milliseconds besides: one that stood still between
 * its read and its write puts back what it read then.
 */
const settleMs = 500;
/** Absence is looked at twice: on a wrong "not there" the entries of others would be written over. */
const absentReads = 2;
const maxFailures = 10;
/** Refusals in a row after which dead entries are looked for. */
const failuresBeforePruning = 4;
const pauseMs = 10;
const maxBackOffMs = 1_000;
/** Beside two round trips, the longest that a read counts before the write that it leads to. */
const freshMs = 10;

/** Where an update stands. */
interface Progress {
  document: JsonObject;
  /** Every entry that was ever read. */
  readonly known: Map<string, JsonObject>;
  /** Keys of entries that name nothing any more. */
  readonly gone: Set<string>;
  readonly additions: ReadonlyMap<string, JsonObject>;
  /** Keys of entries that are to go; others that merge may bring them back. */
  readonly removals: ReadonlySet<string>;
  wrote: boolean;
  quiet: number;
  /** When another writer was last noticed, if any was. */
  contended: number | undefined;
  absent: number;
  failures: number;
  pruned: boolean;
  /** A registry that refuses If-Match although nothing changed is written to without it. */
  refusedEtag: string | undefined;
  conditional: boolean;
  /** Milliseconds that the last read took. */
  roundTrip: number;
  /** When the last read ended. */
  lookedAt: number;
}

/**
 * Adds entries to a shared manifest so that no writer's entry is lost, on registries that just let the last one win:
 * merge everything ever read in this run, write while something of it is missing, pause, read again; it holds after
 * three reads in a row that miss nothing, and some time after others were last noticed. Passing nonsense of a busy registry is borne, within bounds. Errors:
 * `REFERRERS_TAG_CONFLICT`, `UPDATE_CONFLICT`, those of the registry.
 */
export async function updateSharedManifest(
  shared: SharedManifest,
  additions: readonly JsonObject[],
  settings: UpdateSettings = {},
): Promise<void> {
  const byKey = new Map(additions.map((entry) => [shared.keyOf(entry), entry]));
  await untilQuiet(shared, start(byKey, new Set(), settings), settings);
}

/**
 * Removes the entries with these keys in the same way: writers that carry along what they saw may bring an entry back,
 * so it holds only once it stays away. Without any of them nothing is written. Errors as of `updateSharedManifest`.
 */
export async function removeFromSharedManifest(
  shared: SharedManifest,
  keys: ReadonlySet<string>,
  settings: UpdateSettings = {},
): Promise<void> {
  await untilQuiet(shared, start(new Map(), keys, settings), settings);
}

async function untilQuiet(shared: SharedManifest, progress: Progress, settings: UpdateSettings): Promise<void> {
  const { signal, random = Math.random, maxMs = defaultMaxMs } = settings;
  const until = performance.now() + maxMs;
  for (;;) {
    try {
      if (await step(shared, progress, signal)) return;
      progress.failures = 0;
    } catch (error) {
      await bear(shared, progress, error);
    }
    if (performance.now() > until) throw neverQuiet(shared, maxMs);
    const backOff = progress.failures === 0 ? 0 : Math.min(maxBackOffMs, pauseMs * 2 ** progress.failures) * random();
    const settling = progress.quiet >= quietReads ? settleMs / 4 : 0;
    const pause = progress.roundTrip * (1 + 3 * random()) + pauseMs + backOff + settling;
    await sleep(pause, signal, `the update of ${shared.tag}`);
  }
}

function start(
  additions: ReadonlyMap<string, JsonObject>,
  removals: ReadonlySet<string>,
  { written = false }: UpdateSettings,
): Progress {
  return {
    document: {},
    known: new Map(),
    gone: new Set(removals),
    additions,
    removals,
    wrote: written,
    quiet: 0,
    contended: undefined,
    absent: 0,
    failures: 0,
    pruned: false,
    refusedEtag: undefined,
    conditional: true,
    roundTrip: 0,
    lookedAt: 0,
  };
}

/** One look at the tag, and one write if something is missing there. True once the update holds. */
async function step(shared: SharedManifest, progress: Progress, signal: AbortSignal | undefined): Promise<boolean> {
  const found = await look(shared, progress, signal);
  if (found === undefined && ++progress.absent < absentReads && progress.document["schemaVersion"] === undefined)
    return false;
  const present = found === undefined ? new Set<string>() : learn(shared, progress, found);
  const wanted = new Map([...progress.known, ...progress.additions]);
  const isWhole = [...wanted.keys()].every((key) => present.has(key));
  if (isWhole && ![...present].some((key) => progress.removals.has(key))) {
    // What was there before this update came is its writers' to keep.
    return !progress.wrote || (++progress.quiet >= quietReads && isSettled(progress));
  }
  if (progress.quiet > 0) progress.contended = progress.lookedAt;
  progress.quiet = 0;
  const manifest = await shared.write({ document: progress.document, entries: [...wanted.values()] });
  // What was read too long ago is not written over: others may have come and gone meanwhile, and would not look again.
  if (performance.now() - progress.lookedAt > freshMs + 2 * progress.roundTrip) return false;
  await put(shared, progress, { manifest, etag: found?.etag, signal });
  return false;
}

function isSettled({ contended, lookedAt, roundTrip }: Progress): boolean {
  return contended === undefined || lookedAt - contended >= settleMs + 4 * roundTrip;
}

async function look(
  { registry, name, tag }: SharedManifest,
  progress: Progress,
  signal: AbortSignal | undefined,
): Promise<TaggedManifest | undefined> {
  const started = performance.now();
  try {
    return await registry.fetchManifest(name, tag, { signal });
  } catch (error) {
    if (error instanceof TrustError && error.code === "IMAGE_NOT_FOUND") return undefined;
    throw error;
  } finally {
    progress.lookedAt = performance.now();
    progress.roundTrip = progress.lookedAt - started;
  }
}

/** Takes in what the tag holds; answers with the keys of its entries. */
function learn(shared: SharedManifest, progress: Progress, found: TaggedManifest): ReadonlySet<string> {
  const { document, entries } = shared.read(found);
  progress.document = { ...progress.document, ...document };
  const present = new Map(entries.map((entry) => [shared.keyOf(entry), entry]));
  const added = [...present].filter(([key]) => !progress.known.has(key) && !progress.gone.has(key));
  for (const [key, entry] of added) progress.known.set(key, entry);
  if (progress.wrote && added.some(([key]) => !progress.additions.has(key))) progress.contended = progress.lookedAt;
  return new Set(present.keys());
}

interface Replacement {
  readonly manifest: { readonly bytes: Uint8Array; readonly mediaType: string };
  /** Of the version that it replaces. */
  readonly etag: string | undefined;
  readonly signal: AbortSignal | undefined;
}

async function put(
  { registry, name, tag }: SharedManifest,
  progress: Progress,
  { manifest, etag, signal }: Replacement,
): Promise<void> {
  if (etag !== undefined && etag === progress.refusedEtag) progress.conditional = false;
  const ifMatch = progress.conditional ? etag : undefined;
  try {
    progress.wrote = true;
    await registry.pushManifest(name, { ...manifest, tag }, { signal, ifMatch });
  } catch (error) {
    // Somebody was faster: what they wrote comes with the next look.
    if (!(error instanceof TrustError) || error.code !== "UPDATE_CONFLICT") throw error;
    progress.refusedEtag = ifMatch;
  }
}

/** Counts a failure that may pass; throws one that will not. */
async function bear(shared: SharedManifest, progress: Progress, error: unknown): Promise<void> {
  progress.failures += 1;
  if (!mayPass(error) || progress.failures >= maxFailures) throw error;
  if (!isNonsense(error) || progress.pruned || progress.failures < failuresBeforePruning) return;
  progress.pruned = true;
  await forgetGone(shared, progress);
}

function mayPass(error: unknown): boolean {
  if (!(error instanceof TrustError)) return false;
  if (error.code === "REGISTRY_REFUSED") return isNonsense(error);
  const passing =
    error.code === "REGISTRY_ERROR" || error.code === "MANIFEST_INVALID" || error.code === "CONTENT_MISMATCH";
  return passing || isBrokenConnection(error);
}

/** An entry that names nothing makes some registries refuse the whole list: nobody can read it, so it goes. */
async function forgetGone(shared: SharedManifest, progress: Progress): Promise<void> {
  for (const [key, entry] of progress.known) {
    if (progress.additions.has(key) || !(await shared.isGone(entry))) continue;
    progress.known.delete(key);
    progress.gone.add(key);
  }
}

function neverQuiet({ name, tag }: SharedManifest, maxMs: number): TrustError {
  return new TrustError("UPDATE_CONFLICT", `${formatRepository(name)}:${tag} is changed again and again by others`, {
    expected: `${quietReads} reads in a row with every entry`,
    found: `none within ${Math.round(maxMs / 1000)} s`,
  });
}

/** The tag holds something that is no list of that kind; `REFERRERS_TAG_CONFLICT`. */
export function tagConflict(
  shared: Pick<SharedManifest, "name" | "tag">,
  expected: string,
  found: Descriptor,
): TrustError {
  return new TrustError(
    "REFERRERS_TAG_CONFLICT",
    `${formatRepository(shared.name)}:${shared.tag} holds something else`,
    {
      expected,
      found: `${found.mediaType} ${found.digest}`,
    },
  );
}
