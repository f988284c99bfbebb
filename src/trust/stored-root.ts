import { describeJson } from "../crypto/describe-json.ts";
import { isJsonObject } from "../crypto/json.ts";
import { TrustError } from "../errors.ts";
import { isSet, membersOf, momentOf, type Place, problemAt, readDocument, textOf } from "./fields.ts";

const apiVersion = "imagetrust.dev/v1alpha1";
const kind = "StoredTrustRoot";

/** A root that the user keeps under a name: one file, so that it changes whole or not at all. */
export interface StoredRoot {
  readonly name: string;
  readonly source: StoredSource;
  /** As given when it was added; see `parseTrustRoot`. */
  readonly require?: unknown;
  /** The text of `trusted_root.json`. */
  readonly trustedRoot: string;
  /** The text of `signing_config.v0.2.json`, where the repository has one. */
  readonly signingConfig?: string;
  /** TUF metadata last seen, by file name: what protects against a rollback. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** Times in milliseconds since 1970. */
export type StoredSource =
  | { readonly kind: "file"; readonly added: number }
  | {
      readonly kind: "tuf";
      readonly mirror: string;
      readonly target: string;
      readonly fetched: number;
      readonly expires: number;
    };

const namePattern = /^[a-z0-9][a-z0-9._-]{0,62}$/;

/** Names are parts of file names; what ends like one is a file. */
export function isRootName(text: string): boolean {
  return namePattern.test(text) && !text.endsWith(".json");
}

/** Throws `USAGE` for what cannot be the name of a root. */
export function checkRootName(name: string): void {
  if (isRootName(name)) return;
  throw new TrustError("USAGE", `${JSON.stringify(name.slice(0, 100))} cannot be the name of a trust root`, {
    expected: "lower-case letters, digits, dots, dashes; at most 63, not ending in .json",
    hint: "Choose a name like: acme",
  });
}

/** The text of the file of a root. */
export function formatStoredRoot({ name, source, require, trustedRoot, signingConfig, metadata }: StoredRoot): string {
  const time = (at: number) => new Date(at).toISOString();
  const written =
    source.kind === "file"
      ? { ...source, added: time(source.added) }
      : { ...source, fetched: time(source.fetched), expires: time(source.expires) };
  const document = { apiVersion, kind, name, source: written, require, trustedRoot, signingConfig, metadata };
  return `${JSON.stringify(document, undefined, 2)}\n`;
}

/** Reads the file of a root. Throws `TRUST_ROOT_INVALID`. */
export function parseStoredRoot(bytes: Uint8Array, name: string): StoredRoot {
  const document = readDocument(bytes, `the stored trust root ${name}`, "TRUST_ROOT_INVALID");
  const names = ["name", "source", "require", "trustedRoot", "signingConfig", "metadata"] as const;
  const { apiVersion: version, kind: found, ...fields } = membersOf(document, ["apiVersion", "kind", ...names]);
  if (version.value !== apiVersion || found.value !== kind)
    throw problemAt(
      found,
      "is not a trust root of this program",
      `${kind} of ${apiVersion}`,
      describeJson(found.value),
    );
  if (fields.name.value !== name)
    throw problemAt(fields.name, "is another root", name, describeJson(fields.name.value));
  return {
    name,
    source: readSource(fields.source),
    trustedRoot: longText(fields.trustedRoot),
    ...(isSet(fields.require) ? { require: fields.require.value } : {}),
    ...(isSet(fields.signingConfig) ? { signingConfig: longText(fields.signingConfig) } : {}),
    ...(isSet(fields.metadata) ? { metadata: readMetadata(fields.metadata) } : {}),
  };
}

function readSource(place: Place): StoredSource {
  const fields = membersOf(place, ["kind", "added", "mirror", "target", "fetched", "expires"]);
  if (fields.kind.value === "file") return { kind: "file", added: momentOf(fields.added) };
  if (fields.kind.value !== "tuf") throw problemAt(fields.kind, "is not known", "file or tuf");
  return {
    kind: "tuf",
    mirror: textOf(fields.mirror),
    target: textOf(fields.target),
    fetched: momentOf(fields.fetched),
    expires: momentOf(fields.expires),
  };
}

function readMetadata(place: Place): Readonly<Record<string, string>> {
  if (!isJsonObject(place.value)) throw problemAt(place, "is not an object", "texts by file name");
  const entries = Object.entries(place.value).map(([name, value]) => {
    if (!/^[\w.%-]+\.json$/.test(name)) throw problemAt(place, "has a name that is none of TUF's", "*.json", name);
    return [name, longText({ ...place, at: `${place.at}.${name}`, value })] as const;
  });
  return Object.fromEntries(entries);
}

function longText(place: Place): string {
  if (typeof place.value === "string") return place.value;
  throw problemAt(place, "is not a text", "a text", describeJson(place.value));
}
