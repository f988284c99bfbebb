import { asTrustError, TrustError } from "../errors.ts";
import { readSmallFile } from "../keys/files.ts";
import type { PolicySources } from "./authority-rules.ts";
import type { Problem } from "./problem.ts";

/** A file by the name that the user wrote, for messages, and by its path. */
export interface NamedFile {
  readonly name: string;
  readonly path: string;
}

/** A policy file and its text, or why there is none. */
export type PolicyText = { readonly file: NamedFile } & ({ readonly text: string } | { readonly problem: Problem });

/** Reads a policy file. */
export async function readText(file: NamedFile): Promise<PolicyText> {
  const place = file.name;
  const bytes = await readSmallFile(file.path, "the policy file").catch(asTrustError);
  if (bytes instanceof TrustError)
    return { file, problem: { place, what: bytes.message, expected: bytes.expected, found: bytes.found } };
  const text = decodeUtf8(bytes);
  return text === undefined ? { file, problem: { place, what: "the file is not UTF-8 text" } } : { file, text };
}

/**
 * Opens the trust roots that the files write out, and others as told. Roots need much to be understood, and most policies have
 * none: what reads them is loaded for the first.
 */
export async function openingAll(
  texts: readonly PolicyText[],
  openRoot: PolicySources["openRoot"],
): Promise<Pick<PolicySources, "openRoot" | "openForeignRoot">> {
  const written = texts.flatMap((read) => ("text" in read && read.text.includes("TrustRoot") ? [read] : []));
  if (written.length === 0) return { openRoot };
  const { rootsIn } = await import("./root-rules.ts");
  const { namedRoots, openingRoots } = await import("./opening-roots.ts");
  return openingRoots(namedRoots(written.flatMap(({ file, text }) => rootsIn(text, file.name))), openRoot);
}

/** The text of bytes that are UTF-8; undefined for others. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
