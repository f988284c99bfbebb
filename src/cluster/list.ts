import { isJsonObject, type JsonObject } from "../crypto/json.ts";
import { TrustError } from "../errors.ts";
import { type Intent, invalidAnswer, refusal } from "./answers.ts";
import type { ClusterObject, KeepObject, ObjectList, ObjectQuery, Resource } from "./cluster.ts";
import { parseObject } from "./json.ts";
import { isResourceVersion, objectOf, pathOf } from "./objects.ts";
import { type ApiAnswer, readAll, readUpTo, type Sender, tooSlow } from "./request.ts";

/** Bounds of a list. */
export interface ListLimits {
  readonly pageItems: number;
  readonly pageBytes: number;
  readonly pages: number;
  readonly totalBytes: number;
  /** Milliseconds for all pages. */
  readonly time: number;
}

const mebi = 1024 * 1024;
export const defaultListLimits: ListLimits = {
  pageItems: 200,
  pageBytes: 32 * mebi,
  pages: 2_000,
  totalBytes: 256 * mebi,
  time: 300_000,
};
const maxStatusBytes = 64 * 1024;

/** All objects of a kind, page by page; undefined where the server knows no such kind. For the errors see `Cluster`. */
export async function listObjects(
  sender: Sender,
  resource: Resource,
  query: ObjectQuery,
  limits: ListLimits,
  keep?: KeepObject,
): Promise<ObjectList | undefined> {
  try {
    return await listOnce(sender, resource, query, limits, keep);
  } catch (error) {
    // What the pages are read from was compacted in between: another list starts from what is now.
    if (!(error instanceof TrustError) || error.code !== "CLUSTER_VERSION_GONE") throw error;
    return listOnce(sender, resource, query, limits, keep);
  }
}

async function listOnce(
  sender: Sender,
  resource: Resource,
  query: ObjectQuery,
  limits: ListLimits,
  keep: KeepObject | undefined,
): Promise<ObjectList | undefined> {
  const intent: Intent = { verb: "list", resource, namespace: query.namespace };
  const items: ClusterObject[] = [];
  const until = performance.now() + limits.time;
  let next: string | undefined;
  let resourceVersion: string | undefined;
  let size = 0;
  let most = limits.pageItems;
  for (let pages = 0; pages < limits.pages; pages++) {
    const page = await readPage(sender, intent, query, { next, most, maxBytes: limits.pageBytes });
    if (page === undefined) return undefined;
    if (page === "too large") {
      // A few people with large objects must not keep all others' from being read.
      if (most === 1) throw tooMuch(sender, intent, `objects of at most ${limits.pageBytes} bytes`);
      most = Math.ceil(most / 8);
      continue;
    }
    const kept = keptOf(page, keep);
    size += kept.size;
    if (size > limits.totalBytes) throw tooMuch(sender, intent, `at most ${limits.totalBytes} bytes in all`);
    for (const item of kept.items) items.push(item);
    most = nextMost(most, page, limits);
    resourceVersion ??= page.resourceVersion;
    if (page.next === undefined) return { items, resourceVersion };
    if (page.next === next) throw tooMuch(sender, intent, "each page once");
    if (performance.now() > until) throw tooSlow(sender.server, "all pages of a list", limits.time);
    next = page.next;
  }
  throw tooMuch(sender, intent, `at most ${limits.pages} pages`);
}

function keptOf({ items, size }: Page, keep: KeepObject | undefined): Pick<Page, "items" | "size"> {
  if (keep === undefined) return { items, size };
  const kept = items.map(keep);
  return { items: kept, size: JSON.stringify(kept).length };
}

/** The objects after the large ones may be small again, and many. */
function nextMost(most: number, { size }: Page, { pageBytes, pageItems }: ListLimits): number {
  return size < pageBytes / 4 ? Math.min(pageItems, most * 2) : most;
}

function tooMuch({ server }: Sender, intent: Intent, expected: string): TrustError {
  return invalidAnswer(intent, server, expected, "a list that goes on");
}

interface Page {
  readonly items: readonly ClusterObject[];
  readonly resourceVersion: string;
  readonly next: string | undefined;
  readonly size: number;
}

async function readPage(
  sender: Sender,
  intent: Intent,
  { fieldSelector, labelSelector, signal }: ObjectQuery,
  { next, most, maxBytes }: { readonly next: string | undefined; readonly most: number; readonly maxBytes: number },
): Promise<Page | "too large" | undefined> {
  const answer = await sender.send({
    intent,
    method: "GET",
    path: pathOf(intent.resource, intent.namespace),
    query: { limit: String(most), continue: next, fieldSelector, labelSelector },
    signal,
  });
  if (answer.status === 404 && next === undefined) {
    await readNotFound(sender, answer, intent);
    return undefined;
  }
  if (answer.status !== 200) throw await readRefusal(sender, answer, intent);
  const bytes = await readUpTo(sender, answer, maxBytes);
  if (bytes === undefined) return "too large";
  return { ...pageOf(sender, intent, parsed(sender, intent, bytes)), size: bytes.length };
}

function pageOf({ server }: Sender, intent: Intent, value: JsonObject): Omit<Page, "size"> {
  const { kind, items, metadata } = value;
  const wrong = (found: string) => invalidAnswer(intent, server, `a list of ${intent.resource.plural}`, found);
  if (kind !== `${intent.resource.kind}List`) throw wrong("an object of another kind");
  if (!isJsonObject(metadata) || !isResourceVersion(metadata["resourceVersion"]))
    throw wrong("a list without a version");
  // An empty list may be written so.
  if (!Array.isArray(items) && items !== null && items !== undefined) throw wrong("a list without items");
  const objects = (items ?? []).map((item: unknown) => {
    const object = objectOf(item, intent.resource, { implied: true, namespace: intent.namespace });
    if (typeof object === "string") throw wrong(object);
    return object;
  });
  const next = metadata["continue"] ?? "";
  if (typeof next !== "string" || next.length > 16_384) throw wrong("a list whose next page has no name");
  return { items: objects, resourceVersion: metadata["resourceVersion"], next: next === "" ? undefined : next };
}

/** The object in an answer. Throws the error that the answer stands for. */
export async function readObject(
  sender: Sender,
  answer: ApiAnswer,
  intent: Intent,
  maxBytes: number,
): Promise<JsonObject> {
  if (answer.status !== 200 && answer.status !== 201) throw await readRefusal(sender, answer, intent);
  return parsed(sender, intent, await readAll(sender, answer, intent, maxBytes));
}

function parsed({ server }: Sender, intent: Intent, bytes: Uint8Array): JsonObject {
  const value = parseObject(bytes);
  if (value === undefined) throw invalidAnswer(intent, server, "a JSON object", `${bytes.length} other bytes`);
  return value;
}

/** The error that an answer stands for whose status is none of success. */
export async function readRefusal(sender: Sender, answer: ApiAnswer, intent: Intent): Promise<TrustError> {
  // What says no at length says it all the same.
  const bytes = await readAll(sender, answer, intent, maxStatusBytes).catch(() => new Uint8Array());
  const value = parseObject(bytes);
  return refusal(intent, sender.server, answer.status, isStatus(value) ? value : undefined, answer.headers);
}

/**
 * Makes sure that it is the API server which knows no such object or kind, not something else on the way: what is missing
 * may be a policy. Throws `CLUSTER_ANSWER_INVALID`.
 */
export async function readNotFound(sender: Sender, answer: ApiAnswer, intent: Intent): Promise<void> {
  const bytes = await readAll(sender, answer, intent, maxStatusBytes);
  // Of a group without any kinds it says so in plain text.
  if (isStatus(parseObject(bytes)) || bytes.toString("latin1").trim() === "404 page not found") return;
  throw invalidAnswer(intent, sender.server, "a 404 of the API server", "a 404 of something else");
}

function isStatus(value: JsonObject | undefined): value is JsonObject {
  return value?.["kind"] === "Status" && value["apiVersion"] === "v1";
}
