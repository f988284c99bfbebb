import { dirname, isAbsolute, join } from "node:path";
import { parseDocument } from "yaml";
import { isJsonObject, type JsonObject } from "../crypto/json.ts";
import { TrustError } from "../errors.ts";

/** A file of kubectl's, as far as it is needed. Nothing of users has been looked at. */
export interface KubeConfigFile {
  readonly currentContext: string | undefined;
  readonly contexts: ReadonlyMap<string, Entry>;
  readonly clusters: ReadonlyMap<string, Entry>;
  readonly users: ReadonlyMap<string, Entry>;
}

/** What a name stands for; paths in it are relative to the folder. */
export interface Entry {
  readonly value: JsonObject;
  readonly folder: string;
  readonly file: string;
}

/**
 * Reads the text of a kubeconfig. Throws `CLUSTER_CONFIG_INVALID`, which says where in the file it went wrong, never with
 * anything out of the file but names.
 */
export function parseKubeConfig(text: string, file: string): KubeConfigFile {
  // The errors of the parser quote the file.
  const document = parseDocument(text, { prettyErrors: false, logLevel: "silent" });
  const [error] = document.errors;
  if (error !== undefined)
    throw configInvalid(`${file} is no YAML`, "YAML or JSON", `${error.code} at character ${error.pos[0]}`);
  const value = plainOf(document, file);
  if (!isJsonObject(value)) throw configInvalid(`${file} is no kubeconfig`, "an object of kind Config", typeof value);
  if ((value["kind"] ?? "Config") !== "Config")
    throw configInvalid(`${file} is no kubeconfig`, "an object of kind Config", "an object of another kind");
  const current = value["current-context"];
  return {
    currentContext: typeof current === "string" && current !== "" ? current : undefined,
    contexts: entriesOf(value, "contexts", "context", file),
    clusters: entriesOf(value, "clusters", "cluster", file),
    users: entriesOf(value, "users", "user", file),
  };
}

function plainOf(document: { toJS(options: { maxAliasCount: number }): unknown }, file: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch {
    throw configInvalid(`${file} is no kubeconfig`, "plain YAML", "too many aliases");
  }
}

function entriesOf(value: JsonObject, list: string, member: string, file: string): ReadonlyMap<string, Entry> {
  const found = new Map<string, Entry>();
  const entries = value[list] ?? [];
  if (!Array.isArray(entries)) throw configInvalid(`${list} in ${file} is no list`, "a list", typeof entries);
  for (const [place, entry] of entries.entries()) {
    const name: unknown = isJsonObject(entry) ? entry["name"] : undefined;
    if (!isJsonObject(entry) || typeof name !== "string" || name === "")
      throw configInvalid(`${list}[${place}] in ${file} has no name`, "a name");
    const content = entry[member] ?? {};
    if (!isJsonObject(content)) throw configInvalid(`${list}[${place}] in ${file} is no ${member}`, "an object");
    // Of entries with one name the first counts, as for kubectl.
    if (!found.has(name)) found.set(name, { value: content, folder: dirname(file), file });
  }
  return found;
}

/** Several files as one: what the first says counts, as for kubectl. */
export function mergeKubeConfigs(files: readonly KubeConfigFile[]): KubeConfigFile {
  const merged = (member: "contexts" | "clusters" | "users") =>
    new Map(files.toReversed().flatMap((file) => [...file[member]]));
  return {
    currentContext: files.find((file) => file.currentContext !== undefined)?.currentContext,
    contexts: merged("contexts"),
    clusters: merged("clusters"),
    users: merged("users"),
  };
}

/** A text of an entry; undefined where it is absent or empty. Throws `CLUSTER_CONFIG_INVALID`. */
export function textIn(entry: Entry, name: string, what: string): string | undefined {
  const value = entry.value[name] ?? "";
  if (typeof value !== "string")
    throw configInvalid(`${name} of ${what} in ${entry.file} is no text`, "a text", typeof value);
  return value === "" ? undefined : value;
}

/** A path of an entry, which is relative to the file it stands in. */
export function pathIn(entry: Entry, name: string, what: string): string | undefined {
  const path = textIn(entry, name, what);
  return path === undefined || isAbsolute(path) ? path : join(entry.folder, path);
}

export function configInvalid(message: string, expected: string, found?: string, cause?: unknown): TrustError {
  return new TrustError("CLUSTER_CONFIG_INVALID", message, { expected, found, cause });
}
