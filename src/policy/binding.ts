import { TrustError } from "../errors.ts";
import type { VerifiedSignature } from "../formats/format.ts";
import { formatReference, formatRepository, type ImageReference } from "../oci/reference.ts";

/** Annotations of ours inside signatures start with this; nobody writes one by hand. */
export const ownAnnotations = "dev.imagetrust.";

const names = {
  created: `${ownAnnotations}created`,
  expires: `${ownAnnotations}expires`,
  repository: `${ownAnnotations}repository`,
  tag: `${ownAnnotations}tag`,
} as const;

const shortest = 1000;
const longest = 3650 * 24 * 3600 * 1000;

/** What a signer says about time and name, beside the digest. */
export interface BindingRequest {
  /** Milliseconds from now; the signature is not to be believed after that. */
  readonly expiresIn?: number | undefined;
  /** The name that the digest is signed under. Its tag is bound with it. */
  readonly bindTo?: ImageReference | undefined;
}

/**
 * The annotations that sign expiry, creation and name, so that policies with `freshness` can be satisfied; verifiers
 * that do not know them ignore them. None where nothing is asked for. Throws `USAGE` for a name without a tag.
 */
export function bindingAnnotations(request: BindingRequest, now: number): Readonly<Record<string, string>> {
  const { expiresIn, bindTo } = request;
  if (expiresIn === undefined && bindTo === undefined) return {};
  if (expiresIn !== undefined && !(expiresIn >= shortest && expiresIn <= longest))
    throw new TrustError("USAGE", "an expiry is too near or too far", { expected: "from 1s to 3650d" });
  return {
    [names.created]: new Date(now).toISOString(),
    ...(expiresIn === undefined ? {} : { [names.expires]: new Date(now + expiresIn).toISOString() }),
    ...(bindTo === undefined ? {} : boundName(bindTo)),
  };
}

function boundName(ref: ImageReference): Readonly<Record<string, string>> {
  if (ref.tag === undefined)
    throw new TrustError("USAGE", `${formatReference(ref)} has no tag that could be bound`, {
      expected: "REPOSITORY:TAG, or REPOSITORY:TAG@DIGEST",
    });
  return { [names.repository]: formatRepository(ref), [names.tag]: ref.tag };
}

/** What a proved signature binds. Times in milliseconds since 1970; NaN where one is written and cannot be read. */
export interface Binding {
  readonly created?: number;
  readonly expires?: number;
  readonly repository?: string;
  readonly tag?: string;
}

/**
 * Reads what the signer bound. A verified time proves that the signature was there by then, so nothing signed is younger
 * than that, whatever it says.
 */
export function bindingOf({ annotations, signedAt }: VerifiedSignature): Binding {
  const text = (name: string) => (Object.hasOwn(annotations, name) ? annotations[name] : undefined);
  const [created, expires] = [text(names.created), text(names.expires)];
  const [repository, tag] = [text(names.repository), text(names.tag)];
  const times = [...(created === undefined ? [] : [timeOf(created)]), ...signedAt.map(timeOf)];
  return {
    ...(times.length === 0 ? {} : { created: Math.min(...times) }),
    ...(expires === undefined ? {} : { expires: timeOf(expires) }),
    ...(repository === undefined ? {} : { repository }),
    ...(tag === undefined ? {} : { tag }),
  };
}

const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/;

/** Milliseconds since 1970 of an RFC 3339 time; NaN where it is none. */
export function timeOf(text: string): number {
  return rfc3339.test(text) ? Date.parse(text) : Number.NaN;
}
