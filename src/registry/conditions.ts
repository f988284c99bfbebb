import type { Digest } from "../crypto/digest.ts";
import { RegistryError } from "./errors.ts";
import type { Condition } from "./storage/manifests.ts";

/** The strong entity tag of content: its digest. */
export function entityTag(digest: Digest): string {
  return `"${digest}"`;
}

interface ConditionalHeaders {
  readonly "if-match"?: string | undefined;
  readonly "if-none-match"?: string | undefined;
}

/**
 * `If-Match` and `If-None-Match` of a change as a condition on what is there now (RFC 9110, 13.1). An unquoted digest
 * counts as its entity tag. The condition throws `DENIED` (412).
 */
export function changeCondition(headers: ConditionalHeaders): Condition {
  const [match, noneMatch] = [headers["if-match"], headers["if-none-match"]];
  return (current) => {
    if (match !== undefined && !matchesTags(match, current)) throw failed(match, current);
    if (noneMatch !== undefined && matchesTags(noneMatch, current)) throw failed(`not ${noneMatch}`, current);
  };
}

/** Whether a reader has the content already (`If-None-Match`, where weak tags match as well). */
export function isUnchanged(ifNoneMatch: string | undefined, digest: Digest): boolean {
  return ifNoneMatch !== undefined && matchesTags(ifNoneMatch.replaceAll("W/", ""), digest);
}

function matchesTags(header: string, current: Digest | undefined): boolean {
  if (current === undefined) return false;
  return header.split(",").some((part) => {
    const tag = part.trim();
    return tag === "*" || tag === current || tag === entityTag(current);
  });
}

function failed(expected: string, current: Digest | undefined): RegistryError {
  return new RegistryError(412, "DENIED", "somebody else changed it in between; read it again", {
    detail: { expected: expected.slice(0, 300), found: current ?? null },
  });
}
