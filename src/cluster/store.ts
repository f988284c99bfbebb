import { type Intent, invalidAnswer } from "./answers.ts";
import type { ClusterObject, Resource, WrittenObject } from "./cluster.ts";
import { readObject, readRefusal } from "./list.ts";
import { objectOf, pathOf } from "./objects.ts";
import type { Sender } from "./request.ts";

const maxObjectBytes = 8 * 1024 * 1024;

/** Writes an object; undefined where somebody else was faster, so that it is there already, changed, or gone (409, 404). */
export async function storeObject(
  sender: Sender,
  resource: Resource,
  object: WrittenObject,
  signal: AbortSignal | undefined,
): Promise<ClusterObject | undefined> {
  const { name, namespace, resourceVersion } = object.metadata;
  const isNew = resourceVersion === undefined;
  const intent: Intent = { verb: isNew ? "create" : "update", resource, namespace, name };
  const answer = await sender.send({
    intent,
    method: isNew ? "POST" : "PUT",
    path: pathOf(resource, namespace, isNew ? undefined : name),
    query: { fieldManager: "trust" },
    body: { type: "application/json", text: JSON.stringify(object) },
    signal,
  });
  if (answer.status === 200 || answer.status === 201) {
    const value = await readObject(sender, answer, intent, maxObjectBytes);
    const stored = objectOf(value, resource, { namespace });
    if (typeof stored === "string") throw invalidAnswer(intent, sender.server, `a ${resource.kind}`, stored);
    return stored;
  }
  const error = await readRefusal(sender, answer, intent);
  if (answer.status === 409 || (answer.status === 404 && !isNew)) return undefined;
  throw error;
}
