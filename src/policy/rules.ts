import { parseDigest } from "../crypto/digest.ts";
import type { PublicKey } from "../crypto/public-key.ts";
import { asTrustError, TrustError } from "../errors.ts";
import { type Mirror, parseMirrorPlace } from "../oci/mirrors.ts";
import type { SourceDocument } from "./document.ts";
import { matchesGlob, parseImageGlob } from "./glob.ts";
import { keyProblems, toKeyLifetime } from "./key-rules.ts";
import { maximumMatching } from "./matching.ts";
import type { Authority, Freshness, ImagePattern, NonEmpty, ObjectMatch, TrustPolicy } from "./policy.ts";
import { parsePolicyKeys } from "./policy-keys.ts";
import type { Problem } from "./problem.ts";
import type { AuthorityDocument, PolicyDocument } from "./schema.ts";
import { parseDuration } from "./settings.ts";

/** Reads the file that `key.file` names, relative to the policy file. Throws a `TrustError` that says why not. */
export type ReadKeyFile = (file: string) => Promise<string>;

/** The policies of one source, and everything that is wrong with it. */
export interface ParsedPolicies {
  readonly policies: readonly TrustPolicy[];
  readonly problems: readonly Problem[];
}

/** Makes a policy out of a document that has the right shape: reads its keys and holds it to the rules that span fields. */
export async function toTrustPolicy(
  { metadata, spec }: PolicyDocument,
  document: SourceDocument,
  readKeyFile: ReadKeyFile | undefined,
): Promise<ParsedPolicies> {
  const namespace = "namespace" in metadata ? metadata.namespace : undefined;
  const read = await Promise.all(
    spec.authorities.map((authority, index) => readAuthority(authority, index, document, readKeyFile)),
  );
  const authorities = read.flatMap(({ authority }) => authority ?? []);
  const problems = [
    ...read.flatMap(({ problem }) => problem ?? []),
    ...sameNames(spec.authorities, document),
    ...keyProblems(spec.authorities, document),
    ...tenantMirrors(spec.mirrors, namespace, document),
    ...deadMatches(spec.match, namespace, document),
  ];
  if (problems.length > 0) return { policies: [], problems };
  const unreachable = unreachableThreshold(spec.threshold, authorities, document);
  if (unreachable !== undefined) return { policies: [], problems: [unreachable] };
  const policy: TrustPolicy = {
    name: metadata.name,
    ...(namespace === undefined ? {} : { namespace }),
    mode: spec.mode,
    images: nonEmpty(spec.images.map(toImagePattern)),
    exclude: spec.exclude.map(parseImageGlob),
    match: spec.match.map(toObjectMatch),
    authorities: nonEmpty(authorities),
    threshold: spec.threshold,
    ...(spec.revokedSignatures === undefined ? {} : { revokedSignatures: spec.revokedSignatures.map(parseDigest) }),
    ...(spec.signedIdentity === "any" ? {} : { signedIdentity: spec.signedIdentity }),
    ...(spec.platforms === "index" ? {} : { platforms: spec.platforms }),
    ...(spec.mirrors === undefined ? {} : { mirrors: spec.mirrors.map(toMirror) }),
    ...(spec.freshness === undefined ? {} : { freshness: toFreshness(spec.freshness) }),
    source: document.placeOf([]),
  };
  return { policies: [policy], problems: [] };
}

async function readAuthority(
  { name, owner, key, annotations }: AuthorityDocument,
  index: number,
  document: SourceDocument,
  readKeyFile: ReadKeyFile | undefined,
): Promise<{ readonly authority?: Authority; readonly problem?: Problem }> {
  try {
    const keys = await readKeys(key, readKeyFile);
    const lifetime = toKeyLifetime(key);
    return {
      authority: {
        kind: "key",
        name,
        ...(owner === undefined ? {} : { owner }),
        keys,
        ...(lifetime === undefined ? {} : { lifetime }),
        ...(annotations === undefined ? {} : { annotations }),
      },
    };
  } catch (error) {
    const { message, expected, found } = asTrustError(error);
    const field = key.file === undefined ? "data" : "file";
    const place = document.placeOf(["spec", "authorities", index, "key", field]);
    return { problem: { place, what: `spec.authorities[${index}].key.${field}: ${message}`, expected, found } };
  }
}

async function readKeys(
  key: AuthorityDocument["key"],
  readKeyFile: ReadKeyFile | undefined,
): Promise<NonEmpty<PublicKey>> {
  if (key.file === undefined) return parsePolicyKeys(key.data ?? "");
  if (readKeyFile === undefined)
    throw new TrustError("POLICY_INVALID", "a key file in a policy that is not read from disk", {
      expected: "the key in data",
    });
  return parsePolicyKeys(await readKeyFile(key.file));
}

function sameNames(authorities: readonly AuthorityDocument[], document: SourceDocument): readonly Problem[] {
  return authorities.flatMap(({ name }, index) => {
    if (authorities.findIndex((other) => other.name === name) === index) return [];
    const what = `spec.authorities[${index}].name is taken by another authority`;
    const place = document.placeOf(["spec", "authorities", index, "name"]);
    return [{ place, what, expected: "each name once", found: JSON.stringify(name) }];
  });
}

/** A policy of one namespace that asks for another would never apply, and nobody would see that it does not. */
function deadMatches(
  match: PolicyDocument["spec"]["match"],
  namespace: string | undefined,
  document: SourceDocument,
): readonly Problem[] {
  if (namespace === undefined) return [];
  return match.flatMap(({ namespaces }, index) => {
    if (namespaces === undefined || namespaces.some((glob) => matchesGlob(glob, namespace))) return [];
    const what = `spec.match[${index}].namespaces leaves out the namespace of the policy, so it can never match`;
    return [{ place: document.placeOf(["spec", "match", index, "namespaces"]), what, expected: namespace }];
  });
}

/** A threshold that no set of signers can reach, counting as an evaluation does. */
function unreachableThreshold(
  threshold: number,
  authorities: readonly Authority[],
  document: SourceDocument,
): Problem | undefined {
  const candidates = authorities.flatMap((authority) => {
    const { name, owner = name } = authority;
    // Nobody knows how many keys a certificate authority will certify.
    const signers = authority.kind === "key" ? authority.keys.map(({ keyId }) => keyId) : [`any of ${name}`];
    return signers.map((signer) => ({ owner, signer }));
  });
  const most = maximumMatching(
    candidates,
    ({ owner }) => owner,
    ({ signer }) => signer,
  ).length;
  if (threshold <= most) return undefined;
  const place = document.placeOf(["spec", "threshold"]);
  const what = "spec.threshold can never be reached: owners and keys each count once";
  return { place, what, expected: `at most ${most}`, found: `${threshold}` };
}

function toImagePattern({ glob, tags }: PolicyDocument["spec"]["images"][number]): ImagePattern {
  return { glob: parseImageGlob(glob), ...(tags === undefined ? {} : { tags: nonEmpty(tags) }) };
}

function toMirror({ from, to }: Mirror): Mirror {
  return { from: parseMirrorPlace(from), to: parseMirrorPlace(to) };
}

/** Where everybody's images are fetched is for the cluster to say, not for one namespace. */
function tenantMirrors(
  mirrors: readonly Mirror[] | undefined,
  namespace: string | undefined,
  document: SourceDocument,
): readonly Problem[] {
  if (mirrors === undefined || namespace === undefined) return [];
  const what = "spec.mirrors in a policy of one namespace";
  return [{ place: document.placeOfKey(["spec", "mirrors"]), what, expected: "mirrors in a ClusterTrustPolicy" }];
}

function toFreshness({ maxAge, grace, ...rest }: NonNullable<PolicyDocument["spec"]["freshness"]>): Freshness {
  return {
    ...rest,
    ...(maxAge === undefined ? {} : { maxAge: parseDuration(maxAge) }),
    grace: grace === undefined ? 0 : parseDuration(grace),
  };
}

function toObjectMatch(match: PolicyDocument["spec"]["match"][number]): ObjectMatch {
  const { apiGroups, resources, namespaces, objectSelector } = match;
  return {
    ...(apiGroups === undefined ? {} : { apiGroups: nonEmpty(apiGroups) }),
    ...(resources === undefined ? {} : { resources: nonEmpty(resources) }),
    ...(namespaces === undefined ? {} : { namespaces: nonEmpty(namespaces) }),
    ...(objectSelector === undefined ? {} : { objectSelector }),
  };
}

/** The schema has refused empty lists; this says so to the compiler. */
function nonEmpty<T>(items: readonly T[]): NonEmpty<T> {
  const [first, ...rest] = items;
  if (first === undefined) throw new TrustError("INTERNAL", "an empty list that should not have loaded");
  return [first, ...rest];
}
