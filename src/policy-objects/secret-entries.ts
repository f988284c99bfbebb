import type { ClusterObject } from "../cluster/cluster.ts";
import { decodeBase64 } from "../crypto/base64.ts";
import { isJsonObject } from "../crypto/json.ts";
import { TrustError } from "../errors.ts";

/** An entry of a Secret, with the namespace that it is read in. */
export interface NamedEntry {
  readonly namespace: string;
  readonly name: string;
  /** Undefined: the only one that the Secret has. */
  readonly entry: string | undefined;
}

/** What is kept of a Secret: the text that was asked for, or why there is none. Of its other entries nothing. */
export type EntryText = { readonly text: string } | { readonly error: TrustError };

/** Of base64; many Secrets are kept at once. */
const maxLength = 128 * 1024;

/** Looks for an entry in a Secret; undefined: there is no such Secret. */
export function entryOf(named: NamedEntry, secret: ClusterObject | undefined): EntryText {
  if (secret === undefined) return { error: unusable(named, "is not there", "a Secret of that name") };
  const data = isJsonObject(secret["data"]) ? secret["data"] : {};
  const names = Object.keys(data);
  const [only] = names;
  const name = named.entry ?? (names.length === 1 ? only : undefined);
  if (name === undefined)
    return { error: unusable(named, `has ${names.length} entries`, "one entry, or the name of the one to read") };
  const value = Object.hasOwn(data, name) ? data[name] : undefined;
  if (typeof value !== "string")
    return { error: unusable(named, "lacks the entry that is asked for", `an entry ${JSON.stringify(name)}`) };
  if (value.length > maxLength)
    return { error: unusable(named, "has an entry that is no key: it is too long", `at most ${maxLength} characters`) };
  try {
    return { text: decodeBase64(value, "the entry").toString("utf8") };
  } catch {
    // What it looks like is not for messages.
    return { error: unusable(named, "has an entry that is no base64", "data as kubectl writes it") };
  }
}

/** The error for a Secret; never with anything that it holds. */
export function unusable({ namespace, name }: NamedEntry, what: string, expected: string): TrustError {
  return new TrustError("SECRET_UNUSABLE", `the Secret ${namespace}/${name} ${what}`, { expected });
}
