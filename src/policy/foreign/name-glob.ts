import { TrustError } from "../../errors.ts";
import { dockerHub, type ImageReference } from "../../oci/reference.ts";

const maxGlobLength = 512;
const hub = "index.docker.io";

/**
 * Puts a glob of a ClusterImagePolicy into the form that names are matched in: `*` is `index.docker.io/library/*`, and
 * `*` followed by `/*` is the user images of Docker Hub, as policy-controller has it; a host is in lower case and without
 * the default port. `*` is any run of characters without `/`, `**` any run at all; a tag or digest is part of the name.
 * Throws `POLICY_INVALID` for what policy-controller refuses.
 */
export function parseNameGlob(text: string): string {
  if (text.length > maxGlobLength)
    throw invalid(`a glob longer than ${maxGlobLength} characters`, "a shorter one", text);
  if (!/^[a-zA-Z0-9\-_:/*.@]+$/.test(text))
    throw invalid("a character that no glob has", "letters, digits, - _ : / . @, and * and ** as the wildcards", text);
  if (text === "*") return `${hub}/library/*`;
  if (text === "*/*") return `${hub}/*/*`;
  const slash = text.indexOf("/");
  if (slash < 0) return text;
  return `${text.slice(0, slash).toLowerCase().replace(/:443$/, "")}${text.slice(slash)}`;
}

function invalid(what: string, expected: string, found: string): TrustError {
  return new TrustError("POLICY_INVALID", what, { expected, found: JSON.stringify(found.slice(0, 200)) });
}

/** Names that begin alike, and what they begin with. */
export interface NameGroup {
  readonly base: string;
  readonly names: readonly string[];
}

const known = new WeakMap<ImageReference, readonly NameGroup[]>();

/**
 * All names that globs may mean an image by: the whole one with tag, with digest, and with both, and for images of Docker
 * Hub the shorter ones people write. policy-controller matches the one that the object happens to have; here how a name is
 * written makes no difference, so that a policy can be missed by no spelling.
 */
export function nameGroupsOf(ref: ImageReference): readonly NameGroup[] {
  const groups = known.get(ref) ?? spell(ref);
  known.set(ref, groups);
  return groups;
}

/** The names alone. */
export function namesOf(ref: ImageReference): readonly string[] {
  return nameGroupsOf(ref).flatMap(({ names }) => names);
}

function spell({ registry, repository, tag, digest }: ImageReference): readonly NameGroup[] {
  const official = repository.startsWith("library/") ? [repository.slice("library/".length)] : [];
  const bases =
    registry === dockerHub
      ? [`${hub}/${repository}`, `${dockerHub}/${repository}`, repository, ...official]
      : [`${registry}/${repository}`];
  const tagged = tag === undefined ? [] : [`:${tag}`];
  const digested = digest === undefined ? [] : [...tagged.map((text) => `${text}@${digest}`), `@${digest}`];
  // What has no tag written is `latest`.
  const ends = [...tagged, ...digested, ...(tag === "latest" ? [""] : [])];
  return bases.map((base) => ({ base, names: ends.map((end) => `${base}${end}`) }));
}
