import { asTrustError, TrustError } from "../errors.ts";
import { formatRepository, isRepository, parseRegistryHost, type RepositoryName } from "./reference.ts";
import type { ReferrersPage, Registry, RequestOptions } from "./registry.ts";

/** What is called `from` may be fetched from `to`. Both are HOST[/PREFIX] in canonical form. */
export interface Mirror {
  readonly from: string;
  readonly to: string;
}

/** A mirror that does not answer must not use up the time for the next, in milliseconds. */
const patience = 3000;

/** Parses HOST[:PORT][/PREFIX] and makes it canonical. Throws `REFERENCE_INVALID`. */
export function parseMirrorPlace(text: string): string {
  const slash = text.indexOf("/");
  const host = parseRegistryHost(slash < 0 ? text : text.slice(0, slash));
  if (slash < 0) return host;
  const prefix = text.slice(slash + 1);
  if (isRepository(prefix)) return `${host}/${prefix}`;
  throw new TrustError("REFERENCE_INVALID", "what follows the registry is not the start of a repository's name", {
    expected: "HOST[:PORT] or HOST[:PORT]/PREFIX",
    found: text.slice(0, 300),
  });
}

/**
 * Where a repository may be read, in the order in which it is tried: the mirrors of the longest `from` that its name
 * starts with (at a `/`), as they are listed, then the original.
 */
export function placesOf(mirrors: readonly Mirror[], name: RepositoryName): readonly RepositoryName[] {
  const own = formatRepository(name);
  const matching = mirrors.filter(({ from }) => own === from || own.startsWith(`${from}/`));
  const longest = Math.max(0, ...matching.map(({ from }) => from.length));
  const places = matching
    .filter(({ from }) => from.length === longest)
    .map(({ from, to }) => nameOf(`${to}${own.slice(from.length)}`));
  return [...places, { registry: name.registry, repository: name.repository }];
}

function nameOf(text: string): RepositoryName {
  const slash = text.indexOf("/");
  return { registry: text.slice(0, slash), repository: text.slice(slash + 1) };
}

/**
 * The registry as seen through mirrors: what is read is asked for at each place in turn, the next where one has nothing or
 * does not answer; what is written goes to the original. Every answer is held to its digest whoever gives it. Where
 * nobody has it, it is missing only if everybody said so; else the first failure is told.
 */
export function withMirrors(registry: Registry, mirrors: readonly Mirror[]): Registry {
  if (mirrors.length === 0) return registry;
  const read = <T>(
    name: RepositoryName,
    options: RequestOptions | undefined,
    ask: (place: RepositoryName, options: RequestOptions) => Promise<T>,
    isAnswer?: (answer: T) => boolean,
  ) => firstAnswer(placesOf(mirrors, name), options?.signal, ask, isAnswer);
  return {
    ...registry,
    resolve: (ref, options) => read(ref, options, (place, own) => registry.resolve({ ...ref, ...place }, own)),
    fetchManifest: (name, reference, options) =>
      read(name, options, (place, own) => registry.fetchManifest(place, reference, own)),
    fetchBlob: (name, descriptor, maxBytes, options) =>
      read(name, options, (place, own) => registry.fetchBlob(place, descriptor, maxBytes, own)),
    listReferrers: (name, subject, maxPages, options) =>
      read(name, options, (place, own) => registry.listReferrers(place, subject, maxPages, own), listsSomething),
  };
}

/** A mirror that passes images through seldom has their referrers: an empty list is no last word. */
function listsSomething({ descriptors, complete }: ReferrersPage): boolean {
  return descriptors.length > 0 || !complete;
}

async function firstAnswer<T>(
  places: readonly RepositoryName[],
  signal: AbortSignal | undefined,
  ask: (place: RepositoryName, options: RequestOptions) => Promise<T>,
  isAnswer: (answer: T) => boolean = () => true,
): Promise<T> {
  const failures: unknown[] = [];
  let empty: { readonly answer: T } | undefined;
  for (const [index, place] of places.entries()) {
    const isLast = index === places.length - 1;
    const limits = [...(signal === undefined ? [] : [signal]), ...(isLast ? [] : [AbortSignal.timeout(patience)])];
    try {
      const answer = await ask(place, { signal: AbortSignal.any(limits) });
      if (isAnswer(answer)) return answer;
      empty = { answer };
    } catch (error) {
      if (signal?.aborted === true || asTrustError(error).category === "internal") throw error;
      failures.push(error);
    }
  }
  const telling = failures.find((error) => !isMissing(error));
  if (telling === undefined && empty !== undefined) return empty.answer;
  throw telling ?? failures.at(-1);
}

function isMissing(error: unknown): boolean {
  return error instanceof TrustError && (error.code === "IMAGE_NOT_FOUND" || error.code === "SIGNATURE_MISSING");
}
