import type { Digest } from "../crypto/digest.ts";
import type { Descriptor, FetchedManifest } from "./manifest.ts";
import type { ImageReference, RepositoryName } from "./reference.ts";

export interface RequestOptions {
  readonly signal?: AbortSignal | undefined;
}

/** What to push under a digest: the bytes, or a way to open a stream of them (again, for a retry). */
export interface BlobContent {
  readonly digest: Digest;
  readonly size: number;
  open(): AsyncIterable<Uint8Array>;
  /** The stream itself fails at its end unless it had that size and digest: nobody needs to hash it again. */
  readonly isChecked?: boolean;
}

/** What a push of a blob came to: it was there, it was linked from another repository, or its bytes were sent. */
export type BlobPush = "present" | "mounted" | "sent";

/** What a referrers listing found. `complete` is false where a limit ended it. */
export interface ReferrersPage {
  /** False: the registry has no referrers API (404); the fallback tag is the only list. */
  readonly supported: boolean;
  readonly descriptors: readonly Descriptor[];
  readonly complete: boolean;
}

export interface PushManifestOptions extends RequestOptions {
  /** ETag of the version this one replaces: a registry that honours If-Match refuses a stale update with `UPDATE_CONFLICT`. */
  readonly ifMatch?: string | undefined;
}

export interface PushedManifest {
  readonly descriptor: Descriptor;
  /** The `OCI-Subject` header: the registry has listed this manifest among its subject's referrers. */
  readonly subject?: Digest;
}

/** A tagged manifest, or nothing; `etag` where the registry gives one. */
export interface TaggedManifest extends FetchedManifest {
  readonly etag?: string;
}

/**
 * A place that keeps images: a registry over HTTP or an OCI layout folder. The only door to content: whatever comes
 * through it has the digest and size it was asked by, and is bounded (manifests 4 MiB, blobs by the caller).
 *
 * Errors: `IMAGE_NOT_FOUND` where a manifest or repository is missing, `SIGNATURE_MISSING` where a blob is,
 * `CONTENT_MISMATCH`, `CONTENT_TOO_LARGE`, `MANIFEST_INVALID`, `AUTHENTICATION_REQUIRED`, `AUTHORIZATION_DENIED`,
 * `REGISTRY_UNREACHABLE`, `REGISTRY_ERROR`, `REGISTRY_REFUSED`, `TLS_FAILED`, `DEADLINE_EXCEEDED`.
 */
export interface Registry {
  /** One HEAD (or GET where the registry answers it without a digest): what the tag or digest stands for. */
  resolve(ref: ImageReference, options?: RequestOptions): Promise<Descriptor>;
  /** The manifest under a digest or tag, checked. */
  fetchManifest(name: RepositoryName, reference: string, options?: RequestOptions): Promise<TaggedManifest>;
  /** A whole blob in memory, checked; at most `maxBytes`. Without a size, by its digest alone. */
  fetchBlob(
    name: RepositoryName,
    descriptor: Pick<Descriptor, "digest"> & Partial<Pick<Descriptor, "size">>,
    maxBytes: number,
    options?: RequestOptions,
  ): Promise<Buffer>;
  /** A blob piece by piece; throws `CONTENT_MISMATCH` at the end, so nothing may be believed before. */
  streamBlob(
    name: RepositoryName,
    descriptor: Pick<Descriptor, "digest" | "size">,
    options?: RequestOptions,
  ): AsyncIterable<Buffer>;
  /** The referrers API only; at most `maxPages` pages. See `oci/referrers.ts` for API and fallback tag together. */
  listReferrers(
    name: RepositoryName,
    subject: Digest,
    maxPages: number,
    options?: RequestOptions,
  ): Promise<ReferrersPage>;
  /** Pushes a blob unless it is there already. With `from`, a mount from that repository is tried first. */
  pushBlob(
    name: RepositoryName,
    content: BlobContent,
    options?: RequestOptions & { readonly from?: string | undefined },
  ): Promise<BlobPush>;
  /** Pushes a manifest under a tag, or under its digest where `tag` is undefined. */
  pushManifest(
    name: RepositoryName,
    manifest: { readonly bytes: Uint8Array; readonly mediaType: string; readonly tag?: string | undefined },
    options?: PushManifestOptions,
  ): Promise<PushedManifest>;
  /** Deletes a manifest by digest, or a tag where the registry can. */
  deleteManifest(name: RepositoryName, reference: string, options?: RequestOptions): Promise<void>;
  listTags(name: RepositoryName, options?: RequestOptions): AsyncIterable<string>;
  /** Repository names of a registry (distribution's catalog). */
  listRepositories(registry: string, options?: RequestOptions): AsyncIterable<string>;
}

/** Content that is already in memory. */
export function blobOf(bytes: Uint8Array, digest: Digest): BlobContent {
  return {
    digest,
    size: bytes.length,
    async *open() {
      yield bytes;
    },
  };
}
