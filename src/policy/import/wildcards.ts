import type { Path } from "../document.ts";
import { type Ledger, nativeGlob } from "./draft.ts";

/** An image of a native policy. */
export interface WildcardImage {
  readonly glob: string;
  readonly tags?: readonly string[];
}

/**
 * What a wildcard pattern of Kyverno means, where `*` is any run of characters and `?` one; never fewer images. A name that
 * is written without a tag is taken with every tag.
 */
export function imageOfWildcard(pattern: string, path: Path, ledger: Ledger): WildcardImage {
  if (/^\*+$/.test(pattern)) return { glob: "**" };
  if (pattern.includes("?"))
    ledger.lose(path, "? has no equivalent in a glob", "it is read as *, which matches more images");
  const [repository, tag] = splitTag(pattern.replaceAll("?", "*"));
  const glob = repositoryGlob(repository);
  if (glob === undefined) {
    ledger.lose(path, `the pattern ${pattern} has no equivalent`, "the policy speaks about all images");
    return { glob: "**" };
  }
  const tags = tag?.replace(/@.*$/, "").replaceAll(/\*+/g, "*");
  if (tags === undefined || tags === "*" || !/^[A-Za-z0-9_.*-]+$/.test(tags)) return { glob };
  return { glob, tags: [tags] };
}

/** The same for images that are left out: never more images, so that nothing is where a glob would mean others as well. */
export function excludedByWildcard(pattern: string): string | undefined {
  const [repository, tag] = splitTag(pattern);
  const isPlain = tag === undefined ? pattern.endsWith("*") : /^\*+$/.test(tag);
  if (!isPlain || /[?@]/.test(pattern)) return undefined;
  return repositoryGlob(repository);
}

function repositoryGlob(repository: string): string | undefined {
  const text = repository.replaceAll(/\*+/g, "**");
  // Every name has a host and a slash: what ends a name may follow any of them.
  return nativeGlob(text) ?? (/^\*\*[^/]+$/.test(text) ? nativeGlob(`**/${text}`) : undefined);
}

function splitTag(text: string): readonly [string, string | undefined] {
  const at = text.indexOf("@");
  const name = at < 0 ? text : text.slice(0, at);
  const colon = name.lastIndexOf(":");
  return colon <= name.lastIndexOf("/") ? [name, undefined] : [name.slice(0, colon), name.slice(colon + 1)];
}
