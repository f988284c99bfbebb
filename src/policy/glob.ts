import { TrustError } from "../errors.ts";
import { dockerHub, isRepository, parseRegistryHost } from "../oci/reference.ts";

const maxGlobLength = 512;

/** A glob, and what every text that matches it begins and ends with. */
export interface CompiledGlob {
  readonly glob: string;
  readonly isLiteral: boolean;
  readonly prefix: string;
  readonly suffix: string;
  /** The fewest characters that match. */
  readonly least: number;
}

export function compileGlob(glob: string): CompiledGlob {
  const first = glob.indexOf("*");
  if (first < 0) return { glob, isLiteral: true, prefix: glob, suffix: "", least: glob.length };
  const prefix = glob.slice(0, first);
  const suffix = glob.slice(glob.lastIndexOf("*") + 1);
  return { glob, isLiteral: false, prefix, suffix, least: prefix.length + suffix.length };
}

/** As {@link matchesGlob}; most texts that do not match are told by their ends. */
export function matchesCompiled({ glob, isLiteral, prefix, suffix, least }: CompiledGlob, text: string): boolean {
  if (isLiteral) return glob === text;
  if (text.length < least || !text.startsWith(prefix) || !text.endsWith(suffix)) return false;
  if (suffix === "" && glob.length === prefix.length + 2 && glob.endsWith("**")) return true;
  return matchesFrom(glob, prefix.length, text, prefix.length);
}

/**
 * Whether the whole text matches: `*` is any run of characters without `/`, `**` any run at all; both may be empty. The
 * time is bounded by the product of the lengths, whatever the glob.
 */
export function matchesGlob(glob: string, text: string): boolean {
  return matchesCompiled(compileGlob(glob), text);
}

/** Walks the text once and keeps every place of the glob that may have been reached: no backtracking. */
function matchesFrom(glob: string, from: number, text: string, start: number): boolean {
  let reached = new Uint8Array(glob.length + 1);
  reached[from] = 1;
  skipEmptyRuns(glob, from, reached);
  for (let i = start; i < text.length; i++) {
    const next = new Uint8Array(glob.length + 1);
    let alive = false;
    for (let j = from; j < glob.length; j++) {
      if (reached[j] !== 1) continue;
      const to = step(glob, j, text.charAt(i));
      if (to < 0) continue;
      next[to] = 1;
      alive = true;
    }
    if (!alive) return false;
    skipEmptyRuns(glob, from, next);
    reached = next;
  }
  return reached[glob.length] === 1;
}

/** Where in the glob one is after the character, or -1. */
function step(glob: string, at: number, character: string): number {
  if (glob[at] !== "*") return glob[at] === character ? at + 1 : -1;
  return character === "/" && glob[at + 1] !== "*" ? -1 : at;
}

function skipEmptyRuns(glob: string, from: number, reached: Uint8Array): void {
  for (let j = from; j < glob.length; j++) {
    if (reached[j] === 1 && glob[j] === "*") reached[j + (glob[j + 1] === "*" ? 2 : 1)] = 1;
  }
}

/**
 * Puts a glob over image names into the form that names are matched in, with Docker's defaulting rules: `nginx` is
 * `docker.io/library/nginx`, `acme/*` is `docker.io/acme/*`, hosts are in lower case and Docker Hub has one name. What
 * could mean two things is refused. Throws `POLICY_INVALID` with what to write instead.
 */
export function parseImageGlob(text: string): string {
  if (text.length > maxGlobLength) throw invalid(`a glob longer than ${maxGlobLength} characters`, "a shorter one");
  if (/[?{}!\\\s]/.test(text)) throw invalid("a character that no glob has", "* and ** as the only wildcards", text);
  if (text.includes("***")) throw invalid("a run of more than two *", "* or **", text);
  if (text.includes("@")) throw invalid("a digest in a glob", "registry/repository only", text);
  if (text === "**") return text;
  const slash = text.indexOf("/");
  if (slash < 0) return parseSingle(text);
  const first = text.slice(0, slash);
  const rest = text.slice(slash + 1);
  if (first === "**") return `**/${parseRepositoryGlob(rest, text)}`;
  if (/[.:[]/.test(first) || first === "localhost") return withHost(parseHostGlob(first), rest, text);
  if (first.includes("*"))
    throw invalid(
      "a wildcard where the registry stands",
      `docker.io/${text} for Docker Hub, or **/${rest} for any registry`,
      text,
    );
  return withHost(dockerHub, text, text);
}

/** A glob over tags. Throws `POLICY_INVALID`. */
export function parseTagGlob(text: string): string {
  if (text.length <= 128 && /^[A-Za-z0-9_.*-]+$/.test(text) && !text.includes("**")) return text;
  throw invalid("not a glob over tags", "letters, digits, _ . - and * as the wildcard", text);
}

/** A name without a slash is an official image; a lone wildcard or a host is more likely a slip. */
function parseSingle(text: string): string {
  if (text === "*") throw invalid("a wildcard alone", "docker.io/library/* for official images, ** for all", text);
  if (text.includes(":"))
    throw invalid("a tag or a port without a repository", "tags in `tags`, or HOST:PORT/**", text);
  if (text.includes(".")) throw invalid("a registry without a repository", `${text}/** for all of it`, text);
  if (text.includes("**")) throw invalid("** where the registry stands", `docker.io/library/${text}`, text);
  return withHost(dockerHub, text, text);
}

function withHost(host: string, rest: string, text: string): string {
  const official = host === dockerHub && !rest.includes("/") && !rest.includes("**");
  return `${host}/${parseRepositoryGlob(official ? `library/${rest}` : rest, text)}`;
}

function parseHostGlob(host: string): string {
  if (host.includes("**")) throw invalid("** inside a registry name", "*, or ** as the whole first part", host);
  if (host.includes("*") && host.endsWith(":443"))
    throw invalid("the default port", `${host.slice(0, -4)}: names never carry :443`, host);
  try {
    // A letter for each wildcard, to have the rest of the host checked as a reference's is.
    const canonical = parseRegistryHost(host.replaceAll("*", "x"));
    return host.includes("*") ? host.toLowerCase() : canonical;
  } catch {
    throw invalid("not a registry", "HOST[:PORT]", host);
  }
}

function parseRepositoryGlob(repository: string, text: string): string {
  if (repository.includes(":")) throw invalid("a tag in a glob", "the tag in `tags`", text);
  // A letter for each wildcard: what is left must be able to be a repository.
  if (isRepository(repository.replaceAll(/\*+/g, "x"))) return repository;
  throw invalid("a repository that no image can have", "lower-case letters, digits, . _ - and wildcards", text);
}

function invalid(what: string, expected: string, found?: string): TrustError {
  return new TrustError("POLICY_INVALID", what, {
    expected,
    found: found === undefined ? undefined : JSON.stringify(found.slice(0, 200)),
  });
}
