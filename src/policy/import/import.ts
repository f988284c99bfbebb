import { Document, isMap, isScalar } from "yaml";
import type * as z from "zod";
import type { PolicySources } from "../authority-rules.ts";
import { parseSource, type SourceDocument } from "../document.ts";
import { readForeign } from "../foreign/read.ts";
import { foreignKinds } from "../foreign/schema.ts";
import { namedRoots, openingRoots } from "../opening-roots.ts";
import { parsePolicies } from "../parse.ts";
import { describeValue, type Problem, policyInvalid } from "../problem.ts";
import { rootsIn } from "../root-rules.ts";
import { policyApiVersion } from "../schema.ts";
import { shapeProblems } from "../shape-problems.ts";
import { containersPolicy } from "./containers-schema.ts";
import { type Draft, type Ledger, type Loss, openLedger, refusing } from "./draft.ts";
import { importContainersPolicy, type ReadNamedFile } from "./from-containers.ts";
import { importImagePolicy, importTrustRoot } from "./from-image-policy.ts";
import { importImageValidating } from "./from-image-validating.ts";
import { importKyverno } from "./from-kyverno.ts";
import { imageValidatingPolicy } from "./image-validating-schema.ts";
import { kyvernoPolicy } from "./kyverno-schema.ts";

/** Languages that policies are imported from. */
export const importLanguages = ["cluster-image-policy", "kyverno", "containers-policy"] as const;
export type ImportLanguage = (typeof importLanguages)[number];

/** A native document that was made; `text` is YAML with comments, without a separator. */
export interface Conversion {
  readonly kind: Draft["kind"];
  readonly name: string;
  readonly namespace?: string;
  /** `file:line:column` of what it was made from. */
  readonly from: string;
  readonly text: string;
}

/** What an import came to. Everything that is lost makes the result refuse more, never less. */
export interface Imported {
  readonly conversions: readonly Conversion[];
  readonly losses: readonly Loss[];
}

export interface ImportOptions {
  /** Absent: by what the document is. */
  readonly from?: ImportLanguage | undefined;
  /** Reads the files that a containers policy names; absent: what names one becomes a refusal. */
  readonly readFile?: ReadNamedFile | undefined;
  /** Opens roots that no source writes out; absent: only the one that is part of the program. */
  readonly openRoot?: OpenRoot;
}

type OpenRoot = PolicySources["openRoot"];

/** A file of policies, by the name it has in messages. */
export interface ImportSource {
  readonly name: string;
  readonly text: string;
}

/**
 * Converts policies to native ones that refuse everything the source refuses; what has no equivalent is listed, with what the
 * result does instead. What is returned loads. Throws `POLICY_INVALID` with every problem of the sources.
 */
export async function importPolicies(sources: readonly ImportSource[], options: ImportOptions = {}): Promise<Imported> {
  const drafts: Draft[] = [];
  const losses: Loss[] = [];
  const wrong: Problem[] = [];
  for (const { name, text } of sources) {
    const { documents, problems } = parseSource(text, name);
    wrong.push(...problems);
    if (documents.length === 0 && problems.length === 0) wrong.push({ place: name, what: "the file holds no policy" });
    for (const document of documents) {
      const ledger = openLedger(document);
      const made = await convert(document, ledger, options);
      if ("problems" in made) wrong.push(...made.problems);
      else drafts.push(...made.drafts);
      losses.push(...ledger.losses);
    }
  }
  if (wrong.length > 0) throw policyInvalid(wrong);
  const checked = await refuseUnreadable(distinctNames(drafts), losses, options.openRoot);
  return { conversions: checked.map((draft) => toConversion(draft, losses)), losses };
}

type Converted = { readonly drafts: readonly Draft[] } | { readonly problems: readonly Problem[] };

async function convert(document: SourceDocument, ledger: Ledger, options: ImportOptions): Promise<Converted> {
  const language = languageOf(document, options.from);
  switch (language) {
    case "cluster-image-policy":
      return convertForeign(document, ledger);
    case "kyverno":
      if (fieldOf(document, "kind") === "ClusterPolicy" || fieldOf(document, "kind") === "Policy")
        return withShape(kyvernoPolicy, document, async (policy) => importKyverno(policy, document, ledger));
      return withShape(imageValidatingPolicy, document, async (policy) =>
        importImageValidating(policy, document, ledger),
      );
    case "containers-policy":
      return withShape(containersPolicy, document, (policy) =>
        importContainersPolicy(policy, document, ledger, options.readFile),
      );
    default:
      return { problems: [language] };
  }
}

async function withShape<S extends z.ZodType>(
  schema: S,
  document: SourceDocument,
  make: (value: z.output<S>) => Promise<readonly Draft[]>,
): Promise<Converted> {
  const checked = schema.safeParse(document.value);
  if (!checked.success) return { problems: shapeProblems(schema, checked.error.issues, document) };
  return { drafts: await make(checked.data) };
}

async function convertForeign(document: SourceDocument, ledger: Ledger): Promise<Converted> {
  const { problems } = await readForeign(document, {});
  if (problems.length > 0) return { problems };
  if (fieldOf(document, "kind") === "TrustRoot")
    return withShape(foreignKinds.TrustRoot, document, async (root) => importTrustRoot(root, document, ledger));
  return withShape(foreignKinds.ClusterImagePolicy, document, async (policy) =>
    importImagePolicy(policy, document, ledger),
  );
}

function fieldOf({ value }: SourceDocument, name: string): unknown {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? Reflect.get(value, name) : undefined;
}

function languageOf(document: SourceDocument, from: ImportLanguage | undefined): ImportLanguage | Problem {
  if (from !== undefined) return from;
  const [apiVersion, kind] = [fieldOf(document, "apiVersion"), fieldOf(document, "kind")];
  const group = typeof apiVersion === "string" ? apiVersion.split("/", 1)[0] : undefined;
  if (group === "policy.sigstore.dev") return "cluster-image-policy";
  if (group === "kyverno.io" || group === "policies.kyverno.io") return "kyverno";
  if (apiVersion === undefined && fieldOf(document, "default") !== undefined) return "containers-policy";
  return {
    place: document.placeOf(apiVersion === undefined ? [] : ["apiVersion"]),
    what: "not a policy of a language that is imported",
    expected: "policy.sigstore.dev, kyverno.io, policies.kyverno.io, or a policy.json of containers",
    found: describeValue(apiVersion ?? kind ?? document.value),
  };
}

/** Two rules may come to one name; the second is numbered. */
function distinctNames(drafts: readonly Draft[]): readonly Draft[] {
  const taken = new Set<string>();
  return drafts.map((draft) => {
    const keyOf = (name: string) => `${draft.kind} ${draft.namespace ?? ""} ${name}`;
    let name = draft.name;
    for (let number = 2; taken.has(keyOf(name)); number++) name = `${draft.name}-${number}`;
    taken.add(keyOf(name));
    return { ...draft, name };
  });
}

/** What would not load, such as a threshold that cannot be reached, becomes a refusal. */
async function refuseUnreadable(
  drafts: readonly Draft[],
  losses: Loss[],
  openRoot: OpenRoot,
): Promise<readonly Draft[]> {
  const roots = drafts.filter(({ kind }) => kind === "TrustRoot");
  const checked: Draft[] = [];
  for (const draft of drafts) {
    const beside = draft.kind === "TrustRoot" ? [] : roots;
    const problems = await problemsOf([...beside, draft], openRoot);
    const [first] = problems;
    if (first === undefined) {
      checked.push(draft);
      continue;
    }
    losses.push({
      place: draft.from,
      what: `it cannot be written as ${draft.kind} ${draft.name}: ${first.what}`,
      instead: draft.kind === "TrustRoot" ? "it is left out" : "every image that it matches is refused",
    });
    if (draft.kind !== "TrustRoot") checked.push(await refusalOf(draft, first));
  }
  return checked;
}

async function refusalOf(draft: Draft, { what }: Problem): Promise<Draft> {
  const { mode, images, exclude, match } = draft.spec;
  const authorities = [refusing(what)];
  const narrow = {
    ...draft,
    spec: JSON.parse(JSON.stringify({ mode, images, exclude, match, authorities })) as Draft["spec"],
  };
  if ((await problemsOf([narrow])).length === 0) return narrow;
  return { ...draft, spec: { mode, images: [{ glob: "**" }], authorities } };
}

async function problemsOf(drafts: readonly Draft[], openRoot?: OpenRoot): Promise<readonly Problem[]> {
  const text = drafts.map(yamlOf).join("---\n");
  const opening = openingRoots(namedRoots(rootsIn(text, "")), openRoot);
  const { problems } = await parsePolicies(text, "", opening);
  return problems;
}

function yamlOf({ kind, name, namespace, spec, notes = [] }: Draft): string {
  const metadata = { name, ...(namespace === undefined ? {} : { namespace }) };
  const value = { apiVersion: policyApiVersion, kind, metadata, spec };
  const document = new Document(value, { aliasDuplicateObjects: false });
  for (const { path, text } of notes) {
    const parent = document.getIn(["spec", ...path.slice(0, -1)], true);
    const key = isMap(parent)
      ? parent.items.find((pair) => isScalar(pair.key) && pair.key.value === path.at(-1))?.key
      : 0;
    if (isScalar(key)) key.commentBefore = ` ${text}`;
  }
  return document.toString({ lineWidth: 0 });
}

function toConversion(draft: Draft, losses: readonly Loss[]): Conversion {
  const { kind, name, namespace, from } = draft;
  const [file = ""] = from.split(/:\d+:\d+$/);
  const own = losses.filter(({ place }) => place.startsWith(`${file}:`) || place === file);
  const comments = [`Imported from ${from}`, ...own.map(({ place, what, instead }) => `${place}: ${what}; ${instead}`)];
  const head = comments.map((line) => `# ${line.replace(/[^\P{C}]/gu, " ")}\n`).join("");
  return { kind, name, ...(namespace === undefined ? {} : { namespace }), from, text: `${head}${yamlOf(draft)}` };
}

/** The documents as one YAML file. */
export function formatConversions(conversions: readonly Conversion[]): string {
  return conversions.map(({ text }) => `---\n${text}`).join("");
}
