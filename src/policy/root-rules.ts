import { asTrustError } from "../errors.ts";
import { knownRepository } from "../trust/embedded.ts";
import { parseTrustRoot } from "../trust/parse.ts";
import type { TrustRoot } from "../trust/trust-root.ts";
import { decodeTufRoot, type TufSource, toTufSource, unfetchedRoot } from "../trust/tuf-source.ts";
import { parseSource, type SourceDocument } from "./document.ts";
import { isForeign } from "./foreign/kinds.ts";
import { foreignRoot } from "./foreign/trust-root.ts";
import type { Problem } from "./problem.ts";
import { policyKinds, type RootDocument } from "./schema.ts";

/** A root of a policy document, and where it stands. */
export interface WrittenRoot {
  /** Of a TUF repository, what stands for it until something was fetched. */
  readonly root: TrustRoot;
  /** Where the root is fetched from; absent where it is written out. */
  readonly tuf?: TufSource;
  readonly place: string;
  /** In policy-controller's language, for whose policies it is before others. */
  readonly isForeign?: true;
}

/** Makes a root out of a document that has the right shape. */
export function toTrustRoot(
  { metadata: { name }, spec }: RootDocument,
  document: SourceDocument,
): { readonly written?: WrittenRoot; readonly problems: readonly Problem[] } {
  const place = document.placeOf([]);
  if (knownRepository(name) !== undefined) {
    const what = "metadata.name is that of a root that is known to everybody";
    return {
      problems: [{ place: document.placeOf(["metadata", "name"]), what, expected: "another name", found: name }],
    };
  }
  const { trustedRoot, tuf: repository, require } = spec;
  if (repository !== undefined) {
    const { mirror, target } = repository;
    const tuf = toTufSource({ name, mirror, target, root: decodeTufRoot(repository.root), require });
    return { written: { root: unfetchedRoot(tuf), tuf, place }, problems: [] };
  }
  try {
    const source = { kind: "policy", path: place } as const;
    const root = parseTrustRoot(trustedRoot, { name, source, require });
    return { written: { root, place }, problems: [] };
  } catch (error) {
    const { message, expected, found } = asTrustError(error);
    const at = document.placeOf(["spec", "trustedRoot"]);
    return { problems: [{ place: at, what: `spec.trustedRoot: ${message}`, expected, found }] };
  }
}

/** The roots of a file that can be read; what is wrong with others, `parsePolicies` says. */
export function rootsIn(text: string, sourceName: string): readonly WrittenRoot[] {
  // Most files have none, and are read once.
  if (!text.includes("TrustRoot")) return [];
  return parseSource(text, sourceName).documents.flatMap((document) => rootOf(document) ?? []);
}

function rootOf(document: SourceDocument): WrittenRoot | undefined {
  const { value } = document;
  if (isForeign(value)) return foreignRoot(document).roots?.[0];
  if (typeof value !== "object" || value === null || Reflect.get(value, "kind") !== "TrustRoot") return undefined;
  const checked = policyKinds.TrustRoot.safeParse(value);
  return checked.success ? toTrustRoot(checked.data, document).written : undefined;
}
