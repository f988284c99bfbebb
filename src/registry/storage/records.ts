import { type Digest, isDigest } from "../../crypto/digest.ts";
import { isJsonObject } from "../../crypto/json.ts";
import { readIfThere } from "./files.ts";

/** What the storage knows of a manifest without reading it. `size` in bytes. */
export interface StoredManifest {
  readonly digest: Digest;
  /** As it was pushed. */
  readonly mediaType: string;
  readonly size: number;
  readonly subject?: Digest;
}

/** Reads a record of a tag or of a manifest; nothing where there is none, or where it is damaged. */
export async function readRecord(path: string): Promise<StoredManifest | undefined> {
  const bytes = await readIfThere(path);
  return bytes === undefined ? undefined : parseRecord(bytes);
}

function parseRecord(bytes: Buffer): StoredManifest | undefined {
  try {
    const record: unknown = JSON.parse(bytes.toString());
    if (!isJsonObject(record)) return undefined;
    const { digest, mediaType, size, subject } = record;
    if (!isDigest(digest) || typeof mediaType !== "string" || typeof size !== "number") return undefined;
    return { digest, mediaType, size, ...(isDigest(subject) ? { subject } : {}) };
  } catch {
    return undefined;
  }
}

export function formatRecord({ digest, mediaType, size, subject }: StoredManifest): string {
  return `${JSON.stringify({ digest, mediaType, size, subject })}\n`;
}
