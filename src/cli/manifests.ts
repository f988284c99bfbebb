import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { isObject, text } from "../../webhook/json.ts";
import { imagesOf, type Workload, workloads } from "../../webhook/workload.ts";
import { TrustError } from "../errors.ts";
import { readSmallFile } from "../keys/files.ts";
import type { ObjectContext } from "../policy/policy.ts";
import { labelsOf } from "./namespace-labels.ts";

/** An image that an object in a manifest names. */
export interface ManifestImage {
  readonly image: string;
  /** `Deployment prod/web`. */
  readonly usedBy: string;
  readonly object: ObjectContext;
}

/** What was found, and an error for each file or object that cannot be read: what is in it is not known. */
export interface ManifestImages {
  readonly images: readonly ManifestImage[];
  readonly errors: readonly TrustError[];
}

const extensions = [".yaml", ".yml", ".json"];
const maxFiles = 10_000;
const maxFileBytes = 16 * 1024 * 1024;
const maxDepth = 12;

/**
 * Every image named in Kubernetes manifests: a file, or the `.yaml`, `.yml` and `.json` files of a folder and of those in
 * it. Kinds of Kubernetes are read as the webhook reads them; in other kinds every Pod specification is found by its
 * containers. `namespace` is that of objects which name none. Throws `FILE_NOT_FOUND`, `FILE_UNREADABLE`.
 */
export async function readManifests(path: string, namespace: string): Promise<ManifestImages> {
  const images: ManifestImage[] = [];
  const errors: TrustError[] = [];
  for await (const text of readManifestTexts(path))
    errors.push(...eachObject(text, (object) => images.push(...imagesOfObject(object, namespace))));
  return { images, errors };
}

/** The text of one manifest, of any number of objects; `file` names it in errors. */
export interface ManifestText {
  readonly file: string;
  readonly content: string;
}

/** The manifests of a file or folder, as {@link readManifests} finds them. */
export async function* readManifestTexts(path: string): AsyncIterable<ManifestText> {
  for (const file of await manifestFiles(path))
    yield { file, content: (await readSmallFile(file, "the manifest", maxFileBytes)).toString("utf8") };
}

/** Has every object read, those of lists too; the errors are what cannot be read. */
export function eachObject({ file, content }: ManifestText, read: (object: Manifest) => void): readonly TrustError[] {
  const errors: TrustError[] = [];
  for (const document of documentsOf(content, file, errors)) {
    for (const object of isObject(document) ? itemsOf(document) : []) {
      try {
        read(object);
      } catch (error) {
        if (!(error instanceof TrustError)) throw error;
        const { code, expected, found, hint } = error;
        errors.push(new TrustError(code, `${file}: ${error.message}`, { expected, found, hint, cause: error }));
      }
    }
  }
  return errors;
}

async function manifestFiles(path: string): Promise<readonly string[]> {
  const found = await stat(path).catch((cause: unknown) => {
    throw new TrustError("FILE_NOT_FOUND", `there is no manifest ${path}`, { cause });
  });
  if (!found.isDirectory()) return [path];
  const names = await readdir(path, { recursive: true });
  const files = names.filter((name) => extensions.some((extension) => name.endsWith(extension))).sort();
  if (files.length === 0 || files.length > maxFiles)
    throw new TrustError("FILE_NOT_FOUND", `the folder ${path} holds no manifests, or too many`, {
      expected: `1 to ${maxFiles} files ending in ${extensions.join(", ")}`,
      found: `${files.length}`,
    });
  return files.map((name) => join(path, name));
}

function documentsOf(content: string, file: string, errors: TrustError[]): readonly unknown[] {
  // What a cluster lists is JSON, of megabytes: read as YAML it takes many times as long.
  const json = content.startsWith("{") ? jsonOf(content) : undefined;
  if (json !== undefined) return [json];
  // The API server's tools read YAML 1.1, where keys can be merged and `no` is false.
  const documents = parseAllDocuments(content, { version: "1.1", stringKeys: true });
  return (Array.isArray(documents) ? documents : []).flatMap((document) => {
    const [error] = document.errors;
    const [place] = error?.linePos ?? [];
    try {
      if (error !== undefined) throw error;
      return [document.toJS({ maxAliasCount: 1000 }) as unknown];
    } catch (cause) {
      const where = place === undefined ? file : `${file}:${place.line}:${place.col}`;
      const why = cause instanceof Error ? cause.message.split("\n")[0] : "";
      const hint = "Give manifests as they are applied: templates must be rendered first";
      errors.push(new TrustError("CONFIG_INVALID", `${where} is not YAML: ${why}`, { hint, cause }));
      return [];
    }
  });
}

function jsonOf(content: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    return undefined;
  }
}

export type Manifest = Readonly<Record<string, unknown>>;

function itemsOf(document: Manifest): readonly Manifest[] {
  const items = document["items"];
  const isList = text(document, "kind")?.endsWith("List") === true && Array.isArray(items);
  return isList ? items.filter(isObject).flatMap(itemsOf) : [document];
}

/** The kind of an object, where it is one that admission knows. */
export function workloadOf(object: Manifest): Workload | undefined {
  const kind = text(object, "kind");
  const [version = "", group = ""] = (text(object, "apiVersion") ?? "").split("/").reverse();
  return workloads.find((row) => row.kind === kind && row.group === group && version !== "");
}

/** The images that an object names, each once; `fallback` is its namespace where it names none. Throws `OBJECT_UNSUPPORTED`. */
export function imagesOfObject(object: Manifest, fallback: string): readonly ManifestImage[] {
  const kind = text(object, "kind") ?? "object";
  const known = workloadOf(object);
  const namespace = text(object, "metadata", "namespace") ?? fallback;
  const name = text(object, "metadata", "name");
  const usedBy = `${kind} ${namespace}/${name ?? text(object, "metadata", "generateName") ?? ""}`;
  // Of another kind only the Pods it makes are known to be judged.
  const found =
    known === undefined ? podSpecsIn(object).flatMap((spec) => imagesOf(spec, object)) : imagesOf(known, object);
  const pods = { apiGroup: "", resource: "pods", kind: "Pod", namespace, labels: {} };
  const context =
    known === undefined ? pods : { ...whatIs(known), namespace, labels: labelsOf(object), ...(name && { name }) };
  return [...new Set(found.map(({ image }) => image))].map((image) => ({ image, usedBy, object: context }));
}

function whatIs({ group, resource, kind }: Workload): Pick<ObjectContext, "apiGroup" | "resource" | "kind"> {
  return { apiGroup: group, resource, kind };
}

/** Every place in an object that looks like a Pod specification. */
function podSpecsIn(object: Manifest, path: readonly string[] = []): readonly Workload[] {
  const containers = object["containers"];
  const isPodSpec = Array.isArray(containers) && containers.some((item) => text(item, "image") !== undefined);
  const here = isPodSpec ? [{ group: "", kind: "", resource: "pods", podSpec: path }] : [];
  if (path.length >= maxDepth) return here;
  const below = Object.entries(object).flatMap(([key, value]) =>
    isObject(value) ? podSpecsIn(value, [...path, key]) : [],
  );
  return [...here, ...below];
}
