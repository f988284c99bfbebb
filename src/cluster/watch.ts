import { isJsonObject } from "../crypto/json.ts";
import { TrustError } from "../errors.ts";
import { gone, type Intent, invalidAnswer, refusal } from "./answers.ts";
import type { ObjectQuery, Resource, WatchEvent } from "./cluster.ts";
import { parseObject } from "./json.ts";
import { lines } from "./lines.ts";
import { readRefusal } from "./list.ts";
import { isResourceVersion, objectOf, pathOf } from "./objects.ts";
import { type Sender, tooSlow } from "./request.ts";

/** Bounds of a watch. */
export interface WatchLimits {
  /** Seconds after which the server is asked to end it: from the first up to the second. */
  readonly seconds: readonly [number, number];
  /** Milliseconds after that, when it is ended from here. */
  readonly grace: number;
  readonly eventBytes: number;
}

export const defaultWatchLimits: WatchLimits = { seconds: [240, 300], grace: 15_000, eventBytes: 4 * 1024 * 1024 };

type WatchQuery = ObjectQuery & { readonly resourceVersion: string };

/** What changes after a version. See `Cluster.watch`. */
export async function* watchObjects(
  sender: Sender,
  resource: Resource,
  query: WatchQuery,
  limits: WatchLimits,
  random: () => number,
): AsyncIterable<WatchEvent> {
  try {
    yield* eventsOf(sender, resource, query, limits, random);
  } catch (error) {
    if (!query.signal?.aborted) throw error;
  }
}

async function* eventsOf(
  sender: Sender,
  resource: Resource,
  query: WatchQuery,
  limits: WatchLimits,
  random: () => number,
): AsyncIterable<WatchEvent> {
  const { namespace, fieldSelector, labelSelector, resourceVersion, signal } = query;
  const intent: Intent = { verb: "watch", resource, namespace };
  const [least, most] = limits.seconds;
  // Watches that began together do not end together.
  const seconds = Math.round(least + random() * (most - least));
  const answer = await sender.send({
    intent,
    method: "GET",
    path: pathOf(resource, namespace),
    query: {
      watch: "true",
      allowWatchBookmarks: "true",
      timeoutSeconds: String(seconds),
      resourceVersion,
      fieldSelector,
      labelSelector,
    },
    signal,
  });
  if (answer.status !== 200) throw await readRefusal(sender, answer, intent);
  const time = seconds * 1_000 + limits.grace;
  // A server that says nothing may be gone; one that goes on for ever is none.
  const timer = setTimeout(() => answer.end(tooSlow(sender.server, "the end of a watch", time)), time);
  const whole = () =>
    invalidAnswer(intent, sender.server, `events of at most ${limits.eventBytes} bytes`, "a longer one");
  try {
    for await (const line of lines(answer.body, limits.eventBytes, whole)) yield eventOf(sender, intent, line);
  } finally {
    clearTimeout(timer);
    answer.end(new TrustError("DEADLINE_EXCEEDED", "the watch was left"));
  }
}

const types = { ADDED: "added", MODIFIED: "modified", DELETED: "deleted" } as const;

function eventOf({ server }: Sender, intent: Intent, line: Uint8Array): WatchEvent {
  const wrong = (found: string) => invalidAnswer(intent, server, `an event of ${intent.resource.plural}`, found);
  const event = parseObject(line);
  if (event === undefined) throw wrong("a line that is no JSON object");
  const { type, object } = event;
  if (type === "ERROR") throw errorOf(server, intent, object);
  if (type === "BOOKMARK") {
    const metadata = isJsonObject(object) ? object["metadata"] : undefined;
    const version = isJsonObject(metadata) ? metadata["resourceVersion"] : undefined;
    if (!isResourceVersion(version)) throw wrong("a bookmark without a version");
    return { type: "bookmark", resourceVersion: version };
  }
  if (type !== "ADDED" && type !== "MODIFIED" && type !== "DELETED") throw wrong("an event of another type");
  const found = objectOf(object, intent.resource, { namespace: intent.namespace });
  if (typeof found === "string") throw wrong(found);
  return { type: types[type], object: found };
}

function errorOf(server: string, intent: Intent, status: unknown): TrustError {
  const code = isJsonObject(status) ? status["code"] : undefined;
  if (!isJsonObject(status) || typeof code !== "number")
    return invalidAnswer(intent, server, "an error with its code", "an error without one");
  return code === 410 ? gone(intent, "410") : refusal(intent, server, code, status);
}
