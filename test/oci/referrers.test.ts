import { describe, expect, test } from "vitest";
import { digestOf } from "../../src/crypto/digest.ts";
import { createHttpRegistry } from "../../src/oci/http-registry.ts";
import { mediaTypes } from "../../src/oci/manifest.ts";
import { parseRepository, referrersTag } from "../../src/oci/reference.ts";
import { attachReferrer, attachReferrers, listReferrers } from "../../src/oci/referrers.ts";
import { blobOf } from "../../src/oci/registry.ts";
import { type MadeManifest, makeImage, makeIndex, makeReferrer, push } from "./artifacts.ts";
import { type MemoryRegistry, type MemoryRegistryOptions, serveRegistry } from "./memory-registry.ts";
import { sendError, sendJson } from "./server.ts";

const registry = createHttpRegistry({ retry: { attempts: 2, base: 1 } });
const image = makeImage("one");
const subject = image.descriptor.digest;
const tag = referrersTag(subject);
const artifactType = "application/vnd.test.signature";
const limits = { maxPages: 20 };
const nameAt = ({ host }: { host: string }) => parseRepository(`${host}/app`);

const listed = (referrer: MadeManifest, text: string) => ({
  ...referrer.descriptor,
  artifactType,
  annotations: { text },
});

async function start(options: MemoryRegistryOptions = {}): Promise<MemoryRegistry> {
  const running = await serveRegistry(options);
  await push(registry, nameAt(running), image, "v1");
  return running;
}

async function attach(running: MemoryRegistry, text: string) {
  const referrer = makeReferrer(image.descriptor, text);
  for (const blob of referrer.blobs) await registry.pushBlob(nameAt(running), blobOf(blob, digestOf(blob)));
  const descriptor = listed(referrer, text);
  const { listedBy } = await attachReferrer(registry, nameAt(running), { ...referrer, descriptor }, subject);
  return { listedBy, descriptor };
}

/** Puts bytes under the fallback tag, past every check. */
function putUnderTag(running: MemoryRegistry, bytes: Buffer, mediaType: string = mediaTypes.imageIndex) {
  running.manifests.set(`app/${tag}`, { bytes, mediaType });
}

describe("listing", () => {
  test("of a subject without referrers is empty", async () => {
    const running = await start();
    expect(await listReferrers(registry, nameAt(running), subject, limits)).toEqual({
      descriptors: [],
      complete: true,
    });
  });

  test("asks API and fallback tag, one request each, and lists each digest once", async () => {
    const running = await start({ referrers: true });
    const one = await attach(running, "one");
    const two = await attach(running, "two");
    const old = makeReferrer(image.descriptor, "old");
    const entries = [old.descriptor, { ...two.descriptor, artifactType: "application/vnd.oci.empty.v1+json" }];
    putUnderTag(running, makeIndex(entries).bytes);
    running.requests.length = 0;
    const { descriptors, complete } = await listReferrers(registry, nameAt(running), subject, limits);
    expect(complete).toBe(true);
    expect(descriptors).toEqual([one.descriptor, two.descriptor, old.descriptor]);
    expect(running.requests.sort()).toEqual([`GET /v2/app/manifests/${tag}`, `GET /v2/app/referrers/${subject}`]);
  });

  test("goes over all pages of the API, and says where a limit ends it", async () => {
    const running = await start({ referrers: true, pageSize: 2 });
    for (const text of ["a", "b", "c", "d", "e"]) await attach(running, text);
    const all = await listReferrers(registry, nameAt(running), subject, limits);
    expect(all.complete).toBe(true);
    expect(all.descriptors).toHaveLength(5);
    const some = await listReferrers(registry, nameAt(running), subject, { maxPages: 2 });
    expect(some.complete).toBe(false);
    expect(some.descriptors).toHaveLength(4);
  });

  test.each([
    ["to itself", `</v2/app/referrers/${subject}>; rel="next"`],
    ["on for ever", `</v2/app/referrers/${subject}?page=RANDOM>; rel="next"`],
  ])("of pages that lead %s is incomplete", async (_what, link) => {
    let page = 0;
    const running = await start({
      intercept: (_request, response, path) => {
        if (!path.includes("/referrers/")) return false;
        sendJson(response, 200, { schemaVersion: 2, manifests: [] }, { Link: link.replace("RANDOM", String(page++)) });
        return true;
      },
    });
    const { complete } = await listReferrers(registry, nameAt(running), subject, limits);
    expect(complete).toBe(false);
    expect(page).toBeLessThanOrEqual(20);
  });

  test("of a page that leads to another host is refused", async () => {
    const running = await start({
      intercept: (_request, response, path) => {
        if (!path.includes("/referrers/")) return false;
        sendJson(response, 200, { manifests: [] }, { Link: '<https://other.example.com/v2/x>; rel="next"' });
        return true;
      },
    });
    expect(await listReferrers(registry, nameAt(running), subject, limits)).toMatchObject({
      descriptors: [],
      complete: false,
      failure: { code: "REGISTRY_ERROR" },
    });
  });

  test("of a page beyond 4 MiB is incomplete, and what the tag lists still counts", async () => {
    const old = makeReferrer(image.descriptor, "old");
    const running = await start({
      intercept: (_request, response, path) => {
        if (!path.includes("/referrers/")) return false;
        sendJson(response, 200, { manifests: [], padding: "x".repeat(2 ** 22) });
        return true;
      },
    });
    putUnderTag(running, makeIndex([old.descriptor]).bytes);
    expect(await listReferrers(registry, nameAt(running), subject, limits)).toEqual({
      descriptors: [old.descriptor],
      complete: false,
      underTag: new Set([old.descriptor.digest]),
    });
  });

  test("of more referrers than anybody needs is cut", async () => {
    const one = makeReferrer(image.descriptor, "one").descriptor;
    const many = Array.from({ length: 10_500 }, (_, i) => ({ ...one, digest: digestOf(Buffer.from(String(i))) }));
    const running = await start({
      intercept: (_request, response, path) => {
        if (!path.includes("/referrers/")) return false;
        sendJson(response, 200, { manifests: many });
        return true;
      },
    });
    const { descriptors, complete } = await listReferrers(registry, nameAt(running), subject, limits);
    expect(complete).toBe(false);
    expect(descriptors).toHaveLength(10_000);
  });

  test.each([
    ["404", 404, "text/plain"],
    ["405", 405, "application/json"],
    ["a web page", 200, "text/html"],
  ])("takes %s as no referrers API", async (_what, status, type) => {
    const running = await start({
      intercept: (_request, response, path) => {
        if (!path.includes("/referrers/")) return false;
        response.writeHead(status, { "Content-Type": type }).end("<html>");
        return true;
      },
    });
    expect(await listReferrers(registry, nameAt(running), subject, limits)).toEqual({
      descriptors: [],
      complete: true,
    });
  });

  test.each([[500], [403], [200]])("does not take the answer %i as no referrers", async (status) => {
    const running = await start({
      intercept: (_request, response, path) => {
        if (!path.includes("/referrers/")) return false;
        sendError(response, status, "SOMETHING");
        return true;
      },
    });
    expect(await listReferrers(registry, nameAt(running), subject, limits)).toMatchObject({
      descriptors: [],
      complete: false,
      failure: { code: expect.stringMatching(/^(?:REGISTRY_ERROR|AUTHORIZATION_DENIED)$/) },
    });
  });

  test("keeps what the tag lists while the API fails, and what the API lists while the tag does", async () => {
    const { descriptor } = makeReferrer(image.descriptor, "good");
    const index = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [descriptor] }));
    for (const failing of ["/referrers/", `/manifests/${referrersTag(subject)}`]) {
      const running = await start({
        intercept: (_request, response, path) => {
          if (path.includes(failing)) sendError(response, 503, "UNAVAILABLE");
          else if (path.includes("/referrers/")) sendJson(response, 200, JSON.parse(index.toString()));
          else return false;
          return true;
        },
      });
      putUnderTag(running, index);
      const listing = await listReferrers(registry, nameAt(running), subject, limits);
      expect(listing).toMatchObject({
        descriptors: [descriptor],
        complete: false,
        failure: { category: "unavailable" },
      });
    }
  });

  test("fails where both places fail", async () => {
    const running = await start({
      intercept: (_request, response, path) => {
        if (!path.includes("/referrers/") && !path.endsWith(referrersTag(subject))) return false;
        sendError(response, 503, "UNAVAILABLE");
        return true;
      },
    });
    await expect(listReferrers(registry, nameAt(running), subject, limits)).rejects.toMatchObject({
      code: "REGISTRY_ERROR",
    });
  });

  test("does not take a page for people under the tag for an empty list", async () => {
    const running = await start();
    putUnderTag(running, Buffer.from("<html>"), "text/html");
    expect(await listReferrers(registry, nameAt(running), subject, limits)).toMatchObject({
      complete: false,
      failure: { code: "REGISTRY_ERROR" },
    });
  });

  test("is not stopped by an entry that is no descriptor", async () => {
    const running = await start();
    const { descriptor } = makeReferrer(image.descriptor, "good");
    const bad = [null, 5, {}, { ...descriptor, digest: "sha256:x" }, { ...descriptor, size: -1 }];
    putUnderTag(running, Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [...bad, descriptor] })));
    expect((await listReferrers(registry, nameAt(running), subject, limits)).descriptors).toEqual([descriptor]);
  });

  test("takes a tag that holds something else as no list", async () => {
    const running = await start();
    const multi = makeIndex([image.descriptor]);
    for (const [bytes, mediaType] of [
      [image.bytes, image.mediaType],
      [Buffer.from("<html>"), "text/plain"],
      [Buffer.from("{"), mediaTypes.imageIndex],
      [Buffer.from('{"manifests":5}'), mediaTypes.imageIndex],
    ] as const) {
      putUnderTag(running, bytes, mediaType);
      expect((await listReferrers(registry, nameAt(running), subject, limits)).descriptors).toEqual([]);
    }
    // `cosign copy` leaves a multi-platform image under its own fallback tag.
    const own = referrersTag(multi.descriptor.digest);
    running.manifests.set(`app/${own}`, { bytes: multi.bytes, mediaType: multi.mediaType });
    expect((await listReferrers(registry, nameAt(running), multi.descriptor.digest, limits)).descriptors).toEqual([]);
  });

  test("of an index that is too large is incomplete", async () => {
    const running = await start();
    putUnderTag(running, Buffer.alloc(4 * 1024 * 1024 + 1, " "));
    expect(await listReferrers(registry, nameAt(running), subject, limits)).toEqual({
      descriptors: [],
      complete: false,
    });
  });
});

describe("attaching", () => {
  test("ends with the push where the registry lists it", async () => {
    const running = await start({ referrers: true });
    running.requests.length = 0;
    expect((await attach(running, "one")).listedBy).toBe("registry");
    expect(running.requests.filter((line) => !line.includes("/blobs/"))).toHaveLength(1);
    expect(running.manifests.has(`app/${tag}`)).toBe(false);
  });

  test("needs no tag where the API lists it, though the push did not say so", async () => {
    const running = await start({ referrers: "silent" });
    expect((await attach(running, "one")).listedBy).toBe("registry");
    expect(running.manifests.has(`app/${tag}`)).toBe(false);
  });

  test("lists it under the fallback tag else, with artifact type and annotations", async () => {
    const running = await start();
    const one = await attach(running, "one");
    const two = await attach(running, "two");
    expect([one.listedBy, two.listedBy]).toEqual(["tag", "tag"]);
    const { bytes, descriptor } = await registry.fetchManifest(nameAt(running), tag);
    expect(descriptor.mediaType).toBe(mediaTypes.imageIndex);
    expect(JSON.parse(bytes.toString())).toEqual({
      schemaVersion: 2,
      mediaType: mediaTypes.imageIndex,
      manifests: [one.descriptor, two.descriptor],
    });
  });

  test("leaves a tag alone that holds something else", async () => {
    for (const other of [makeImage("other"), image]) {
      const running = await start();
      await push(registry, nameAt(running), other, tag);
      await expect(attach(running, "one")).rejects.toMatchObject({
        code: "REFERRERS_TAG_CONFLICT",
        category: "config",
        found: expect.stringContaining(other.descriptor.digest),
      });
      expect(running.manifests.get(`app/${tag}`)?.bytes).toEqual(other.bytes);
    }
  });

  test("leaves a multi-platform image alone that lies under its own fallback tag", async () => {
    const running = await start();
    const multi = makeIndex([image.descriptor]);
    const own = referrersTag(multi.descriptor.digest);
    await push(registry, nameAt(running), multi, own);
    const referrer = makeReferrer(multi.descriptor, "one");
    for (const blob of referrer.blobs) await registry.pushBlob(nameAt(running), blobOf(blob, digestOf(blob)));
    await expect(attachReferrer(registry, nameAt(running), referrer, multi.descriptor.digest)).rejects.toMatchObject({
      code: "REFERRERS_TAG_CONFLICT",
    });
    expect(running.manifests.get(`app/${own}`)?.bytes).toEqual(multi.bytes);
  });

  test("many of one subject changes its list once", async () => {
    const running = await start();
    const referrers = Array.from({ length: 30 }, (_, i) => makeReferrer(image.descriptor, `${i}`));
    for (const { blobs } of referrers)
      for (const blob of blobs) await registry.pushBlob(nameAt(running), blobOf(blob, digestOf(blob)));
    running.requests.length = 0;
    expect(await attachReferrers(registry, nameAt(running), referrers, subject)).toEqual({ listedByTag: 30 });
    const found = await listReferrers(registry, nameAt(running), subject, limits);
    expect(new Set(found.descriptors.map(({ digest }) => digest))).toEqual(
      new Set(referrers.map(({ descriptor }) => descriptor.digest)),
    );
    const puts = running.requests.filter((line) => line.startsWith("PUT") && line.endsWith(tag));
    expect(puts).toHaveLength(1);
  });
});
