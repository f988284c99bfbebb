import { canonicalBody, type RekorV1, shardOffset } from "./rekor-v1.ts";
import type { Answer, Handler, Question } from "./service.ts";

/** The HTTP interface of Rekor v1. */
export function rekorV1Api(log: RekorV1, now: () => number): Handler {
  const entryAt = (index: number | undefined): Answer | undefined =>
    index === undefined || log.tree.leaf(index) === undefined
      ? undefined
      : { status: 200, body: { [log.uuid(index)]: log.entry(index) } };
  const routes: Readonly<Record<string, Handler>> = {
    "GET /api/v1/log": () => ({ status: 200, body: head(log) }),
    "GET /api/v1/log/publicKey": () => ({
      status: 200,
      type: "application/x-pem-file",
      body: log.key.publicKey.export({ type: "spki", format: "pem" }),
    }),
    "GET /api/v1/log/entries": ({ query }) => entryAt(Number(query.get("logIndex")) - shardOffset),
    "POST /api/v1/log/entries": (question) => add(log, question, now),
    "POST /api/v1/log/entries/retrieve": (question) => retrieve(log, question),
  };
  return (question) => {
    const { method, path } = question;
    const uuid = /^\/api\/v1\/log\/entries\/([0-9a-f]{64,80})$/.exec(path)?.[1];
    if (uuid !== undefined && method === "GET") return entryAt(log.indexOf(uuid));
    return routes[`${method} ${path}`]?.(question);
  };
}

function head(log: RekorV1): object {
  return {
    rootHash: log.tree.root().toString("hex"),
    treeSize: log.tree.size,
    treeID: log.treeId,
    signedTreeHead: log.checkpoint(),
    inactiveShards: [],
  };
}

function add(log: RekorV1, { body }: Question, now: () => number): Answer {
  const canonical = canonicalBody(JSON.parse(body.toString()));
  const known = log.tree.indexOf(Buffer.from(canonical));
  const index = known ?? log.append(canonical, Math.floor(now() / 1000));
  const uuid = log.uuid(index);
  const headers = { location: `/api/v1/log/entries/${uuid}`, etag: uuid };
  if (known !== undefined)
    return { status: 409, headers, body: { code: 409, message: "an equivalent entry already exists" } };
  return { status: 201, headers, body: { [uuid]: log.entry(index) } };
}

function retrieve(log: RekorV1, { body }: Question): Answer {
  const { entryUUIDs = [], logIndexes = [], entries = [] } = JSON.parse(body.toString());
  const indexes: readonly (number | undefined)[] = [
    ...entryUUIDs.map((uuid: string) => log.indexOf(uuid)),
    ...logIndexes.map((index: number) => index - shardOffset),
    ...entries.map((entry: Parameters<typeof canonicalBody>[0]) => log.tree.indexOf(Buffer.from(canonicalBody(entry)))),
  ];
  const found = indexes.filter((index) => index !== undefined && log.tree.leaf(index) !== undefined);
  return { status: 200, body: found.map((index = 0) => ({ [log.uuid(index)]: log.entry(index) })) };
}
