import { type Digest, type DigestAlgorithm, digestAlgorithm, digestOf, isDigest } from "../crypto/digest.ts";
import { TrustError } from "../errors.ts";
import type { LayoutFiles } from "./layout-files.ts";
import { readLayoutIndex } from "./layout-index.ts";
import { type Descriptor, maxManifestBytes, parseManifest } from "./manifest.ts";
import { manifestMediaType } from "./media-type.ts";
import { referrerDescriptor } from "./referrer-descriptor.ts";
import type { ReferrersPage } from "./registry.ts";

const algorithms: readonly DigestAlgorithm[] = ["sha256", "sha512"];
/** Bounds of the search; a layout with more is listed as incomplete. */
const maxFiles = 5_000;
const maxBytesRead = 256 * 1024 * 1024;
/** Manifests of referrers are small; of loose blobs only what could be one is read. */
const maxLooseManifest = 256 * 1024;

/** Finds what refers to a subject in a layout. */
export interface ReferrerFinder {
  find(subject: Digest): Promise<ReferrersPage>;
  /** To be told of every change made here: the layout is read again. */
  forget(): void;
}

interface Survey {
  readonly bySubject: Map<Digest, Descriptor[]>;
  complete: boolean;
  /** Bytes read. */
  read: number;
  readonly seen: Set<Digest>;
}

/**
 * The referrers in a layout: manifests of index.json and, because `cosign save` lists its bundles nowhere, loose blobs
 * that name a subject. All of it is read once, for all subjects, until index.json changes.
 */
export function createReferrerFinder(files: LayoutFiles): ReferrerFinder {
  let known: { readonly of: string; readonly survey: Promise<Survey> } | undefined;
  return {
    async find(subject) {
      const { document } = await readLayoutIndex(files);
      const of = digestOf(Buffer.from(JSON.stringify(document)));
      known = known?.of === of ? known : { of, survey: surveyLayout(files) };
      try {
        const { bySubject, complete } = await known.survey;
        return { supported: true, descriptors: bySubject.get(subject) ?? [], complete };
      } catch (error) {
        known = undefined;
        throw error;
      }
    },
    forget() {
      known = undefined;
    },
  };
}

async function surveyLayout(files: LayoutFiles): Promise<Survey> {
  const survey: Survey = { bySubject: new Map(), complete: true, read: 0, seen: new Set() };
  const index = await readLayoutIndex(files);
  for (const { descriptor } of index.entries) await look(files, survey, descriptor.digest, maxManifestBytes);
  for (const algorithm of algorithms) {
    const names = await files.list(`blobs/${algorithm}`, maxFiles);
    if (names.length > maxFiles) survey.complete = false;
    for (const name of names.slice(0, maxFiles).sort()) {
      const digest = `${algorithm}:${name}`;
      if (isDigest(digest)) await look(files, survey, digest, maxLooseManifest);
    }
  }
  return survey;
}

async function look(files: LayoutFiles, survey: Survey, digest: Digest, maxBytes: number): Promise<void> {
  if (survey.seen.has(digest)) return;
  survey.seen.add(digest);
  const path = `blobs/${digest.replace(":", "/")}`;
  const size = (await files.size(path)) ?? 0;
  if (size === 0 || size > maxBytes) return;
  survey.read += size;
  if (survey.read > maxBytesRead) survey.complete = false;
  if (!survey.complete) return;
  const bytes = await files.read(path, maxBytes);
  const found = bytes === undefined ? undefined : referrerIn(bytes, digest);
  if (found === undefined) return;
  survey.bySubject.set(found.subject, [...(survey.bySubject.get(found.subject) ?? []), found.descriptor]);
}

function referrerIn(bytes: Buffer, digest: Digest) {
  // Most blobs are no manifests: look before parsing.
  if (bytes[0] !== 0x7b || !bytes.includes('"subject"')) return undefined;
  if (digestOf(bytes, digestAlgorithm(digest)) !== digest) return undefined;
  try {
    const mediaType = manifestMediaType(bytes, undefined);
    const subject = parseManifest(bytes, mediaType).subject?.digest;
    return subject === undefined ? undefined : { subject, descriptor: referrerDescriptor(bytes, mediaType, digest) };
  } catch (error) {
    if (error instanceof TrustError) return undefined;
    throw error;
  }
}
