import type { Digest } from "../crypto/digest.ts";
import { type Finding, toFinding } from "../errors.ts";
import type { FoundSignatures, Search, SignatureBundle, SignatureFormat, TrustMaterial } from "../formats/format.ts";
import type { Child } from "../oci/children.ts";
import type { EvidencePlaces } from "../oci/evidence-places.ts";
import { openPlaces } from "../oci/places.ts";
import { formatReference, formatRepository, type ImageReference, type RepositoryName } from "../oci/reference.ts";
import type { Registry } from "../oci/registry.ts";
import { placeKey } from "../policy/mirrors.ts";
import type { SignaturePlace } from "../policy/policy.ts";
import type { VerifierSettings } from "../policy/settings.ts";
import { createAgedCache } from "./aged-cache.ts";
import { type BoundedPlaces, createPlacesBound } from "./bounded-places.ts";
import { createChildren } from "./children.ts";
import { createConfigs, type ReadConfigs } from "./configs.ts";
import { createProver, type Proved } from "./prover.ts";

/** What is proved about a subject, and a finding for each claim that could not be proved or place that could not be read. */
export interface Evidence extends Proved {
  readonly complete: boolean;
  /** When all places were last read, milliseconds since 1970: a proof holds for ever, a listing only as long as it is young. */
  readonly listedAt: number;
  /** When reading them was last tried; asking again sooner than `denyRelist` after it is no use. */
  readonly askedAt: number;
  /** The registry's failure, where the listing is an older one used in its place. */
  readonly staleBecause?: Finding;
  /** When what is out of reach now was listed, where it counts all the same; milliseconds since 1970. */
  readonly keptFrom?: number | undefined;
}

/** What a tag stood for, and when it was asked. */
export interface ResolvedTag {
  readonly digest: Digest;
  readonly resolvedAt: number;
  readonly staleBecause?: Finding;
}

/**
 * Finds signatures and proves them; caches both by content, never a verdict. Requests for the same thing at the same
 * time become one. Errors (only categories `unavailable` and `config`, and `IMAGE_NOT_FOUND`) are never cached.
 */
export interface EvidenceStore {
  resolve(ref: ImageReference, maxAge: number): Promise<ResolvedTag>;
  /** Throws `IMAGE_NOT_FOUND` where the registry does not have the manifest. */
  confirm(ref: ImageReference, maxAge: number): Promise<void>;
  /** Everything below an index; nothing for an image manifest. */
  children(name: RepositoryName, digest: Digest): Promise<readonly Child[] | undefined>;
  /** What an image is run with, for conditions that speak of it. */
  readonly configs: ReadConfigs;
  /** What `search` asks for, in the repository and in the one for signatures. */
  collect(
    name: RepositoryName,
    subject: Digest,
    trust: TrustMaterial,
    maxAge: number,
    search?: Search,
  ): Promise<Evidence>;
}

interface EvidenceOptions {
  readonly registry: Registry;
  readonly settings: VerifierSettings;
  readonly formats: readonly SignatureFormat[];
  /** Where signatures of all images are looked for, beside the image's own repository. */
  readonly signatureRepository?: RepositoryName | undefined;
  /** Where else policies say that they are. */
  readonly signaturesAt?: readonly SignaturePlace[];
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

interface Listing extends FoundSignatures {
  readonly listedAt: number;
  readonly askedAt: number;
  readonly keptFrom?: number;
}

const readLimits = { each: 16 * 1024 * 1024, together: 128 * 1024 * 1024 };
/** Where attestations are asked for: one of the largest, and others. */
const attestationLimits = { each: 192 * 1024 * 1024, together: 256 * 1024 * 1024 };
/** So many times as long may their reading take. */
const attestationPatience = 12;
const maxListingBytes = 64 * 1024 * 1024;
const maxTags = 20_000;

export function createEvidenceStore(options: EvidenceOptions): EvidenceStore {
  const { settings, now } = options;
  const tags = createAgedCache<ResolvedTag>({
    // Counted by size: with `max` the cache would make room for all of them at once.
    maxSize: maxTags,
    sizeCalculation: () => 1,
    ttl: settings.tagTtl,
    staleFor: settings.staleTag,
    now,
    ageOf: (tag) => tag.resolvedAt,
  });
  const listings = createAgedCache<Listing>({
    maxSize: maxListingBytes,
    sizeCalculation: sizeOf,
    ttl: settings.evidenceTtl,
    staleFor: settings.staleEvidence,
    now,
    ageOf: (listing) => listing.listedAt,
  });
  const prove = createProver(options.formats);
  const bound = createPlacesBound(readLimits);
  const boundLarge = createPlacesBound(attestationLimits);
  const resolve = (ref: ImageReference, maxAge: number) =>
    tags(formatReference(ref), maxAge, () => resolveTag(options, ref));
  const children = createChildren(options.registry, settings.limits.timeout);
  return {
    async resolve(ref, maxAge) {
      if (ref.digest !== undefined) return { digest: ref.digest, resolvedAt: now() };
      const { value, staleBecause } = await resolve(ref, maxAge);
      return staleBecause === undefined ? value : { ...value, staleBecause };
    },
    children,
    configs: createConfigs(options.registry, children, settings.limits.timeout),
    async confirm(ref, maxAge) {
      await resolve(ref, maxAge);
    },
    async collect(name, subject, trust, maxAge, search = {}) {
      const key = `${formatRepository(name)}@${subject} ${search.attestations === true} ${search.predicateType ?? ""}`;
      const { value, staleBecause } = await listings(key, maxAge, async (old) => {
        const bounded = search.attestations === true ? boundLarge : bound;
        const places = placesOf(options, name, search).map(bounded);
        return list(options, { places, subject, search }, old).finally(() => {
          for (const place of places) place.release();
        });
      });
      const proved = await prove(value, subject, trust, now());
      const { complete, listedAt, askedAt, keptFrom } = value;
      if (staleBecause === undefined) return { ...proved, complete, listedAt, askedAt, keptFrom };
      return { ...proved, complete, listedAt, askedAt: now(), staleBecause };
    },
  };
}

async function resolveTag({ registry, settings, now }: EvidenceOptions, ref: ImageReference): Promise<ResolvedTag> {
  const resolvedAt = now();
  const descriptor = await registry.resolve(ref, { signal: AbortSignal.timeout(settings.limits.timeout) });
  return { digest: descriptor.digest, resolvedAt };
}

/** The places in the image's own repository, in the repository for signatures, and where policies say; each once. */
function placesOf(options: EvidenceOptions, name: RepositoryName, search: Search): readonly EvidencePlaces[] {
  const { registry, settings, signatureRepository, signaturesAt = [] } = options;
  const patience = search.attestations === true ? attestationPatience : 1;
  const common = signatureRepository === undefined ? [] : [{ repository: signatureRepository }];
  const all: readonly SignaturePlace[] = [{ repository: name }, ...common, ...signaturesAt];
  return [...new Map(all.map((place) => [placeKey(place), place])).values()].map(({ repository, tagPrefix = "" }) => {
    const places = openPlaces(registry, repository, {
      maxSignatures: settings.limits.signatures,
      maxPages: settings.limits.pages,
      signal: AbortSignal.timeout(settings.limits.timeout * patience),
    });
    return tagPrefix === "" ? places : { ...places, taggedManifest: (tag) => places.taggedManifest(tagPrefix + tag) };
  });
}

/** What is looked for, and where. */
interface Looking {
  readonly places: readonly BoundedPlaces[];
  readonly subject: Digest;
  readonly search: Search;
}

/**
 * Asks every format at once; the places they share are read once. A place that fails hides no other, and where it is
 * only out of reach, what was found there before still counts.
 */
async function list(
  { settings, formats, now }: EvidenceOptions,
  { places, subject, search }: Looking,
  old: Listing | undefined,
): Promise<Listing> {
  const listedAt = now();
  const asked = places.flatMap((place) => formats.map((format) => format.find(place, subject, search)));
  const results = await Promise.allSettled(asked);
  const found = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  const failures = results.flatMap((result) => (result.status === "rejected" ? [result.reason as unknown] : []));
  if (found.length === 0) throw failures[0];
  const listing = {
    bundles: [...new Map(found.flatMap((item) => item.bundles).map((bundle) => [claimOf(bundle), bundle])).values()],
    findings: distinctFindings([
      ...found.flatMap((item) => item.findings),
      ...failures.map((error) => toFinding(error)),
    ]),
    complete:
      failures.length === 0 && !places.some((place) => place.isExhausted()) && found.every((item) => item.complete),
    listedAt,
    askedAt: listedAt,
  };
  if (listing.findings.every((finding) => finding.category !== "unavailable")) return listing;
  const age = old === undefined ? Number.NaN : listedAt - old.listedAt;
  return partialListing(listing, age >= 0 && age <= settings.evidenceTtl + settings.staleEvidence ? old : undefined);
}

/** Too old at birth, so that the next question asks again; keeps what the last whole listing had. */
function partialListing(listing: Listing, old: Listing | undefined): Listing {
  const partial = { ...listing, complete: false, listedAt: old?.listedAt ?? 0 };
  const seen = new Set(listing.bundles.map(claimOf));
  const kept = old?.bundles.filter((bundle) => !seen.has(claimOf(bundle))) ?? [];
  if (kept.length === 0) return partial;
  return { ...partial, bundles: [...kept, ...listing.bundles], keptFrom: partial.listedAt };
}

function claimOf(bundle: SignatureBundle): string {
  return `${bundle.format} ${bundle.claimId}`;
}

function distinctFindings(findings: readonly Finding[]): readonly Finding[] {
  return [
    ...new Map(
      findings
        // That a limit was reached is told once, for all that was not read.
        .filter((finding) => finding.code !== "EVIDENCE_INCOMPLETE")
        .map((finding) => [`${finding.code} ${finding.message} ${finding.evidence ?? ""}`, finding]),
    ).values(),
  ];
}

function sizeOf(listing: Listing): number {
  return listing.bundles.reduce(
    (sum, bundle) => sum + bundle.content.length + 1000,
    1000 + listing.findings.length * 1000,
  );
}
