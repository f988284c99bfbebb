import * as z from "zod";
import { type Digest, digestAlgorithm, digestOf, isDigest } from "../crypto/digest.ts";
import { asTrustError, TrustError } from "../errors.ts";
import { type Descriptor, manifestMediaTypes, maxManifestBytes, parseDescriptor } from "../oci/manifest.ts";
import { formatReference, isTag, parseReference, parseRepository } from "../oci/reference.ts";
import {
  emptyRepository,
  type Recorded,
  type RecordedError,
  type RecordedRepository,
  type Recording,
  recordedErrors,
} from "./recording.ts";

/** Files are larger than what they hold: texts are quoted, bytes written in base64. */
export const maxEvidenceFileBytes = 80 * 1024 * 1024;

const apiVersion = "imagetrust.dev/v1alpha1";
const kind = "Evidence";
const absent = { error: "IMAGE_NOT_FOUND" } as const;

/** `null`: it is not there, which is said of many places of most images. */
const failure = z
  .union([z.null(), z.strictObject({ error: z.enum(recordedErrors) })])
  .transform((written) => written ?? absent);
/** Bytes as they are read best: JSON that its writer formatted in a usual way, other text, else base64. */
const contentFields = {
  json: z.unknown().optional(),
  indent: z.int().min(1).max(8).optional(),
  text: z.string().optional(),
  base64: z.string().optional(),
};
const blob = z.strictObject(contentFields);
const manifest = z.strictObject({ mediaType: z.enum(manifestMediaTypes as [string, ...string[]]), ...contentFields });
const digest = z.string().refine(isDigest, "a sha256 or sha512 digest");
const page = z.strictObject({
  supported: z.boolean(),
  complete: z.boolean().default(true),
  descriptors: z.array(z.unknown()),
});
const repository = z.strictObject({
  tags: z.record(z.string().refine(isTag, "a tag"), z.union([digest, failure])).default({}),
  referrers: z.record(digest, z.union([page, failure])).default({}),
  manifests: z.record(digest, z.union([manifest, failure])).default({}),
  blobs: z.record(digest, z.union([blob, failure])).default({}),
});
const evidenceFile = z.strictObject({
  apiVersion: z.literal(apiVersion),
  kind: z.literal(kind),
  images: z.array(z.string().max(1000)).max(10_000),
  repositories: z.record(z.string(), repository),
});

type Content = z.output<typeof blob>;

/** A recording as a file: the same recording always gives the same text, with a line for everything that can differ. */
export function formatEvidence({ images, repositories }: Recording): string {
  const file = {
    apiVersion,
    kind,
    images: [...images].sort(),
    repositories: sorted(repositories, ({ tags, referrers, manifests, blobs }) => ({
      tags: sorted(tags, (answer) => ("error" in answer ? failureOf(answer) : answer.value)),
      referrers: sorted(referrers, (answer) => ("error" in answer ? failureOf(answer) : pageOf(answer.value))),
      manifests: sorted(manifests, (answer) =>
        "error" in answer ? failureOf(answer) : { mediaType: answer.value.mediaType, ...contentOf(answer.value.bytes) },
      ),
      blobs: sorted(blobs, (answer) => ("error" in answer ? failureOf(answer) : contentOf(answer.value))),
    })),
  };
  return `${JSON.stringify(file, undefined, 2)}\n`;
}

function failureOf(answer: { readonly error: RecordedError }): { readonly error: RecordedError } | null {
  return answer.error === absent.error ? null : answer;
}

function sorted<K extends string, V>(map: ReadonlyMap<K, V>, write: (value: V) => unknown): Record<string, unknown> {
  const entries = [...map].sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, value]) => [key, write(value)]));
}

function pageOf({
  supported,
  complete,
  descriptors,
}: {
  supported: boolean;
  complete: boolean;
  descriptors: readonly Descriptor[];
}) {
  const inOrder = [...descriptors].sort((a, b) => (a.digest < b.digest ? -1 : 1));
  return { supported, ...(complete ? {} : { complete }), descriptors: inOrder };
}

const indents = [undefined, 2, 3, 4] as const;

function contentOf(bytes: Buffer): Content {
  const text = bytes.toString("utf8");
  if (!Buffer.from(text).equals(bytes)) return { base64: bytes.toString("base64") };
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return { text };
  }
  if (typeof json !== "object") return { text };
  const indent = indents.findIndex((candidate) => JSON.stringify(json, undefined, candidate) === text);
  if (indent < 0) return { text };
  return indents[indent] === undefined ? { json } : { json, indent: indents[indent] };
}

/**
 * Reads a recording back, as little believed as a registry: every content is held to the digest that it stands under.
 * `source` names the file in errors. Throws `CONFIG_INVALID`.
 */
export function parseEvidence(bytes: Uint8Array, source: string): Recording {
  const checked = evidenceFile.safeParse(jsonOf(bytes, source));
  if (!checked.success) {
    const [issue] = checked.error.issues;
    throw invalid(source, `${issue?.path.map(String).join(" › ") || "the file"}: ${issue?.message}`);
  }
  const { images, repositories } = checked.data;
  try {
    return {
      images: images.map((image) => formatReference(parseReference(image))),
      repositories: new Map(Object.entries(repositories).map(([name, entry]) => [nameOf(name), readRepository(entry)])),
    };
  } catch (error) {
    const { message, expected, found } = asTrustError(error);
    throw invalid(source, message, expected, found);
  }
}

function jsonOf(bytes: Uint8Array, source: string): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw invalid(source, "not JSON");
  }
}

function nameOf(name: string): string {
  const { registry, repository: path } = parseRepository(name);
  const canonical = `${registry}/${path}`;
  if (canonical === name) return name;
  throw new TrustError("CONFIG_INVALID", "a repository under another than its canonical name", {
    expected: canonical,
    found: name.slice(0, 300),
  });
}

function readRepository(entry: z.output<typeof repository>): RecordedRepository {
  const read = emptyRepository();
  for (const [tag, value] of Object.entries(entry.tags))
    read.tags.set(tag, typeof value === "string" ? { value: value as Digest } : value);
  for (const [subject, value] of digestEntries(entry.referrers)) read.referrers.set(subject, readPage(value));
  for (const [name, value] of digestEntries(entry.manifests)) {
    if ("error" in value) read.manifests.set(name, value);
    else
      read.manifests.set(name, {
        value: { mediaType: value.mediaType, bytes: bytesOf(value, name, maxManifestBytes) },
      });
  }
  for (const [name, value] of digestEntries(entry.blobs))
    read.blobs.set(name, "error" in value ? value : { value: bytesOf(value, name) });
  return read;
}

/** The schema has seen to it that every key is a digest. */
function digestEntries<T>(record: Readonly<Record<string, T>>): readonly (readonly [Digest, T])[] {
  return Object.entries(record) as [Digest, T][];
}

function readPage(value: z.output<typeof page> | z.output<typeof failure>): Recorded<{
  readonly supported: boolean;
  readonly complete: boolean;
  readonly descriptors: readonly Descriptor[];
}> {
  if ("error" in value) return value;
  const descriptors = value.descriptors.map((item, index) => parseDescriptor(item, `descriptors[${index}]`));
  return { value: { supported: value.supported, complete: value.complete, descriptors } };
}

function bytesOf({ json, indent, text, base64 }: Content, name: Digest, maxBytes = maxEvidenceFileBytes): Buffer {
  const forms = [json, text, base64].filter((form) => form !== undefined);
  const bytes =
    text !== undefined
      ? Buffer.from(text)
      : base64 !== undefined
        ? Buffer.from(base64, "base64")
        : Buffer.from(JSON.stringify(json, undefined, indent) ?? "");
  if (forms.length === 1 && bytes.length <= maxBytes && digestOf(bytes, digestAlgorithm(name)) === name) return bytes;
  throw new TrustError("CONFIG_INVALID", `what is recorded as ${name} is not that`, {
    expected: name,
    found: forms.length === 1 ? digestOf(bytes, digestAlgorithm(name)) : `${forms.length} forms of content`,
  });
}

function invalid(source: string, what: string, expected?: string, found?: string): TrustError {
  return new TrustError("CONFIG_INVALID", `${source} is not recorded evidence: ${what}`, {
    expected: expected ?? `an ${kind} of ${apiVersion}`,
    found,
    hint: "Record it again with: trust policy record IMAGE --file FILE",
  });
}
