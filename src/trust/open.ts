import { join } from "node:path";
import { TrustError } from "../errors.ts";
import { embeddedTrustRoot, knownRepository } from "./embedded.ts";
import { withCode } from "./fields.ts";
import { parseTrustRoot } from "./parse.ts";
import { isRootName, parseStoredRoot, type StoredRoot } from "./stored-root.ts";
import type { TrustRoot, TrustRootSource } from "./trust-root.ts";
import type { TufSource } from "./tuf-source.ts";

/** What {@link openTrustRoot} needs of the outside. */
export interface TrustRootContext {
  /** Where the user's roots are, see {@link trustRootFolder}; none where there is no user. */
  readonly folder: string | undefined;
  /** Makes a path absolute. */
  resolvePath(path: string): string;
  /** Reads a file, bounded; throws `FILE_NOT_FOUND` and the like. `readSmallFile` of the keys is one. */
  readFile(path: string, what: string, maxBytes: number): Promise<Buffer>;
}

/** The most bytes of a `trusted_root.json`, and of the file of a stored root. */
export const maxRootBytes = 4 * 1024 * 1024;

/** The folder of the user's roots: `imagetrust/trust-roots` below XDG_CONFIG_HOME, else below `~/.config`. */
export function trustRootFolder(env: Readonly<Record<string, string | undefined>>, homeFolder: string): string {
  return join(env["XDG_CONFIG_HOME"] || join(homeFolder, ".config"), "imagetrust", "trust-roots");
}

/** Where a root of that name is kept. */
export function storedRootPath(folder: string, name: string): string {
  return join(folder, `${name}.json`);
}

/**
 * Opens a trust root without a network: one by name (`public-good`, or one that was added), or a `trusted_root.json`, which
 * is whatever has a slash in it or ends in `.json`. By name, what was fetched by `trust root update` goes before what is part of the
 * program, unless that is newer. Whether it is stale is asked with `stalenessOf`, at the time of each decision.
 *
 * Throws `TRUST_ROOT_NOT_FOUND`, `TRUST_ROOT_INVALID`, `FILE_NOT_FOUND`, `FILE_UNREADABLE`.
 */
export async function openTrustRoot(nameOrPath: string, context: TrustRootContext): Promise<TrustRoot> {
  if (!isRootName(nameOrPath)) return openFile(nameOrPath, context);
  const [embedded, stored] = [await embeddedTrustRoot(nameOrPath), await readStoredRoot(nameOrPath, context)];
  if (stored === undefined) {
    if (embedded === undefined) throw notFound(nameOrPath);
    return embedded;
  }
  const opened = toTrustRoot(stored);
  return embedded !== undefined && isNewer(embedded.source, opened.source) ? embedded : opened;
}

async function openFile(path: string, { resolvePath, readFile }: TrustRootContext): Promise<TrustRoot> {
  if (!/[/\\]|\.json$/.test(path)) throw notFound(path);
  const bytes = await readFile(resolvePath(path), "the trust root", maxRootBytes);
  const root = () => parseTrustRoot(bytes, { name: path, source: { kind: "file", path } });
  return withCode("TRUST_ROOT_INVALID", root, path);
}

/** The root that the user keeps under a name; undefined where there is none. Throws `TRUST_ROOT_INVALID`. */
export async function readStoredRoot(name: string, context: TrustRootContext): Promise<StoredRoot | undefined> {
  if (context.folder === undefined) return undefined;
  const path = storedRootPath(context.folder, name);
  try {
    return parseStoredRoot(await context.readFile(path, "the trust root", maxRootBytes), name);
  } catch (error) {
    if (!(error instanceof TrustError) || error.code !== "TRUST_ROOT_INVALID") return missing(error);
    const { message, expected, found } = error;
    const hint = `Forget it with: trust root remove ${name}; then add or update it again`;
    throw new TrustError("TRUST_ROOT_INVALID", message, { expected, found, hint, cause: error });
  }
}

function missing(error: unknown): undefined {
  if (error instanceof TrustError && error.code === "FILE_NOT_FOUND") return undefined;
  throw error;
}

/** Where what was fetched for a policy document is kept: beside the roots that the user names, never among them. */
export function policyRootPath(folder: string, { id }: Pick<TufSource, "id">): string {
  return join(folder, "of-policies", `${id}.json`);
}

/**
 * What was fetched for a policy document; undefined where nothing was, or what is kept cannot be read: it is fetched anew then,
 * and until that nothing is believed.
 */
export async function readPolicyRoot(source: TufSource, context: TrustRootContext): Promise<StoredRoot | undefined> {
  if (context.folder === undefined) return undefined;
  try {
    const bytes = await context.readFile(policyRootPath(context.folder, source), "the trust root", maxRootBytes);
    const stored = parseStoredRoot(bytes, source.name);
    return stored.source.kind === "tuf" && stored.metadata !== undefined ? stored : undefined;
  } catch (error) {
    return error instanceof TrustError && error.code === "TRUST_ROOT_INVALID" ? undefined : missing(error);
  }
}

/**
 * Opens the root of a policy document from what was fetched for it before, with the minima that the document asks for. Throws
 * `TRUST_ROOT_NOT_FOUND` where nothing was fetched, `TRUST_ROOT_INVALID`, `FILE_UNREADABLE`.
 */
export async function openPolicyRoot(source: TufSource, context: TrustRootContext): Promise<TrustRoot> {
  const stored = await readPolicyRoot(source, context);
  if (stored === undefined)
    throw new TrustError("TRUST_ROOT_NOT_FOUND", `the trust root ${source.name} was not fetched yet`);
  return toTrustRoot({ ...stored, require: source.require });
}

/** Parses what is stored. Throws `TRUST_ROOT_INVALID`. */
export function toTrustRoot({ name, source, require, trustedRoot }: StoredRoot): TrustRoot {
  const from: TrustRootSource =
    source.kind === "file"
      ? { kind: "file" }
      : { kind: "tuf", mirror: source.mirror, fetched: source.fetched, expires: source.expires };
  return parseTrustRoot(Buffer.from(trustedRoot), { name, source: from, require });
}

function isNewer(embedded: TrustRootSource, stored: TrustRootSource): boolean {
  return embedded.kind === "embedded" && stored.kind === "tuf" && embedded.issued > stored.fetched;
}

function notFound(name: string): TrustError {
  const isKnown = knownRepository(name) !== undefined;
  return new TrustError("TRUST_ROOT_NOT_FOUND", `there is no trust root ${JSON.stringify(name.slice(0, 100))}`, {
    expected: "public-good, the name of a root that was added, or the path of a trusted_root.json",
    ...(isKnown ? { hint: `It is known but was never fetched; fetch it with: trust root update ${name}` } : {}),
  });
}
