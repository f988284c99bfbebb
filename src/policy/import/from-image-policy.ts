import type { SourceDocument } from "../document.ts";
import { predicateTypeOf, readAttestationRules } from "../foreign/attestation-rule.ts";
import { parseNameGlob } from "../foreign/name-glob.ts";
import { type RemoteRepository, remoteSource } from "../foreign/remote-root.ts";
import type { ForeignRootDocument, ImageAuthority, ImagePolicyDocument } from "../foreign/schema.ts";
import { trustedRootOf } from "../foreign/trust-root.ts";
import {
  type Draft,
  type Ledger,
  type NativeImages,
  type Note,
  nativeGlob,
  objectNameOf,
  refusing,
  wordOf,
} from "./draft.ts";
import { importAuthority, type MadeAuthority } from "./image-authorities.ts";

type Spec = ImagePolicyDocument["spec"];
type Image = NativeImages["images"][number];

/** A native TrustRoot; nothing where the keys are in a TUF repository that is not fetched. */
export function importTrustRoot(
  { metadata, spec }: ForeignRootDocument,
  document: SourceDocument,
  ledger: Ledger,
): readonly Draft[] {
  const { sigstoreKeys, trustedRootJSON } = spec;
  const from = document.placeOf([]);
  const draft = (root: Draft["spec"]): Draft => ({ kind: "TrustRoot", name: metadata.name, spec: root, from });
  if (sigstoreKeys !== undefined) return [draft({ trustedRoot: trustedRootOf(sigstoreKeys) })];
  if (trustedRootJSON !== undefined && trustedRootJSON !== "")
    return [draft({ trustedRoot: JSON.parse(trustedRootJSON) })];
  const tuf = spec.remote === undefined ? undefined : nativeRepository(metadata.name, spec.remote);
  if (tuf !== undefined) return [draft({ tuf })];
  const field = spec.remote === undefined ? "repository" : "remote";
  const instead = `no TrustRoot is written: add it (trust root add ${metadata.name}) before what refers to it is imported`;
  ledger.lose(["spec", field], "such a repository has no equivalent in a policy", instead);
  return [];
}

/** The same repository in a native TrustRoot; nothing where that cannot say it. */
function nativeRepository(name: string, remote: RemoteRepository): object | undefined {
  try {
    const { mirror, target, targets } = remoteSource(name, remote);
    return targets === undefined ? { root: remote.root, mirror, target } : undefined;
  } catch {
    return undefined;
  }
}

/** Native policies that refuse all that a ClusterImagePolicy refuses. */
export async function importImagePolicy(
  { metadata, spec }: ImagePolicyDocument,
  document: SourceDocument,
  ledger: Ledger,
): Promise<readonly Draft[]> {
  const from = document.placeOf([]);
  const common = { mode: spec.mode === "warn" ? "warn" : "enforce", ...matchOf(spec, ledger) };
  const images = spec.images.map(({ glob }) => imageOf(parseNameGlob(glob)));
  const drafts: Draft[] = [];
  const known = images.flatMap((image) => image ?? []);
  if (known.length > 0) {
    const { notes, ...rules } = await rulesOf(spec, ledger);
    drafts.push({
      kind: "ClusterTrustPolicy",
      name: metadata.name,
      spec: { ...common, images: known, ...rules },
      ...(notes === undefined ? {} : { notes }),
      from,
    });
  }
  for (const [index, image] of images.entries()) {
    if (image !== undefined) continue;
    const written = spec.images[index]?.glob ?? "";
    const glob = nativeGlob(written.replace(/[@].*$/, "")) ?? "**";
    const why = `the glob ${written}`;
    ledger.lose(["spec", "images", index, "glob"], `${why} has no equivalent`, `all of ${glob} is refused`);
    const name = objectNameOf(metadata.name, "refused", index);
    drafts.push({
      kind: "ClusterTrustPolicy",
      name,
      spec: { ...common, images: [{ glob }], authorities: [refusing(why)] },
      from,
    });
  }
  return drafts;
}

/** The images of a glob over whole names; nothing where no native glob means them. */
function imageOf(text: string): Image | undefined {
  if (text === "**" || text === "*/**") return { glob: "**" };
  if (text.includes("@") || text.includes("***")) return undefined;
  const [repository, tag] = splitTag(text.replace(/^index\.docker\.io\//, "docker.io/"));
  if (!repository.includes("/") && repository.includes("**")) return undefined;
  // What has no slash can only be the short name of an official image.
  const glob = nativeGlob(repository.includes("/") ? repository : `docker.io/library/${repository}`);
  if (glob === undefined) return undefined;
  if (tag === undefined) return repository.endsWith("*") ? { glob } : { glob, tags: ["latest"] };
  const tags = tag.replaceAll("**", "*");
  return tags === "*" ? { glob } : /^[A-Za-z0-9_.*-]+$/.test(tags) ? { glob, tags: [tags] } : undefined;
}

function splitTag(text: string): readonly [string, string | undefined] {
  const colon = text.lastIndexOf(":");
  return colon <= text.lastIndexOf("/") ? [text, undefined] : [text.slice(0, colon), text.slice(colon + 1)];
}

/** Objects that it speaks about; without a way to say so it speaks about all. */
function matchOf({ match = [] }: Spec, ledger: Ledger): object {
  if (match.length === 0) return {};
  const entries = match.map(({ group = "", resource = "", version, selector }, index) => {
    const isKnown = resource !== "" && (version === "v1" || version === "*");
    const labels = selector?.matchLabels ?? {};
    const expressions = selector?.matchExpressions ?? [];
    const objectSelector = {
      ...(Object.keys(labels).length === 0 ? {} : { matchLabels: labels }),
      ...(expressions.length === 0 ? {} : { matchExpressions: expressions }),
    };
    if (!isKnown)
      ledger.lose(["spec", "match", index], "it matches no object in policy-controller", "it matches every object");
    return {
      ...(isKnown ? { apiGroups: [group], resources: [resource] } : {}),
      ...(isKnown && Object.keys(objectSelector).length > 0 ? { objectSelector } : {}),
    };
  });
  return entries.some((entry) => Object.keys(entry).length === 0) ? {} : { match: entries };
}

interface ReadAuthority {
  readonly written: ImageAuthority;
  readonly index: number;
  readonly made: MadeAuthority;
}

type Rules = Readonly<Record<string, unknown>> & { readonly notes?: readonly Note[] };

/**
 * Authorities and attestations. Natively attestations are asked of every image, whoever signed it: beside authorities that
 * sign, those that attest are left out, and of several that attest all but the first.
 */
async function rulesOf({ authorities, policy }: Spec, ledger: Ledger): Promise<Rules> {
  if (policy !== undefined) {
    const language = policy.type === "rego" ? "Rego" : "CUE";
    ledger.lose(
      ["spec", "policy"],
      `a rule in ${language} has no equivalent`,
      "every image is refused; write it as a condition in CEL",
    );
    return { authorities: [refusing(`spec.policy, a rule in ${language}`)] };
  }
  const taken = new Set<string>();
  const read: ReadAuthority[] = [];
  for (const [index, written] of authorities.entries()) {
    const made = await importAuthority(written, index, ledger);
    if (made === undefined) continue;
    const name = taken.has(made.name) ? `${made.name}-${index}` : made.name;
    taken.add(name);
    read.push({ written, index, made: { ...made, name } });
  }
  const signing = read.filter(({ written }) => (written.attestations ?? []).length === 0);
  const attesting = read.filter(({ written }) => (written.attestations ?? []).length > 0);
  const [first] = attesting;
  const leftOut = signing.length > 0 ? attesting : attesting.slice(1);
  for (const { index } of leftOut)
    ledger.lose(
      ["spec", "authorities", index, "attestations"],
      "attestations in the place of a signature, beside other authorities, have no equivalent",
      "the authority is left out: what only it vouches for is refused",
    );
  if (signing.length > 0) return { authorities: signing.map(({ made }) => made) };
  if (first === undefined) return { authorities: [refusing("no authority could be expressed")] };
  return { authorities: [first.made], threshold: 0, ...(await attestationsOf(first, ledger)) };
}

/** The attestations of the one authority that attests, with what CUE asks of them as conditions. */
async function attestationsOf(
  { written, index: authority, made }: ReadAuthority,
  ledger: Ledger,
): Promise<Pick<Rules, "notes"> & { readonly attestations: readonly object[] }> {
  const rules = await readAttestationRules(written.attestations);
  const notes: Note[] = [];
  const attestations = (written.attestations ?? []).map((one, index) => {
    const rule = rules[index];
    const condition = rule !== undefined && "condition" in rule ? rule.condition.expression : undefined;
    if (condition !== undefined) {
      const source = ["spec", "authorities", authority, "attestations", index, "policy"];
      ledger.lose(source, "CUE lets a statement pass that lacks a field of the rule", "the condition refuses it");
      notes.push({ path: ["attestations", index, "condition"], text: stricter });
    }
    return {
      name: `${wordOf(one.name)}-${index}`.replace(/-0$/, ""),
      predicateType: predicateTypeOf(one),
      authorities: [made.name],
      select: "any",
      ...(condition === undefined ? {} : { condition }),
    };
  });
  return { attestations, ...(notes.length === 0 ? {} : { notes }) };
}

const stricter =
  "Made from a rule in CUE, and stricter: CUE fills in a field that a statement lacks; here it must be there.";
