import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type CleanRequest, cleanableKinds, cleanImage, planClean } from "../src/clean.ts";
import { digestOf } from "../src/crypto/digest.ts";
import { createHttpRegistry } from "../src/oci/http-registry.ts";
import { openLayout } from "../src/oci/layout.ts";
import { type ImageReference, parseReference, referrersTag } from "../src/oci/reference.ts";
import { listReferrers } from "../src/oci/referrers.ts";
import type { Registry } from "../src/oci/registry.ts";
import { attach, makeBundle, makeTagged, setScene, signatureLayer, tagOf } from "./copy/scene.ts";
import { makeImage, makeReferrer, push } from "./oci/artifacts.ts";
import { type MemoryRegistry, type MemoryRegistryOptions, serveRegistry } from "./oci/memory-registry.ts";
import { sendError } from "./oci/server.ts";
import { codeOfRejection } from "./support/errors.ts";
import { tempDir } from "./support/process.ts";

const http = createHttpRegistry({ retry: { attempts: 2, base: 1 } });
let folder: ReturnType<typeof tempDir>;
beforeEach(() => {
  folder = tempDir("clean");
});
afterEach(() => folder.cleanup());

interface Place {
  readonly registry: Registry;
  readonly image: ImageReference;
}

async function overHttp(options: MemoryRegistryOptions): Promise<Place & { running: MemoryRegistry }> {
  const running = await serveRegistry(options);
  return { registry: http, image: parseReference(`${running.host}/app:1`), running };
}

const kinds = {
  "a registry with the referrers API": () => overHttp({ referrers: true }),
  "a registry without it": () => overHttp({}),
  "a layout": async (): Promise<Place> => ({
    registry: await openLayout(join(folder.path, "l"), { create: true }),
    image: parseReference("registry.example.com/app:1"),
  }),
};

const plan = ({ registry, image }: Place, more: Partial<CleanRequest> = {}) =>
  planClean(registry, { image, kinds: cleanableKinds, ...more });

async function clean(place: Place, more: Partial<CleanRequest> = {}) {
  const planned = await plan(place, more);
  await cleanImage(place.registry, place.image, planned);
  return planned;
}

const summary = ({ items }: Awaited<ReturnType<typeof plan>>) =>
  items.map(({ kind, count }) => `${kind} ${count}`).sort();

describe.each(Object.entries(kinds))("in %s", (_name, start) => {
  test("all that belongs to the image goes, and the image stays", async () => {
    const place = await start();
    const scene = await setScene(place.registry, place.image);
    expect(summary(await clean(place))).toEqual([
      "attestation 1",
      "attestation 1",
      "sbom 1",
      "signature 1",
      "signature 1",
      "signature 1",
      "signature 2",
    ]);
    expect(await plan(place)).toMatchObject({ items: [], staying: 0 });
    const { registry, image } = place;
    expect((await registry.resolve(image)).digest).toBe(scene.index.descriptor.digest);
    for (const { descriptor } of scene.platforms)
      expect((await registry.fetchManifest(image, descriptor.digest)).bytes.length).toBeGreaterThan(0);
    const [amd] = scene.platforms;
    const left = await listReferrers(registry, image, amd.descriptor.digest, { maxPages: 5 });
    expect(left.descriptors).toHaveLength(1);
  });

  test("with its platforms' when asked", async () => {
    const place = await start();
    await setScene(place.registry, place.image);
    expect((await clean(place, { recursive: true })).items).toHaveLength(9);
    expect((await plan(place, { recursive: true })).items).toEqual([]);
  });

  test.each([
    ["signature", ["signature 1", "signature 1", "signature 2"]],
    ["attestation", ["attestation 1", "attestation 1", "signature 1"]],
    ["sbom", ["sbom 1"]],
  ] as const)("of one kind alone, with what is attached to it: %s", async (kind, expected) => {
    const place = await start();
    await setScene(place.registry, place.image);
    const before = (await plan(place)).items.length;
    expect(summary(await clean(place, { kinds: [kind] }))).toEqual(expected);
    expect((await plan(place, { kinds: [kind] })).items).toEqual([]);
    expect((await plan(place)).items).toHaveLength(before - expected.length);
  });

  test("what is something else stays", async () => {
    const place = await start();
    const { registry, image } = place;
    const [own, other] = [makeImage("one"), makeImage("other")];
    await push(registry, image, own, "1");
    await push(registry, image, other, tagOf(own.descriptor, ".sig"));
    const report = makeReferrer(own.descriptor, "r", "application/vnd.example.scan");
    await attach(registry, image, report, own.descriptor);
    expect(await clean(place)).toMatchObject({ items: [], staying: 2 });
    expect((await registry.fetchManifest(image, tagOf(own.descriptor, ".sig"))).bytes).toEqual(other.bytes);
    const { descriptors } = await listReferrers(registry, image, own.descriptor.digest, { maxPages: 5 });
    expect(descriptors).toHaveLength(1);
  });
});

describe("what is never removed", () => {
  test("the image itself, under whatever tag it lies", async () => {
    const place = await overHttp({});
    const image = makeImage("one");
    for (const tag of ["1", tagOf(image.descriptor, ".sig"), referrersTag(image.descriptor.digest)])
      await push(http, place.image, image, tag);
    expect((await clean(place)).items).toEqual([]);
    expect(place.running.requests.filter((line) => line.startsWith("DELETE"))).toEqual([]);
  });

  test("a referrer of another image that a list claims", async () => {
    const place = await overHttp({
      intercept(_request, response, path) {
        if (!path.includes("/referrers/")) return false;
        response.writeHead(200, { "Content-Type": "application/vnd.oci.image.index.v1+json" });
        response.end(JSON.stringify({ schemaVersion: 2, manifests: [foreign.descriptor] }));
        return true;
      },
    });
    const [own, other] = [makeImage("one"), makeImage("other")];
    const foreign = makeBundle(other.descriptor, "a");
    await push(http, place.image, own, "1");
    for (const each of [other, foreign]) await push(http, place.image, each);
    expect(await clean(place)).toMatchObject({ items: [], staying: 1 });
  });
});

describe("the list under the fallback tag", () => {
  test("goes with its last entry, and keeps what else it has", async () => {
    const place = await overHttp({});
    const image = makeImage("one");
    const tag = `app/${referrersTag(image.descriptor.digest)}`;
    await push(http, place.image, image, "1");
    await attach(http, place.image, makeBundle(image.descriptor, "a"), image.descriptor);
    await attach(http, place.image, makeReferrer(image.descriptor, "r", "application/x-scan"), image.descriptor);
    await clean(place);
    const list = JSON.parse(place.running.manifests.get(tag)?.bytes.toString() ?? "{}") as { manifests: unknown[] };
    expect(list.manifests).toHaveLength(1);
    const other = await overHttp({});
    await push(http, other.image, image, "1");
    await attach(http, other.image, makeBundle(image.descriptor, "a"), image.descriptor);
    await clean(other);
    expect(other.running.manifests.has(tag)).toBe(false);
  });

  test("loses entries that name nothing any more, when everything is to go", async () => {
    const place = await overHttp({});
    const image = makeImage("one");
    const bundle = makeBundle(image.descriptor, "a");
    await push(http, place.image, image, "1");
    await attach(http, place.image, bundle, image.descriptor);
    place.running.manifests.delete(`app/${bundle.descriptor.digest}`);
    expect((await plan(place, { kinds: ["signature"] })).items).toEqual([]);
    expect(summary(await clean(place))).toEqual(["gone 0"]);
    expect(place.running.manifests.has(`app/${referrersTag(image.descriptor.digest)}`)).toBe(false);
  });
});

describe("a registry that does not delete", () => {
  test.each([
    [405, "UNSUPPORTED"],
    [400, "UNSUPPORTED"],
    [501, "NONE"],
  ])("is told what to turn on, and nothing is changed (%i %s)", async (status, code) => {
    const place = await overHttp({
      intercept(request, response) {
        if (request.method !== "DELETE") return false;
        sendError(response, status, code);
        return true;
      },
    });
    await setScene(http, place.image);
    const before = new Map(place.running.manifests);
    await expect(clean(place)).rejects.toMatchObject({
      code: "REGISTRY_REFUSED",
      hint: expect.stringContaining("deletion"),
    });
    expect(place.running.manifests).toEqual(before);
  });

  test("to us alone says which right is missing", async () => {
    const place = await overHttp({
      intercept(request, response) {
        if (request.method !== "DELETE") return false;
        sendError(response, 403, "DENIED");
        return true;
      },
    });
    await setScene(http, place.image);
    expect(await codeOfRejection(clean(place))).toBe("AUTHORIZATION_DENIED");
  });
});

test("what others removed meanwhile is no error", async () => {
  const place = await overHttp({ referrers: true });
  const image = makeImage("one");
  const signatures = makeTagged([signatureLayer("a")]);
  await push(http, place.image, image, "1");
  await push(http, place.image, signatures, tagOf(image.descriptor, ".sig"));
  const planned = await plan(place);
  place.running.manifests.delete(`app/${signatures.descriptor.digest}`);
  await cleanImage(http, place.image, planned);
  expect(place.running.manifests.has(`app/${image.descriptor.digest}`)).toBe(true);
});

test("more than is read at once is said", async () => {
  const place = await overHttp({});
  const image = makeImage("one");
  await push(http, place.image, image, "1");
  const manifests = Array.from({ length: 5_100 }, (_, i) => ({
    mediaType: image.mediaType,
    digest: digestOf(Buffer.from(`${i}`)),
    size: 1,
  }));
  place.running.manifests.set(`app/${referrersTag(image.descriptor.digest)}`, {
    bytes: Buffer.from(JSON.stringify({ schemaVersion: 2, manifests })),
    mediaType: "application/vnd.oci.image.index.v1+json",
  });
  const planned = await plan(place);
  expect(planned.complete).toBe(false);
  expect(planned.items).toHaveLength(5_000);
});
