import { asTrustError } from "../errors.ts";
import { knownRepository } from "../trust/embedded.ts";
import { parseTrustRoot } from "../trust/parse.ts";
import type { TrustRoot } from "../trust/trust-root.ts";
import type { PolicySources } from "./authority-rules.ts";
import { parseSource, type SourceDocument } from "./document.ts";
import { openEmbeddedRoot } from "./embedded-root.ts";
import { isForeign } from "./foreign/kinds.ts";
import { foreignRoot } from "./foreign/trust-root.ts";
import type { Problem } from "./problem.ts";
import { policyKinds, type RootDocument } from "./schema.ts";

/** A root of a policy document, and where it stands. */
export interface WrittenRoot {
  readonly root: TrustRoot;
  readonly place: string;
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
  try {
    const source = { kind: "policy", path: place } as const;
    const root = parseTrustRoot(spec.trustedRoot, { name, source, require: spec.require });
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

/** Opens roots that are written in policies by their names, others as told; each once. */
export function openingRoots(
  written: readonly WrittenRoot[],
  openRoot: PolicySources["openRoot"] = openEmbeddedRoot,
): (name: string) => Promise<TrustRoot> {
  const opened = new Map(written.map(({ root }) => [root.name, Promise.resolve(root)]));
  return (name) => {
    const known = opened.get(name) ?? openRoot(name);
    opened.set(name, known);
    return known;
  };
}
