import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { parseManifest } from "../../../src/oci/manifest.ts";
import { tagOfFile } from "../../../src/registry/storage/layout.ts";
import { sha } from "./client.ts";

export interface Inventory {
  readonly blobs: number;
  readonly manifests: number;
  readonly tags: number;
  readonly referrers: number;
  /** What should not be. */
  readonly problems: readonly string[];
}

/** Reads a storage folder from disk and checks that whatever a repository shows is there and has its digest. */
export function inspect(root: string): Inventory {
  const found = folders(join(root, "repositories")).map((name) => inspectRepository(root, name));
  const sum = (field: "blobs" | "manifests" | "tags" | "referrers") =>
    found.reduce((total, one) => total + one[field], 0);
  return {
    blobs: sum("blobs"),
    manifests: sum("manifests"),
    tags: sum("tags"),
    referrers: sum("referrers"),
    problems: found.flatMap(({ problems }) => problems),
  };
}

function inspectRepository(root: string, name: string): Inventory {
  const repository = join(root, "repositories", name);
  const links = new Set(digestsIn(join(repository, "_blobs")));
  const manifests = digestsIn(join(repository, "_manifests"));
  const tags = readNames(join(repository, "_tags"));
  const documents = manifests.flatMap((digest) => {
    const { mediaType } = JSON.parse(readFileSync(join(repository, "_manifests", digest.replace(":", "/")), "utf8"));
    const bytes = tryRead(contentFile(root, digest));
    return bytes === undefined ? [] : [{ digest, manifest: parseManifest(bytes, mediaType) }];
  });
  const problems = [
    ...[...links, ...manifests].flatMap((digest) => contentProblems(root, digest)),
    ...documents.flatMap(({ digest, manifest }) =>
      neededBy(manifest)
        .filter((needed) => !links.has(needed))
        .map((needed) => `${digest} lacks ${needed}`),
    ),
    ...documents.filter((one) => !isListed(repository, one)).map(({ digest }) => `${digest} is not listed`),
    ...tags.filter((file) => !isGoodTag(repository, file, manifests)).map((file) => `the tag ${file} leads nowhere`),
  ];
  return {
    blobs: links.size,
    manifests: manifests.length,
    tags: tags.length,
    referrers: documents.filter(({ manifest }) => manifest.subject !== undefined).length,
    problems: problems.map((problem) => `${name}: ${problem}`),
  };
}

function contentFile(root: string, digest: string): string {
  const [algorithm = "", hex = ""] = digest.split(":");
  return join(root, "blobs", algorithm, hex.slice(0, 2), hex, "data");
}

function contentProblems(root: string, digest: string): string[] {
  const bytes = tryRead(contentFile(root, digest));
  if (bytes === undefined) return [`the content of ${digest} is missing`];
  return sha(bytes, digest.startsWith("sha512:") ? "sha512" : "sha256") === digest ? [] : [`${digest} is corrupt`];
}

function neededBy(manifest: ReturnType<typeof parseManifest>): string[] {
  return manifest.kind === "index" ? [] : [manifest.config, ...manifest.layers].map(({ digest }) => digest);
}

function isListed(
  repository: string,
  { digest, manifest }: { digest: string; manifest: ReturnType<typeof parseManifest> },
) {
  if (manifest.subject === undefined) return true;
  const subject = manifest.subject.digest.replace(":", "/");
  return tryRead(join(repository, "_referrers", subject, digest.replace(":", "-"))) !== undefined;
}

function isGoodTag(repository: string, file: string, manifests: readonly string[]): boolean {
  const { digest } = JSON.parse(readFileSync(join(repository, "_tags", file), "utf8"));
  return tagOfFile(file) !== undefined && manifests.includes(digest);
}

function folders(root: string, name = ""): string[] {
  const below = readNames(join(root, name)).filter((entry) => !entry.startsWith("_"));
  const own = name === "" ? [] : [name];
  return [...own, ...below.flatMap((entry) => folders(root, name === "" ? entry : `${name}/${entry}`))];
}

function digestsIn(folder: string): string[] {
  return readNames(folder).flatMap((algorithm) =>
    readNames(join(folder, algorithm)).map((hex) => `${algorithm}:${hex}`),
  );
}

export function readNames(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function tryRead(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

/** All files below a folder, with their sizes. */
export function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) =>
    statSync(join(folder, name)).isFile(),
  );
}
