import type { IncomingMessage, ServerResponse } from "node:http";
import { describe, expect, test } from "vitest";
import { digestOf } from "../../src/crypto/digest.ts";
import { addToFallbackIndex, removeFromFallbackIndex } from "../../src/oci/fallback-index.ts";
import { createHttpRegistry } from "../../src/oci/http-registry.ts";
import { type Descriptor, mediaTypes } from "../../src/oci/manifest.ts";
import { parseRepository, referrersTag } from "../../src/oci/reference.ts";
import { blobOf } from "../../src/oci/registry.ts";
import type { UpdateSettings } from "../../src/oci/shared-index.ts";
import { makeImage, makeReferrer } from "./artifacts.ts";
import { type MemoryRegistry, type MemoryRegistryOptions, serveRegistry } from "./memory-registry.ts";
import { sendError } from "./server.ts";

const registry = createHttpRegistry({ retry: { attempts: 1 } });
const image = makeImage("one");
const subject = image.descriptor.digest;
const tag = referrersTag(subject);
const nameAt = ({ host }: { host: string }) => parseRepository(`${host}/app`);

/** Pushes a referrer's manifest, without listing it. */
async function pushed(running: MemoryRegistry, text: string): Promise<Descriptor> {
  const referrer = makeReferrer(image.descriptor, text);
  for (const blob of referrer.blobs) await registry.pushBlob(nameAt(running), blobOf(blob, digestOf(blob)));
  await registry.pushManifest(nameAt(running), referrer);
  return referrer.descriptor;
}

const add = (running: MemoryRegistry, descriptor: Descriptor, settings: UpdateSettings = {}) =>
  addToFallbackIndex(registry, nameAt(running), subject, { descriptors: [descriptor], ...settings });

function setIndex(running: MemoryRegistry, document: unknown) {
  const bytes = Buffer.from(typeof document === "string" ? document : JSON.stringify(document));
  running.manifests.set(`app/${tag}`, { bytes, mediaType: mediaTypes.imageIndex });
}

const indexText = (running: MemoryRegistry) => running.manifests.get(`app/${tag}`)?.bytes.toString() ?? "";
const digests = (running: MemoryRegistry) =>
  (JSON.parse(indexText(running)) as { manifests: Descriptor[] }).manifests.map(({ digest }) => digest);

/** A registry in which requests for the tag go through `fault`, counted from 1 for each method. */
function serveFaulty(
  fault: (
    about: { method: string; count: number; running: () => MemoryRegistry },
    response: ServerResponse,
    request: IncomingMessage,
  ) => boolean,
  more: MemoryRegistryOptions = {},
): Promise<MemoryRegistry> {
  const counts = new Map<string, number>();
  let running: MemoryRegistry | undefined;
  const self = () => running as MemoryRegistry;
  return serveRegistry({
    ...more,
    intercept(request, response, path) {
      if (!path.endsWith(`/manifests/${tag}`)) return false;
      const { method = "" } = request;
      const count = (counts.get(method) ?? 0) + 1;
      counts.set(method, count);
      return fault({ method, count, running: self }, response, request);
    },
  }).then((started) => {
    running = started;
    return started;
  });
}

describe("an update of a shared index", () => {
  test("keeps what it does not understand, in the index and in its entries", async () => {
    const running = await serveRegistry();
    const old = await pushed(running, "old");
    const text = `{"schemaVersion":2,"manifests":[{"mediaType":"${old.mediaType}","digest":"${old.digest}","size":${old.size},"x.unknown":{"big":12345678901234567890.10,"__proto__":{"a":1}},"annotations":{"é":"ü"}}],"annotations":{"a":"b"},"future":[1.0,null]}`;
    setIndex(running, text);
    const one = await pushed(running, "one");
    await add(running, one);
    expect(digests(running)).toEqual([old.digest, one.digest]);
    const now = indexText(running);
    expect(now).toContain('"x.unknown":{"big":12345678901234567890.10,"__proto__":{"a":1}}');
    expect(now).toContain('"annotations":{"a":"b"}');
    expect(now).toContain('"future":[1.0,null]');
  });

  test("writes nothing where everything is there already", async () => {
    const running = await serveRegistry();
    const one = await pushed(running, "one");
    await add(running, one);
    running.requests.length = 0;
    await add(running, one);
    expect(running.requests).toEqual([`GET /v2/app/manifests/${tag}`]);
  });

  test("puts back what another writer threw out, its own entry and others'", async () => {
    const two = makeReferrer(image.descriptor, "two").descriptor;
    // Right after our first write somebody who read before it writes an index with their entry alone.
    const running = await serveFaulty(({ method, count, running: self }) => {
      if (method === "GET" && count === 4) setIndex(self(), { schemaVersion: 2, manifests: [two] });
      return false;
    });
    const old = await pushed(running, "old");
    await pushed(running, "two");
    setIndex(running, { schemaVersion: 2, manifests: [old] });
    const one = await pushed(running, "one");
    await add(running, one);
    expect(new Set(digests(running))).toEqual(new Set([old.digest, one.digest, two.digest]));
  });

  test("waits, where others write too, for one that stood still between its read and its write", async () => {
    const two = makeReferrer(image.descriptor, "two").descriptor;
    const late = Promise.withResolvers<void>();
    const running = await serveFaulty(({ method, count, running: self }) => {
      const writeOver = () => setIndex(self(), { schemaVersion: 2, manifests: [two] });
      if (method === "GET" && count === 3) writeOver();
      // Three reads that miss nothing later, what the other read at first is written once more.
      if (method === "GET" && count === 6) setTimeout(() => late.resolve(writeOver()), 150);
      return false;
    });
    await pushed(running, "two");
    const one = await pushed(running, "one");
    await add(running, one);
    await late.promise;
    expect(new Set(digests(running))).toEqual(new Set([one.digest, two.digest]));
  });

  test("of many writers at once loses nobody's entry", async () => {
    const running = await serveRegistry();
    const all = [];
    for (let i = 0; i < 12; i++) all.push(await pushed(running, `writer ${i}`));
    await Promise.all(all.map((descriptor) => add(running, descriptor)));
    expect(new Set(digests(running))).toEqual(new Set(all.map(({ digest }) => digest)));
  });

  test("of many writers loses nobody's entry where If-Match is honoured, and writes over nobody", async () => {
    const running = await serveRegistry({ ifMatch: "honoured" });
    const all = [];
    for (let i = 0; i < 8; i++) all.push(await pushed(running, `writer ${i}`));
    await Promise.all(all.map((descriptor) => add(running, descriptor)));
    expect(new Set(digests(running))).toEqual(new Set(all.map(({ digest }) => digest)));
  });

  test("says what it replaces where the registry gives ETags", async () => {
    const ifMatch: (string | undefined)[] = [];
    const running = await serveFaulty(
      ({ method }, _response, request) => {
        if (method === "PUT") ifMatch.push(request.headers["if-match"]);
        return false;
      },
      { ifMatch: "honoured" },
    );
    const [one, two] = [await pushed(running, "one"), await pushed(running, "two")];
    await add(running, one);
    const etag = `"${digestOf(Buffer.from(indexText(running)))}"`;
    await add(running, two);
    expect(ifMatch).toEqual([undefined, etag]);
  });

  test("does without If-Match where that is refused although nothing changed", async () => {
    const running = await serveFaulty(
      ({ method }, response, request) => {
        if (method !== "PUT" || request.headers["if-match"] === undefined) return false;
        request.resume();
        sendError(response, 412, "PRECONDITION");
        return true;
      },
      { ifMatch: "ignored" },
    );
    const [one, two] = [await pushed(running, "one"), await pushed(running, "two")];
    await add(running, one);
    await add(running, two);
    expect(digests(running)).toEqual([one.digest, two.digest]);
  });

  test("looks twice before it believes that there is no index", async () => {
    const running = await serveFaulty(({ method, count }, response) => {
      if (method !== "GET" || count !== 1) return false;
      sendError(response, 404, "MANIFEST_UNKNOWN");
      return true;
    });
    const [old, one] = [await pushed(running, "old"), await pushed(running, "one")];
    setIndex(running, { schemaVersion: 2, manifests: [old] });
    await add(running, one);
    expect(digests(running)).toEqual([old.digest, one.digest]);
  });

  test.each<[string, (response: ServerResponse) => void]>([
    ["400 MANIFEST_BLOB_UNKNOWN", (response) => sendError(response, 400, "MANIFEST_BLOB_UNKNOWN")],
    ["400 DIGEST_INVALID", (response) => sendError(response, 400, "DIGEST_INVALID")],
    ["500", (response) => sendError(response, 500, "UNKNOWN")],
    ["a cut connection", (response) => void response.destroy()],
    ["an error with status 200", (response) => sendError(response, 200, "UNKNOWN")],
  ])("bears %s now and then, when reading and when writing", async (_what, answer) => {
    const running = await serveFaulty(({ count }, response, request) => {
      if (count % 2 === 1) return false;
      request.resume();
      answer(response);
      return true;
    });
    const [one, two] = [await pushed(running, "one"), await pushed(running, "two")];
    await add(running, one);
    await add(running, two);
    expect(digests(running)).toEqual([one.digest, two.digest]);
  });

  test.each([
    [400, "MANIFEST_BLOB_UNKNOWN", "REGISTRY_REFUSED"],
    [500, "UNKNOWN", "REGISTRY_ERROR"],
  ])("gives up where %i %s never ends", async (status, own, code) => {
    const running = await serveFaulty(({ method }, response, request) => {
      if (method !== "PUT") return false;
      request.resume();
      sendError(response, status, own);
      return true;
    });
    const one = await pushed(running, "one");
    await expect(add(running, one, { random: () => 0 })).rejects.toMatchObject({ code });
    expect(running.requests.filter((line) => line === `PUT /v2/app/manifests/${tag}`).length).toBeLessThanOrEqual(10);
  });

  test("gives up at once where it may not write", async () => {
    const running = await serveFaulty(({ method }, response, request) => {
      if (method !== "PUT") return false;
      request.resume();
      sendError(response, 403, "DENIED");
      return true;
    });
    const one = await pushed(running, "one");
    await expect(add(running, one)).rejects.toMatchObject({ code: "AUTHORIZATION_DENIED" });
    expect(running.requests.filter((line) => line.startsWith(`PUT /v2/app/manifests/${tag}`))).toHaveLength(1);
  });

  test("gives up where others never stop throwing its entry out", async () => {
    const running = await serveFaulty(({ method, running: self }) => {
      if (method === "GET") self().manifests.delete(`app/${tag}`);
      return false;
    });
    const one = await pushed(running, "one");
    await expect(add(running, one, { maxMs: 200 })).rejects.toMatchObject({
      code: "UPDATE_CONFLICT",
      category: "unavailable",
    });
  });

  test("ends with the caller's deadline", async () => {
    const running = await serveFaulty(({ method, running: self }) => {
      if (method === "GET") self().manifests.delete(`app/${tag}`);
      return false;
    });
    const one = await pushed(running, "one");
    await expect(add(running, one, { signal: AbortSignal.timeout(100) })).rejects.toMatchObject({
      code: "DEADLINE_EXCEEDED",
    });
  });

  test("drops an entry whose manifest is gone where the registry would refuse the index for it", async () => {
    const running = await serveRegistry();
    const [old, dead, one] = [
      await pushed(running, "old"),
      await pushed(running, "dead"),
      await pushed(running, "one"),
    ];
    setIndex(running, { schemaVersion: 2, manifests: [old, dead] });
    running.manifests.delete(`app/${dead.digest}`);
    await add(running, one, { random: () => 0 });
    expect(digests(running)).toEqual([old.digest, one.digest]);
  });

  test("of an index that is full fails and leaves it as it is", async () => {
    const running = await serveRegistry();
    const one = await pushed(running, "one");
    setIndex(running, { schemaVersion: 2, manifests: [], annotations: { a: "x".repeat(4 * 1024 * 1024 - 200) } });
    const before = indexText(running);
    await expect(add(running, one)).rejects.toMatchObject({ code: "CONTENT_TOO_LARGE" });
    expect(indexText(running)).toBe(before);
  });
});

describe("a removal from a shared index", () => {
  const remove = (running: MemoryRegistry, ...gone: Descriptor[]) =>
    removeFromFallbackIndex(registry, nameAt(running), subject, { digests: gone.map(({ digest }) => digest) });

  test("takes out what was asked for and nothing else, whatever the index says beside", async () => {
    const running = await serveRegistry();
    const [one, two, three] = [await pushed(running, "1"), await pushed(running, "2"), await pushed(running, "3")];
    setIndex(running, { schemaVersion: 2, manifests: [one, { ...two, unknown: 1 }, three], future: true });
    await remove(running, one, three);
    expect(JSON.parse(indexText(running))).toMatchObject({ manifests: [{ ...two, unknown: 1 }], future: true });
  });

  test("writes nothing where there is nothing to remove, and makes no index", async () => {
    const running = await serveRegistry();
    const one = await pushed(running, "1");
    await remove(running, one);
    setIndex(running, { schemaVersion: 2, manifests: [] });
    await remove(running, one);
    expect(running.requests.filter((line) => line.startsWith("PUT") && line.endsWith(tag))).toEqual([]);
  });

  test("holds against a writer that carries the entry along", async () => {
    let brought = 0;
    const running: MemoryRegistry = await serveFaulty(({ method, count, running: self }) => {
      // After the first removal another writer puts back what it had read before.
      if (method === "GET" && (count === 3 || count === 5)) {
        brought += 1;
        setIndex(self(), { schemaVersion: 2, manifests: [one, two] });
      }
      return false;
    });
    const [one, two] = [await pushed(running, "1"), await pushed(running, "2")];
    setIndex(running, { schemaVersion: 2, manifests: [one, two] });
    await remove(running, one);
    expect(brought).toBe(2);
    expect(digests(running)).toEqual([two.digest]);
  });

  test("keeps what others add meanwhile", async () => {
    const running: MemoryRegistry = await serveFaulty(({ method, count, running: self }) => {
      if (method === "GET" && count === 2) setIndex(self(), { schemaVersion: 2, manifests: [one, two] });
      return false;
    });
    const [one, two] = [await pushed(running, "1"), await pushed(running, "2")];
    setIndex(running, { schemaVersion: 2, manifests: [one] });
    await remove(running, one);
    expect(digests(running)).toEqual([two.digest]);
  });
});

test("an update that the caller has begun itself is looked after until it stays", async () => {
  const running: MemoryRegistry = await serveFaulty(({ method, count, running: self }) => {
    if (method === "GET" && count === 2) setIndex(self(), { schemaVersion: 2, manifests: [two] });
    return false;
  });
  const [one, two] = [await pushed(running, "1"), await pushed(running, "2")];
  setIndex(running, { schemaVersion: 2, manifests: [one] });
  await add(running, one, { written: true });
  expect(new Set(digests(running))).toEqual(new Set([one.digest, two.digest]));
});
