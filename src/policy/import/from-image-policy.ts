import { predicateKinds } from "../../formats/predicate-types.ts";
import type { SourceDocument } from "../document.ts";
import { parseNameGlob } from "../foreign/name-glob.ts";
import { type RemoteRepository, remoteSource } from "../foreign/remote-root.ts";
import type { ForeignRootDocument, ImagePolicyDocument } from "../foreign/schema.ts";
import { trustedRootOf } from "../foreign/trust-root.ts";
import { type Draft, type Ledger, type NativeImages, nativeGlob, objectNameOf, refusing, wordOf } from "./draft.ts";
import { importAuthority } from "./image-authorities.ts";

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
export function importImagePolicy(
  { metadata, spec }: ImagePolicyDocument,
  document: SourceDocument,
  ledger: Ledger,
): readonly Draft[] {
  const from = document.placeOf([]);
  const common = { mode: spec.mode === "warn" ? "warn" : "enforce", ...matchOf(spec, ledger) };
  const images = spec.images.map(({ glob }) => imageOf(parseNameGlob(glob)));
  const drafts: Draft[] = [];
  const known = images.flatMap((image) => image ?? []);
  if (known.length > 0)
    drafts.push({
      kind: "ClusterTrustPolicy",
      name: metadata.name,
      spec: { ...common, images: known, ...rulesOf(spec, ledger) },
      from,
    });
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

/**
 * Authorities and attestations. Natively attestations are asked of every image, whoever signed it: beside authorities that
 * sign, those that attest are left out, and of several that attest all but the first.
 */
function rulesOf({ authorities, policy }: Spec, ledger: Ledger): object {
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
  const read = authorities.flatMap((written, index) => {
    const made = importAuthority(written, index, ledger);
    if (made === undefined) return [];
    const name = taken.has(made.name) ? `${made.name}-${index}` : made.name;
    taken.add(name);
    return [{ written, index, made: { ...made, name } }];
  });
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
  const { name } = first.made;
  const attestations = (first.written.attestations ?? []).map((one, index) => ({
    name: `${wordOf(one.name)}-${index}`.replace(/-0$/, ""),
    predicateType: typeOf(one.predicateType),
    authorities: [name],
    select: "any",
  }));
  return { authorities: [first.made], threshold: 0, attestations };
}

function typeOf(type: string): string {
  return Object.hasOwn(predicateKinds, type) ? predicateKinds[type as keyof typeof predicateKinds].uri : type;
}
