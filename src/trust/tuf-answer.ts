import { TrustError } from "../errors.ts";

/** A file of a TUF repository, or that it has none of that name. */
export type Answer = { readonly status: 200; readonly body: Buffer } | { readonly status: 404 };

/** TUF's own limits are lower, but for targets. */
export const maxTufBytes = 16 * 1024 * 1024;

/** An outage: says nothing about what is in the repository. */
export function unreadable(mirror: URL, found: string, cause?: unknown): TrustError {
  return new TrustError("TRUST_ROOT_UNREACHABLE", `the mirror ${mirror.href.replace(/\/$/, "")} cannot be read`, {
    found,
    cause,
  });
}
