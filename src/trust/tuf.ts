import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { initTUF as InitTUF, TUF } from "@sigstore/tuf";
import { isJsonObject, parseStrictJson } from "../crypto/json.ts";
import { TrustError } from "../errors.ts";
import { openTufMirror, type TufMirror } from "./tuf-mirror.ts";
import type { WebSettings } from "./tuf-web.ts";

/** What to fetch, and what is known from before. */
export interface TufRequest {
  readonly mirror: string;
  /** The target to fetch, usually `trusted_root.json`. */
  readonly target: string;
  /** The folder of the repository that holds the targets; `targets` where absent. */
  readonly targets?: string | undefined;
  /** Metadata by file name; `root.json` at least, the rest protects against a rollback. */
  readonly metadata: Readonly<Record<string, string>>;
  /** How a mirror on the web is spoken to. */
  readonly web?: WebSettings | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface TufResult {
  /** The text of the target. */
  readonly target: string;
  /** The text of `signing_config.v0.2.json`, where the repository has it. */
  readonly signingConfig?: string;
  /** What is to be kept for the next time. */
  readonly metadata: Readonly<Record<string, string>>;
  /** When the first of the metadata runs out, milliseconds since 1970. */
  readonly expires: number;
}

const signingConfigTarget = "signing_config.v0.2.json";
const topLevel = ["root.json", "timestamp.json", "snapshot.json", "targets.json"];
const maxMetadataBytes = 8 * 1024 * 1024;

/**
 * Fetches a target as The Update Framework says: newer roots in order, each signed by the one before; no rollback, nothing
 * expired, everything signed and of the size and hash announced. All or nothing: what the client writes on the way goes to a
 * folder of its own. Never called while something is decided.
 *
 * Throws `TRUST_ROOT_UNREACHABLE` or `TLS_FAILED` for an outage, `ROOT_STALE` for a repository that is past its own expiry, `TRUST_ROOT_REFUSED`
 * for what TUF does not allow, `TRUST_ROOT_NOT_FOUND` where there is no such target, `USAGE`, `FILE_NOT_FOUND`.
 */
export async function fetchByTuf({
  mirror,
  target,
  targets,
  metadata,
  web = {},
  signal,
}: TufRequest): Promise<TufResult> {
  // A CommonJS package: bundled, it has nothing but a default export.
  const { initTUF } = (await import("@sigstore/tuf")).default;
  const folder = await mkdtemp(join(tmpdir(), "imagetrust-tuf-"));
  try {
    await using served = await openTufMirror(mirror, web, { targets, signal });
    const place = await prepare(folder, served.url, metadata);
    try {
      const client = await startClient(initTUF, folder, served.url);
      const text = await client.getTarget(target);
      return await collect(place, text, await signingConfigOf(client, served));
    } catch (error) {
      signal?.throwIfAborted();
      throw explain(error, mirror, target, served);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Puts what is known where the client looks: a folder named after the address, which is another each time. */
async function prepare(folder: string, url: string, metadata: Readonly<Record<string, string>>): Promise<string> {
  const place = join(folder, encodeURIComponent(new URL(url).host));
  await mkdir(place);
  await writeFile(join(folder, "root.json"), metadata["root.json"] ?? "");
  for (const [name, text] of Object.entries(metadata)) await writeFile(join(place, name), text);
  return place;
}

async function startClient(initTUF: typeof InitTUF, cachePath: string, mirrorURL: string): Promise<TUF> {
  const rootPath = join(cachePath, "root.json");
  return initTUF({ cachePath, rootPath, mirrorURL, retry: { retries: 1, minTimeout: 100 }, timeout: 20_000 });
}

async function signingConfigOf(client: TUF, served: TufMirror): Promise<string | undefined> {
  try {
    return await client.getTarget(signingConfigTarget);
  } catch (error) {
    if (codeOf(error) === "TUF_FIND_TARGET_ERROR" && served.outage() === undefined) return undefined;
    throw error;
  }
}

async function collect(place: string, target: string, signingConfig: string | undefined): Promise<TufResult> {
  const names = (await readdir(place)).filter((name) => name.endsWith(".json"));
  const texts = await Promise.all(
    names.map(async (name) => [name, await readFile(join(place, name), "utf8")] as const),
  );
  const metadata = Object.fromEntries(texts);
  const expires = Math.min(...topLevel.map((name) => expiryOf(metadata[name] ?? "", name)));
  if (texts.reduce((sum, [, text]) => sum + text.length, 0) > maxMetadataBytes)
    throw new TrustError("TRUST_ROOT_REFUSED", "the metadata is too large", { expected: `${maxMetadataBytes} bytes` });
  return { target, metadata, expires, ...(signingConfig === undefined ? {} : { signingConfig }) };
}

function expiryOf(text: string, name: string): number {
  const document = parseStrictJson(Buffer.from(text), name);
  const signed = isJsonObject(document) ? document["signed"] : undefined;
  const expires = isJsonObject(signed) ? Date.parse(String(signed["expires"])) : Number.NaN;
  if (!Number.isNaN(expires)) return expires;
  throw new TrustError("TRUST_ROOT_REFUSED", `${name} does not say when it expires`, { expected: "signed.expires" });
}

/** The newest root is found by asking for one more. */
const nextRoot = /^\d+\.root\.json$/;

function explain(error: unknown, mirror: string, target: string, served: TufMirror): TrustError {
  if (error instanceof TrustError) return error;
  const outage = served.outage();
  if (outage !== undefined) return outage;
  if (!served.isRead()) return unstarted(error);
  if (codeOf(error) === "TUF_FIND_TARGET_ERROR")
    return new TrustError("TRUST_ROOT_NOT_FOUND", `the mirror ${mirror} has no target ${target}`, {
      expected: "the name of a target of the repository",
      hint: "Name the target with --target",
      cause: error,
    });
  const absent = served.missing.find((path) => !nextRoot.test(path));
  if (absent !== undefined)
    return new TrustError("TRUST_ROOT_UNREACHABLE", `the mirror ${mirror} is not whole`, {
      expected: "a TUF repository",
      found: `no ${absent}`,
      cause: error,
    });
  const reason = reasonOf(error);
  if (/\bis expired\b|\bexpired\b/i.test(reason))
    return new TrustError("ROOT_STALE", `the mirror ${mirror} is past its own expiry`, {
      expected: "metadata that has not expired",
      found: reason,
      hint: "Ask the operators of the mirror to renew it, or take a newer copy of it",
      cause: error,
    });
  return new TrustError("TRUST_ROOT_REFUSED", `TUF refuses what the mirror ${mirror} serves`, {
    expected: "metadata that follows from what is known, signed by enough of its keys",
    found: reason,
    cause: error,
  });
}

/** Nothing was asked: the root to start with is none, or this machine's own address is not reached. */
function unstarted(error: unknown): TrustError {
  const found = reasonOf(error);
  if (error instanceof Error && /fetch failed/.test(`${error.message} ${error.cause}`))
    return new TrustError("TRUST_ROOT_UNREACHABLE", "the TUF client cannot read from this machine itself", {
      expected: "127.0.0.1, not through a proxy",
      found,
      hint: "Add 127.0.0.1 to NO_PROXY, then try again",
      cause: error,
    });
  return new TrustError("TRUST_ROOT_INVALID", "what TUF is to start with is not the root of a repository", {
    expected: "a root.json, signed by enough of its own keys",
    found,
    hint: "Give the root.json that the operators of the repository hand out",
    cause: error,
  });
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

/** The innermost message: the others say where it was met. */
function reasonOf(error: unknown): string {
  let inner = error;
  while (inner instanceof Error && inner.cause instanceof Error) inner = inner.cause;
  return (inner instanceof Error ? inner.message : "unknown").slice(0, 200);
}
