import { isDigest } from "../crypto/digest.ts";
import { TrustError } from "../errors.ts";
import { formatRepository, isRepository, isTag, type RepositoryName } from "./reference.ts";
import type { Session } from "./session.ts";
import type { UploadSettings } from "./uploads.ts";

/** What the requests of the distribution API are made with. */
export interface Client {
  readonly session: Session;
  /** Milliseconds for a whole answer that is kept in memory. */
  readonly bodyMs: number;
  readonly uploads: UploadSettings;
}

/** `NAME/manifests/REFERENCE`; nothing but a name, a tag or a digest gets into a path. Throws `REFERENCE_INVALID`. */
export function apiPath(name: RepositoryName, kind: "manifests" | "blobs" | "referrers", reference: string): string {
  if (isRepository(name.repository) && (isDigest(reference) || (kind === "manifests" && isTag(reference))))
    return `${name.repository}/${kind}/${reference}`;
  throw new TrustError("REFERENCE_INVALID", `${formatRepository(name).slice(0, 300)} cannot be asked for that`, {
    expected: "a tag or digest",
    found: reference.slice(0, 200),
  });
}
