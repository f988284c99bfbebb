import type { BigIntStats } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { asTrustError, TrustError } from "../errors.ts";
import { absent, formatStamp, type Stamps, sameStamps, stampOf } from "../keys/file-stamps.ts";
import { readSmallFile } from "../keys/files.ts";
import type { TufSource } from "../trust/tuf-source.ts";
import type { PolicySources } from "./authority-rules.ts";
import { parsePolicies } from "./parse.ts";
import type { PolicySet } from "./policy.ts";
import { toPolicySet } from "./policy-set.ts";
import { decodeUtf8, type NamedFile, openingAll, type PolicyText, readText } from "./policy-text.ts";
import type { Problem } from "./problem.ts";
import type { ParsedPolicies } from "./rules.ts";

const policyFileName = /^[^.].*\.(?:yaml|yml|json)$/i;
const maxFiles = 1000;
const maxTotalBytes = 64 * 1024 * 1024;

/**
 * Loads policies from files and folders: all of them or none. Folders are not searched recursively, so that nothing
 * deeper (an archive, examples) takes effect by accident; names that start with a dot are left out; every other `.yaml`,
 * `.yml` and `.json` file must hold policies. Links are followed, and a file reached twice is loaded once. Relative paths
 * start at `cwd`, those in `key.file` at the folder of the policy file. Trust roots are those of all files together, and
 * for other names those that `openRoot` opens.
 *
 * Throws `POLICY_INVALID` with every problem there is, `POLICY_NOT_FOUND` for a path that does not exist or holds no
 * policy, `FILE_UNREADABLE` for one that may not be looked at.
 */
export async function loadPolicies(paths: readonly string[], cwd: string, openRoot?: OpenRoot): Promise<PolicySet> {
  const { result } = await readPolicies(paths, cwd, openRoot);
  return result();
}

type OpenRoot = PolicySources["openRoot"];

/** Trust roots by name; those of policy documents by their id, with the repository that they come from. */
export type OpenedRoots = ReadonlyMap<string, TufSource | undefined>;

export interface PolicyWatchOptions {
  readonly paths: readonly string[];
  readonly cwd: string;
  /** Opens trust roots that no policy file writes out, by name. */
  readonly openRoot?: OpenRoot;
  /** The file in which such a root is kept, and followed like the policies; undefined where there is none. */
  readonly rootFile?: ((name: string, tuf?: TufSource) => string | undefined) | undefined;
  /** Called with each set that takes effect after the first. Must not throw. */
  readonly onChange: (policies: PolicySet) => void;
  /** Called once for each state of the files that cannot be loaded; the last good set stays in force. Must not throw. */
  readonly onError: (error: TrustError) => void;
  /** Milliseconds between two looks at the files. */
  readonly interval?: number | undefined;
}

export interface PolicyWatch {
  /** The policies in force: the last set that loaded. */
  current(): PolicySet;
  /** The trust roots that were opened for them. */
  roots(): OpenedRoots;
  close(): void;
}

const defaultInterval = 1000;
/** How long files must stay as they are before they are read: an editor may be half-way through. */
const settleTime = 100;

/**
 * Loads policies, then keeps them up to date. Looks at the files again and again instead of asking the system to tell:
 * that also sees the link that Kubernetes swaps under a mounted ConfigMap, editors that replace a file, and network file
 * systems. Key files count too. Throws like {@link loadPolicies} where the first set does not load.
 */
export async function watchPolicies(options: PolicyWatchOptions): Promise<PolicyWatch> {
  const first = await readPolicies(options.paths, options.cwd, options.openRoot, options.rootFile);
  const state = { current: first.result(), roots: first.roots, stamps: first.stamps, failed: false };
  const closing = new AbortController();
  void follow(options, state, closing.signal);
  return { current: () => state.current, roots: () => state.roots, close: () => closing.abort() };
}

interface WatchState {
  current: PolicySet;
  roots: OpenedRoots;
  /** What the files were like when they were last read. */
  stamps: Stamps;
  failed: boolean;
}

async function follow(options: PolicyWatchOptions, state: WatchState, signal: AbortSignal): Promise<void> {
  const { paths, cwd, interval = defaultInterval } = options;
  let seen = state.stamps;
  while (await pause(sameStamps(seen, state.stamps) ? interval : Math.min(settleTime, interval), signal)) {
    const now = await lookAgain(paths, cwd, state.stamps);
    const settled = sameStamps(now, seen);
    seen = now;
    if (!settled || sameStamps(now, state.stamps)) continue;
    const read = await readPolicies(paths, cwd, options.openRoot, options.rootFile);
    seen = await lookAgain(paths, cwd, read.stamps);
    // Changed while it was read: what was read may be half of one state and half of the next.
    if (!sameStamps(seen, read.stamps) || signal.aborted) continue;
    state.stamps = read.stamps;
    takeEffect(options, state, read);
  }
}

function takeEffect(options: PolicyWatchOptions, state: WatchState, read: ReadResult): void {
  let next: PolicySet;
  try {
    next = read.result();
  } catch (error) {
    state.failed = true;
    options.onError(asTrustError(error));
    return;
  }
  const isSame = next.revision === state.current.revision && !state.failed;
  state.failed = false;
  // Also where it means the same: a root that was renewed may have nothing new but the time of its expiry.
  state.current = next;
  state.roots = read.roots;
  if (!isSame) options.onChange(next);
}

async function pause(time: number, signal: AbortSignal): Promise<boolean> {
  await sleep(time, undefined, { signal, ref: false }).catch(() => undefined);
  return !signal.aborted;
}

interface ReadResult {
  readonly stamps: Stamps;
  readonly roots: OpenedRoots;
  /** The set, or throws why there is none. */
  readonly result: () => PolicySet;
}

/** Reads everything; never throws, because the state of the files that do not load matters as well. */
async function readPolicies(
  paths: readonly string[],
  cwd: string,
  openRoot?: OpenRoot,
  rootFile?: PolicyWatchOptions["rootFile"],
): Promise<ReadResult> {
  const listing = await listFiles(paths, cwd);
  const stamps = new Map(listing.stamps);
  const roots = new Map<string, TufSource | undefined>();
  const noting = openRoot && notingRoots(openRoot, rootFile, stamps, roots);
  try {
    const parsed: ParsedPolicies[] = [{ policies: [], problems: listing.problems() }];
    const texts: PolicyText[] = [];
    for (const file of listing.files) texts.push(await readText(file));
    const opening = await openingAll(texts, noting);
    for (const text of texts) parsed.push(await parseText(text, stamps, opening));
    return { stamps, roots, result: () => toPolicySet(parsed) };
  } catch (error) {
    const rethrow = () => {
      throw error;
    };
    return { stamps, roots, result: rethrow };
  }
}

/** Opens roots, and notes which, and what their files are like before they are read. */
function notingRoots(
  openRoot: NonNullable<OpenRoot>,
  rootFile: PolicyWatchOptions["rootFile"],
  stamps: Map<string, string>,
  roots: Map<string, TufSource | undefined>,
): OpenRoot {
  return async (name, tuf) => {
    roots.set(name, tuf);
    const path = rootFile?.(name, tuf);
    if (path !== undefined) stamps.set(path, await stampOf(path));
    return openRoot(name, tuf);
  };
}

async function parseText(
  read: PolicyText,
  stamps: Map<string, string>,
  opening: PolicySources,
): Promise<ParsedPolicies> {
  if ("problem" in read) return { policies: [], problems: [read.problem] };
  const { path, name } = read.file;
  const readKeyFile = async (keyFile: string) => {
    const keyPath = resolve(dirname(path), keyFile);
    const stats = await stat(keyPath, { bigint: true }).catch(() => undefined);
    stamps.set(keyPath, stats === undefined ? absent : formatStamp(stats));
    // A pipe would keep all policies waiting for whoever writes into it.
    if (stats !== undefined && !stats.isFile())
      throw new TrustError("FILE_UNREADABLE", `the key file ${keyPath} cannot be read`, { expected: "a regular file" });
    return decodeUtf8(await readSmallFile(keyPath, "the key file")) ?? "";
  };
  return parsePolicies(read.text, name, { ...opening, readKeyFile });
}

/** The files as they are now: those that would be read, and those that were. */
async function lookAgain(paths: readonly string[], cwd: string, before: Stamps): Promise<Stamps> {
  const stamps = new Map((await listFiles(paths, cwd)).stamps);
  for (const path of before.keys()) if (!stamps.has(path)) stamps.set(path, await stampOf(path));
  return stamps;
}

interface PolicyFile extends NamedFile {
  readonly stats: BigIntStats;
}

interface Listing {
  readonly files: readonly PolicyFile[];
  readonly stamps: Stamps;
  /** Problems with what is listed; throws where that is not even possible. */
  readonly problems: () => readonly Problem[];
}

async function listFiles(paths: readonly string[], cwd: string): Promise<Listing> {
  const found: PolicyFile[] = [];
  const problems: Problem[] = [];
  try {
    if (paths.length === 0) throw new TrustError("POLICY_NOT_FOUND", "no path to a policy is given");
    for (const name of paths) found.push(...(await filesAt(name, resolve(cwd, name), problems)));
    const files = distinct(found);
    checkBounds(files);
    const stamps = new Map([...stampsOf(files), ...problems.map(({ place, what }) => [place, what] as const)]);
    return { files, stamps, problems: () => problems };
  } catch (error) {
    const rethrow = () => {
      throw error;
    };
    return { files: [], stamps: stampsOf(found), problems: rethrow };
  }
}

function stampsOf(files: readonly PolicyFile[]): Stamps {
  return new Map(files.map(({ path, stats }) => [path, formatStamp(stats)]));
}

/** Each file once, at the first name it is reached by. */
function distinct(files: readonly PolicyFile[]): readonly PolicyFile[] {
  const seen = new Set<string>();
  return files.filter(({ stats: { dev, ino } }) => {
    const identity = `${dev} ${ino}`;
    if (seen.has(identity)) return false;
    seen.add(identity);
    return true;
  });
}

function checkBounds(files: readonly PolicyFile[]): void {
  const bytes = files.reduce((sum, { stats }) => sum + Number(stats.size), 0);
  if (files.length <= maxFiles && bytes <= maxTotalBytes) return;
  throw new TrustError("POLICY_INVALID", "too much policy to load", {
    expected: `at most ${maxFiles} files and ${maxTotalBytes} bytes`,
    found: `${files.length} files, ${bytes} bytes`,
  });
}

/** A file that is named is read whatever it is called (it may be a pipe); a folder is searched. */
async function filesAt(name: string, path: string, problems: Problem[]): Promise<readonly PolicyFile[]> {
  const stats = await statNamed(name, path);
  if (!stats.isDirectory()) return [{ name, path, stats }];
  const entries = (await readdirNamed(name, path)).filter((entry) => policyFileName.test(entry)).sort();
  const files: PolicyFile[] = [];
  for (const entry of entries) {
    const file = { name: join(name, entry), path: join(path, entry) };
    const entryStats = await stat(file.path, { bigint: true }).catch(() => undefined);
    if (entryStats?.isFile()) files.push({ ...file, stats: entryStats });
    else if (!entryStats?.isDirectory())
      problems.push({ place: file.name, what: "not a file that can be read", expected: "a file, or a link to one" });
  }
  if (files.length > 0 || problems.length > 0) return files;
  throw new TrustError("POLICY_NOT_FOUND", `no policy in the folder ${name}`, {
    expected: "files .yaml, .yml or .json; folders inside are not searched",
  });
}

async function statNamed(name: string, path: string): Promise<BigIntStats> {
  return stat(path, { bigint: true }).catch((cause: unknown) => {
    throw pathError(name, cause);
  });
}

async function readdirNamed(name: string, path: string): Promise<string[]> {
  return readdir(path).catch((cause: unknown) => {
    throw pathError(name, cause);
  });
}

function pathError(name: string, cause: unknown): TrustError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : undefined;
  if (code === "ENOENT" || code === "ENOTDIR")
    return new TrustError("POLICY_NOT_FOUND", `${name} does not exist`, { cause });
  return new TrustError("FILE_UNREADABLE", `${name} cannot be read`, { found: code, cause });
}
