import { TrustError } from "../errors.ts";
import { knownRepository } from "./embedded.ts";
import { toTrustRoot } from "./open.ts";
import type { StoredRoot } from "./stored-root.ts";
import { fetchByTuf } from "./tuf.ts";
import type { TufSource } from "./tuf-source.ts";
import type { WebSettings } from "./tuf-web.ts";

/** What {@link fetchRoot} fetches, and where from. */
export interface FetchRequest {
  readonly name: string;
  readonly mirror: string;
  readonly target: string;
  readonly targets?: string | undefined;
  /** TUF metadata by file name, `root.json` at least. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly require?: unknown;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly web?: WebSettings | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Fetches a root by TUF, ready to be stored; one that does not parse is none. Throws like `fetchByTuf` and `parseTrustRoot`. */
export async function fetchRoot({ name, mirror, target, require, now, ...request }: FetchRequest): Promise<StoredRoot> {
  const { target: trustedRoot, signingConfig, metadata, expires } = await fetchByTuf({ ...request, mirror, target });
  const stored: StoredRoot = {
    name,
    source: { kind: "tuf", mirror, target, fetched: now, expires },
    trustedRoot,
    metadata,
    ...(require === undefined ? {} : { require }),
    ...(signingConfig === undefined ? {} : { signingConfig }),
  };
  toTrustRoot(stored);
  return stored;
}

/**
 * Renews a root: one that is stored, or one that is known by name and was never fetched. What is known of its repository goes on
 * to protect it, whichever mirror is read. Throws `TRUST_ROOT_NOT_FOUND` for a name that is not known, `USAGE` for a root from a
 * file, which nothing renews, and like {@link fetchRoot}.
 */
export async function renewRoot(
  name: string,
  stored: StoredRoot | undefined,
  options: Pick<FetchRequest, "now" | "web" | "signal"> & { readonly mirror?: string | undefined },
): Promise<StoredRoot> {
  const from = await repositoryOf(name, stored);
  const { mirror = from.mirror, ...how } = options;
  const renewed = await fetchRoot({ ...from, ...how, name, mirror, require: stored?.require });
  // A mirror that was named once is not the one of every time.
  return { ...renewed, source: { ...renewed.source, mirror: from.mirror } as StoredRoot["source"] };
}

/**
 * Fetches the root of a policy document anew, or for the first time. What is known of its repository goes on to protect it. Throws
 * like {@link fetchRoot}.
 */
export async function renewPolicyRoot(
  { name, mirror, target, targets, root, require }: TufSource,
  stored: StoredRoot | undefined,
  options: Pick<FetchRequest, "now" | "web" | "signal"> & { readonly mirror?: string | undefined },
): Promise<StoredRoot> {
  const metadata = stored?.metadata ?? { "root.json": root };
  const from = options.mirror ?? mirror;
  const request = { ...options, name, mirror: from, target, targets, metadata, require };
  const { source, ...rest } = await fetchRoot(request);
  return { ...rest, source: source.kind === "tuf" ? { ...source, mirror } : source };
}

async function repositoryOf(
  name: string,
  stored: StoredRoot | undefined,
): Promise<Pick<FetchRequest, "mirror" | "target" | "metadata">> {
  if (stored?.source.kind === "file")
    throw new TrustError("USAGE", `the trust root ${name} comes from a file`, {
      expected: "a root that TUF renews",
      hint: `Put another file in its place: trust root remove ${name}, then trust root add ${name} --file FILE`,
    });
  const known = knownRepository(name);
  if (stored?.source.kind === "tuf" && stored.metadata !== undefined)
    return { mirror: stored.source.mirror, target: stored.source.target, metadata: stored.metadata };
  if (known !== undefined)
    return { mirror: known.mirror, target: known.target, metadata: { "root.json": await known.tufRoot() } };
  throw new TrustError("TRUST_ROOT_NOT_FOUND", `there is no trust root ${JSON.stringify(name.slice(0, 100))}`);
}
