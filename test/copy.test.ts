import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type CopyOptions, copyImage } from "../src/copy.ts";
import { digestOf } from "../src/crypto/digest.ts";
import { createHttpRegistry } from "../src/oci/http-registry.ts";
import { createLayoutTar, type Layout, openLayout } from "../src/oci/layout.ts";
import { mediaTypes } from "../src/oci/manifest.ts";
import { type ImageReference, parseReference, parseRepository, referrersTag } from "../src/oci/reference.ts";
import { listReferrers } from "../src/oci/referrers.ts";
import type { Registry } from "../src/oci/registry.ts";
import {
  attach,
  makeBundle,
  makeTagged,
  type Scene,
  sbomLayer,
  setScene,
  signatureLayer,
  tagOf,
} from "./copy/scene.ts";
import { makeImage, makeIndex, makeReferrer, push } from "./oci/artifacts.ts";
import { type MemoryRegistry, type MemoryRegistryOptions, serveRegistry } from "./oci/memory-registry.ts";
import { codeOfRejection } from "./support/errors.ts";
import { tempDir } from "./support/process.ts";

const http = createHttpRegistry({ retry: { attempts: 2, base: 1 } });
let folder: ReturnType<typeof tempDir>;
beforeEach(() => {
  folder = tempDir("trust-copy");
});
afterEach(() => folder.cleanup());

interface Side {
  readonly registry: Registry;
  readonly image: ImageReference;
  readonly running?: MemoryRegistry;
}

/** Places to copy from and to. */
const kinds = {
  "a registry with the referrers API": () => overHttp({ referrers: true }),
  "a registry without it": () => overHttp({}),
  "a layout": async () => inLayout("layout"),
};

async function overHttp(options: MemoryRegistryOptions, name = "app:1"): Promise<Side & { running: MemoryRegistry }> {
  const running = await serveRegistry(options);
  return { registry: http, image: parseReference(`${running.host}/${name}`), running };
}

async function inLayout(path: string): Promise<Side & { registry: Layout }> {
  const registry = await openLayout(join(folder.path, `${path}-${Math.random()}`), { create: true });
  return { registry, image: parseReference("registry.example.com/app:1") };
}

const copy = (from: Side, to: Side, options: CopyOptions = {}) => copyImage(from, to, options);

/** All of the scene is there, byte for byte and where readers look. */
async function expectScene({ registry, image }: Side, scene: Scene): Promise<void> {
  expect((await registry.resolve(image)).digest).toBe(scene.index.descriptor.digest);
  for (const { bytes, descriptor } of [scene.index, ...scene.platforms])
    expect((await registry.fetchManifest(image, descriptor.digest)).bytes).toEqual(bytes);
  for (const [tag, { bytes, blobs }] of scene.tags) {
    expect((await registry.fetchManifest(image, tag)).bytes).toEqual(bytes);
    await expectBlobs({ registry, image }, blobs);
  }
  for (const [subject, items] of scene.referrers) {
    const listed = await listReferrers(registry, image, subject.digest, { maxPages: 20 });
    expect(new Set(listed.descriptors.map(({ digest }) => digest))).toEqual(
      new Set(items.map(({ descriptor }) => descriptor.digest)),
    );
    for (const { artifactType, annotations } of listed.descriptors) {
      expect(artifactType).toBe("application/vnd.dev.sigstore.bundle.v0.3+json");
      expect(annotations).toHaveProperty(["dev.sigstore.bundle.predicateType"]);
    }
    for (const { bytes, blobs, descriptor } of items) {
      expect((await registry.fetchManifest(image, descriptor.digest)).bytes).toEqual(bytes);
      await expectBlobs({ registry, image }, blobs);
    }
  }
}

async function expectBlobs({ registry, image }: Side, blobs: readonly Buffer[]): Promise<void> {
  for (const blob of blobs) {
    const descriptor = { digest: digestOf(blob), size: blob.length };
    expect(await registry.fetchBlob(image, descriptor, 1e6)).toEqual(blob);
  }
}

const pairs = Object.entries(kinds).flatMap(([from, source]) =>
  Object.entries(kinds).map(([to, target]) => [from, to, source, target] as const),
);

describe.each(pairs)("from %s to %s", (_from, _to, source, target) => {
  test("everything comes over, byte for byte, once", async () => {
    const [from, to] = [await source(), await target()];
    const scene = await setScene(from.registry, from.image);
    const copied = await copy(from, to);
    expect(copied).toMatchObject({
      digest: scene.index.descriptor.digest,
      signatures: 3 + 4,
      attestations: 2,
      sboms: 1,
      referrers: 5,
      skipped: 0,
      leftOut: [],
    });
    await expectScene(to, scene);
    const again = await copy(from, to);
    expect(again).toMatchObject({ manifests: 0, blobs: 0, bytes: 0, mounted: 0, signatures: 7, skipped: 12 });
  });
});

describe("what is at the destination", () => {
  test("never holds an image under the tag of a list of referrers", async () => {
    const [from, to] = [await overHttp({ referrers: true }), await overHttp({})];
    const scene = await setScene(from.registry, from.image);
    await copy(from, to);
    for (const { descriptor } of [scene.index, ...scene.platforms]) {
      const found = to.running.manifests.get(`app/${referrersTag(descriptor.digest)}`);
      if (found === undefined) continue;
      const list = JSON.parse(found.bytes.toString()) as { manifests: { artifactType?: string }[] };
      expect(list.manifests.every(({ artifactType }) => artifactType !== undefined)).toBe(true);
    }
  });

  test("an image that lies under the tag of its own referrers is not taken for one, and not copied there", async () => {
    const [from, to] = [await overHttp({}), await overHttp({})];
    const image = makeImage("one");
    await push(http, from.image, image, "1");
    await push(http, from.image, image, referrersTag(image.descriptor.digest));
    expect(await copy(from, to)).toMatchObject({ referrers: 0, leftOut: [] });
    expect(to.running.manifests.has(`app/${referrersTag(image.descriptor.digest)}`)).toBe(false);
  });

  test.each(Object.entries(kinds))("keeps the signatures that it has, in %s", async (_name, target) => {
    const [from, to] = [await overHttp({}), await target()];
    const image = makeImage("one");
    for (const side of [from, to]) await push(side.registry, side.image, image, "1");
    const tag = tagOf(image.descriptor, ".sig");
    await push(http, from.image, makeTagged([signatureLayer("ours"), signatureLayer("both")]), tag);
    await push(to.registry, to.image, makeTagged([signatureLayer("both"), signatureLayer("theirs")]), tag);
    await attach(http, from.image, makeBundle(image.descriptor, "ours"), image.descriptor);
    await attach(to.registry, to.image, makeBundle(image.descriptor, "theirs"), image.descriptor);
    expect(await copy(from, to)).toMatchObject({ signatures: 3 });
    const { bytes } = await to.registry.fetchManifest(to.image, tag);
    const { layers } = JSON.parse(bytes.toString()) as { layers: { annotations: Record<string, string> }[] };
    expect(layers.map(({ annotations }) => annotations["dev.cosignproject.cosign/signature"]).sort()).toEqual([
      "both",
      "ours",
      "theirs",
    ]);
    const { descriptors } = await listReferrers(to.registry, to.image, image.descriptor.digest, { maxPages: 5 });
    expect(descriptors).toHaveLength(2);
  });

  test("keeps the SBOM that it has, and says so", async () => {
    const [from, to] = [await overHttp({}), await overHttp({})];
    const image = makeImage("one");
    const tag = tagOf(image.descriptor, ".sbom");
    await push(http, from.image, image, "1");
    await push(http, from.image, makeTagged([sbomLayer("new")]), tag);
    const old = makeTagged([sbomLayer("old")]);
    await push(http, to.image, old, tag);
    const copied = await copy(from, to);
    expect(copied).toMatchObject({ sboms: 0, leftOut: [{ code: "REFERRERS_TAG_CONFLICT" }] });
    expect((await http.fetchManifest(to.image, tag)).bytes).toEqual(old.bytes);
  });

  test("many copies and signers at once lose nothing", async () => {
    const sources = await Promise.all(Array.from({ length: 4 }, () => overHttp({ referrers: true })));
    const to = await overHttp({});
    const image = makeImage("one");
    const tag = tagOf(image.descriptor, ".sig");
    for (const [i, from] of sources.entries()) {
      await push(http, from.image, image, "1");
      await push(http, from.image, makeTagged([signatureLayer(`signer ${i}`)]), tag);
      await attach(http, from.image, makeBundle(image.descriptor, `signer ${i}`), image.descriptor);
    }
    await Promise.all(sources.map((from) => copy(from, to)));
    const { bytes } = await http.fetchManifest(to.image, tag);
    expect((JSON.parse(bytes.toString()) as { layers: unknown[] }).layers).toHaveLength(4);
    const listed = await listReferrers(http, to.image, image.descriptor.digest, { maxPages: 5 });
    expect(listed.descriptors).toHaveLength(4);
  });

  test("within one registry is linked, not sent", async () => {
    const from = await overHttp({ referrers: true });
    const to = { ...from, image: parseReference(`${from.running.host}/other/app:2`) };
    const scene = await setScene(from.registry, from.image);
    const copied = await copy(from, to);
    expect(copied.blobs).toBe(0);
    expect(copied.mounted).toBeGreaterThan(5);
    await expectScene(to, scene);
    const sent = from.running.requests.filter((line) => /^P(?:UT|ATCH) .*other\/app\/blobs/.test(line));
    expect(sent).toEqual([]);
  });

  test("gets a second name without anything being sent", async () => {
    const from = await overHttp({});
    const scene = await setScene(from.registry, from.image);
    const { host } = from.running;
    from.running.requests.length = 0;
    await copy(from, { ...from, image: parseReference(`${host}/app:2`) });
    expect(from.running.requests.filter((line) => !/^(?:GET|HEAD) /.test(line))).toEqual(["PUT /v2/app/manifests/2"]);
    expect((await http.resolve(parseReference(`${host}/app:2`))).digest).toBe(scene.index.descriptor.digest);
  });

  test("has everything when the source was named by digest", async () => {
    const [from, to] = [await overHttp({ referrers: true }), await overHttp({})];
    const scene = await setScene(from.registry, from.image);
    const { registry, repository } = from.image;
    const { digest } = scene.index.descriptor;
    const copied = await copy({ ...from, image: { registry, repository, digest } }, to);
    expect(copied).toMatchObject({ signatures: 7, attestations: 2, sboms: 1, referrers: 5 });
    await expectScene(to, scene);
  });

  test("has the signatures of a separate repository beside it", async () => {
    const [from, to] = [await overHttp({}), await overHttp({ referrers: true })];
    const image = makeImage("one");
    await push(http, from.image, image, "1");
    const apart = parseRepository(`${from.running.host}/signatures`);
    const tag = tagOf(image.descriptor, ".sig");
    const [both, other] = [makeTagged([signatureLayer("both")]), makeTagged([signatureLayer("apart")])];
    await push(http, from.image, both, tag);
    await push(http, apart, both, tag);
    expect(await copy(from, to, { signatureRepository: apart })).toMatchObject({ signatures: 1 });
    await push(http, apart, other, tag);
    const bundle = makeBundle(image.descriptor, "apart");
    await attach(http, apart, bundle, image.descriptor);
    expect(await copy(from, to, { signatureRepository: apart })).toMatchObject({ signatures: 3, referrers: 1 });
    const { bytes } = await http.fetchManifest(to.image, tag);
    expect((JSON.parse(bytes.toString()) as { layers: unknown[] }).layers).toHaveLength(2);
    const { descriptors } = await http.listReferrers(to.image, image.descriptor.digest, 5);
    expect(descriptors).toHaveLength(1);
    await expectBlobs(to, [...other.blobs.slice(1), ...bundle.blobs]);
  });

  test("by digest alone has no tag", async () => {
    const [from, to] = [await overHttp({}), await overHttp({})];
    const image = makeImage("one");
    await push(http, from.image, image, "1");
    const { digest } = image.descriptor;
    const { registry, repository } = to.image;
    await copy(from, { ...to, image: { registry, repository, digest } });
    expect([...to.running.manifests.keys()]).toEqual([`app/${digest}`]);
  });

  test("is left alone where its tag stands for the image already: tags may be immutable", async () => {
    const [from, to] = [await overHttp({}), await overHttp({})];
    const image = makeImage("one");
    for (const side of [from, to]) await push(http, side.image, image, "1");
    to.running.requests.length = 0;
    await copy(from, to);
    expect(to.running.requests.filter((line) => line.startsWith("PUT"))).toEqual([]);
  });
});

describe("only a part", () => {
  test("one platform comes with its own signatures, not with those of the index", async () => {
    const [from, to] = [await overHttp({}), await overHttp({ referrers: true })];
    const scene = await setScene(from.registry, from.image);
    const [amd] = scene.platforms;
    const copied = await copy(from, to, { platform: { os: "linux", architecture: "amd64" } });
    expect(copied).toMatchObject({ digest: amd.descriptor.digest, signatures: 2, attestations: 0, referrers: 1 });
    expect((await http.resolve(to.image)).digest).toBe(amd.descriptor.digest);
    expect(to.running.manifests.has(`app/${scene.index.descriptor.digest}`)).toBe(false);
  });

  test("without signatures is the image alone", async () => {
    const [from, to] = [await overHttp({}), await overHttp({})];
    const scene = await setScene(from.registry, from.image);
    const copied = await copy(from, to, { withAttached: false });
    expect(copied).toMatchObject({ signatures: 0, referrers: 0, manifests: 3 });
    expect([...to.running.manifests.keys()].sort()).toEqual(
      ["app/1", ...[scene.index, ...scene.platforms].map(({ descriptor }) => `app/${descriptor.digest}`)].sort(),
    );
  });
});

describe("the digest", () => {
  test.each([["expectDigest"], ["target"]])(
    "another than the one named is refused, and nothing is left (%s)",
    async (how) => {
      const [from, to] = [await overHttp({}), await overHttp({})];
      await push(http, from.image, makeImage("one"), "1");
      const { digest } = makeImage("two").descriptor;
      const target = how === "target" ? { ...to, image: { ...to.image, digest } } : to;
      const options = how === "target" ? {} : { expectDigest: digest };
      expect(await codeOfRejection(copy(from, target, options))).toBe("DIGEST_MISMATCH");
      expect(to.running.manifests.size + to.running.blobs.size).toBe(0);
    },
  );

  test("that was expected is copied", async () => {
    const [from, to] = [await overHttp({}), await overHttp({})];
    const image = makeImage("one");
    await push(http, from.image, image, "1");
    const { digest } = image.descriptor;
    expect(await copy(from, { ...to, image: { ...to.image, digest } }, { expectDigest: digest })).toMatchObject({
      digest,
    });
  });
});

describe("a copy that cannot be whole", () => {
  test("ends before it begins where more is attached than can be read", async () => {
    const from = await overHttp({
      intercept(request, response, path) {
        if (!path.includes("/referrers/")) return false;
        const entry = (i: number) => ({
          mediaType: mediaTypes.imageManifest,
          digest: digestOf(Buffer.from(`${i}`)),
          size: 5,
        });
        const start = Number(/start=(\d+)/.exec(request.url ?? "")?.[1] ?? 0);
        const manifests = Array.from({ length: 1000 }, (_, i) => entry(start + i));
        response.writeHead(200, {
          "Content-Type": "application/vnd.oci.image.index.v1+json",
          ...(start < 9000 ? { Link: `</v2/${path.split("?")[0]}?start=${start + 1000}>; rel="next"` } : {}),
        });
        response.end(JSON.stringify({ schemaVersion: 2, manifests }));
        return true;
      },
    });
    const to = await overHttp({});
    await push(http, from.image, makeImage("one"), "1");
    from.running.requests.length = 0;
    expect(await codeOfRejection(copy(from, to))).toBe("EVIDENCE_INCOMPLETE");
    expect(to.running.manifests.size + to.running.blobs.size).toBe(0);
    expect(from.running.requests.length).toBeLessThan(40);
  });

  test.each([
    ["the referrers API fails", "/referrers/"],
    ["a signature tag cannot be asked for", ".sig"],
  ])("ends before it begins where %s", async (_name, part) => {
    let failing = false;
    const from = await overHttp({
      intercept(_request, response, path) {
        if (!failing || !path.includes(part)) return false;
        response.writeHead(500).end();
        return true;
      },
    });
    const to = await overHttp({});
    await setScene(http, from.image);
    failing = true;
    expect(await codeOfRejection(copy(from, to))).toBe("REGISTRY_ERROR");
    expect(to.running.manifests.size + to.running.blobs.size).toBe(0);
  });

  test("leaves no name where the destination breaks off, and is finished by running it again", async () => {
    let puts = 0;
    let broken = true;
    const from = await overHttp({});
    const to = await overHttp({
      intercept(request, response, path) {
        if (request.method !== "PUT" || !path.includes("/manifests/") || !broken) return false;
        puts += 1;
        if (puts < 4) return false;
        request.resume();
        response.writeHead(503).end();
        return true;
      },
    });
    const scene = await setScene(http, from.image);
    expect(await codeOfRejection(copy(from, to))).toBe("REGISTRY_ERROR");
    expect(to.running.manifests.has("app/1")).toBe(false);
    broken = false;
    to.running.requests.length = 0;
    const finished = await copy(from, to);
    expect(finished.skipped).toBeGreaterThan(3);
    expect(finished.blobs).toBe(0);
    await expectScene(to, scene);
  });

  test("names nothing where a layer is missing at the source", async () => {
    const [from, to] = [await overHttp({}), await overHttp({})];
    const image = makeImage("one");
    await push(http, from.image, image, "1");
    from.running.blobs.delete(`app/${digestOf(image.blobs[1] ?? Buffer.of())}`);
    expect(await codeOfRejection(copy(from, to))).toBe("IMAGE_NOT_FOUND");
    expect(to.running.manifests.size).toBe(0);
  });

  test("names nothing where a layer is not what it says", async () => {
    const [from, to] = [await overHttp({}), await overHttp({})];
    const image = makeImage("one");
    await push(http, from.image, image, "1");
    const layer = image.blobs[1] ?? Buffer.of();
    from.running.blobs.set(`app/${digestOf(layer)}`, Buffer.alloc(layer.length, "x"));
    expect(await codeOfRejection(copy(from, to))).toBe("CONTENT_MISMATCH");
    expect(to.running.manifests.size).toBe(0);
    expect([...to.running.blobs.keys()]).not.toContain(`app/${digestOf(layer)}`);
  });

  test("names nothing where a platform is missing", async () => {
    const [from, to] = [await inLayout("from"), await overHttp({})];
    const scene = await setScene(from.registry, from.image);
    await from.registry.deleteManifest(from.image, scene.platforms[1].descriptor.digest);
    expect(await codeOfRejection(copy(from, to))).toBe("IMAGE_NOT_FOUND");
    expect(to.running.manifests.size).toBe(0);
  });

  test("ends at once when it is interrupted", async () => {
    const controller = new AbortController();
    const from = await overHttp({});
    const to = await overHttp({
      intercept(request) {
        if (request.method === "PUT") controller.abort("SIGINT");
        return false;
      },
    });
    await setScene(http, from.image);
    expect(await codeOfRejection(copy(from, to, { signal: controller.signal }))).toBe("DEADLINE_EXCEEDED");
    expect(to.running.manifests.has("app/1")).toBe(false);
  });
});

test("a copy between layouts ends when it is interrupted", async () => {
  const [from, to] = [await inLayout("from"), await inLayout("to")];
  await setScene(from.registry, from.image);
  const controller = new AbortController();
  const monitor = { begin: () => {}, bytes: () => controller.abort(new Error("interrupted")), item: () => {} };
  await expect(copy(from, to, { signal: controller.signal, monitor })).rejects.toThrow("interrupted");
  expect(await codeOfRejection(to.registry.resolve(to.image))).toBe("IMAGE_NOT_FOUND");
});

describe("what is attached and cannot be read", () => {
  test.each<[string, (running: MemoryRegistry, digest: string, blob: string) => void]>([
    ["its manifest is gone", (running, digest) => running.manifests.delete(`app/${digest}`)],
    ["its blob is gone", (running, _digest, blob) => running.blobs.delete(`app/${blob}`)],
  ])("is told and keeps nothing else back: %s", async (_name, spoil) => {
    const [from, to] = [await overHttp({}), await overHttp({})];
    const image = makeImage("one");
    await push(http, from.image, image, "1");
    const [good, bad] = [makeBundle(image.descriptor, "good"), makeBundle(image.descriptor, "bad")];
    for (const each of [good, bad]) await attach(http, from.image, each, image.descriptor);
    spoil(from.running, bad.descriptor.digest, digestOf(bad.blobs[1] ?? Buffer.of()));
    const copied = await copy(from, to);
    expect(copied).toMatchObject({
      signatures: 1,
      leftOut: [{ code: "SIGNATURE_MISSING", evidence: bad.descriptor.digest }],
    });
    expect(to.running.manifests.has("app/1")).toBe(true);
  });

  test("and is not what its digest says is an error: somebody changed it", async () => {
    const [from, to] = [await overHttp({}), await overHttp({})];
    const image = makeImage("one");
    await push(http, from.image, image, "1");
    const bundle = makeBundle(image.descriptor, "one");
    await attach(http, from.image, bundle, image.descriptor);
    const changed = { bytes: Buffer.from(`${bundle.bytes} `), mediaType: bundle.mediaType };
    from.running.manifests.set(`app/${bundle.descriptor.digest}`, changed);
    expect(await codeOfRejection(copy(from, to))).toBe("CONTENT_MISMATCH");
    expect(to.running.manifests.size).toBe(0);
  });

  test("a large blob of another artifact that is gone is told as well", async () => {
    const [from, to] = [await overHttp({ referrers: true }), await inLayout("to")];
    const image = makeImage("one");
    await push(http, from.image, image, "1");
    const other = makeReferrer(image.descriptor, "scan", "application/vnd.example.scan");
    await attach(http, from.image, other, image.descriptor);
    from.running.blobs.delete(`app/${digestOf(other.blobs[1] ?? Buffer.of())}`);
    expect(await copy(from, to)).toMatchObject({ referrers: 0, leftOut: [{ evidence: other.descriptor.digest }] });
    expect((await to.registry.resolve(to.image)).digest).toBe(image.descriptor.digest);
  });
});

describe("odd images", () => {
  test("lists of referrers that lead in circles come to an end", async () => {
    const from = await overHttp({
      intercept(_request, response, path) {
        const subject = /\/referrers\/([^?]+)/.exec(path)?.[1];
        if (subject === undefined) return false;
        const all = [one, two].map(({ descriptor }) => descriptor);
        response.writeHead(200, { "Content-Type": "application/vnd.oci.image.index.v1+json" });
        response.end(JSON.stringify({ schemaVersion: 2, manifests: all }));
        return true;
      },
    });
    const to = await overHttp({ referrers: true });
    const image = makeImage("one");
    const [one, two] = [makeBundle(image.descriptor, "1"), makeBundle(image.descriptor, "2")];
    for (const each of [image, one, two]) await push(http, from.image, each, each === image ? "1" : undefined);
    expect(await copy(from, to)).toMatchObject({ digest: image.descriptor.digest });
    expect((await http.listReferrers(to.image, image.descriptor.digest, 5)).descriptors).toHaveLength(2);
  });

  test("indexes that go on and on are refused", async () => {
    const [from, to] = [await overHttp({}), await overHttp({})];
    let child = makeImage("one");
    await push(http, from.image, child);
    for (let depth = 0; depth < 6; depth++) {
      child = makeIndex([child.descriptor]);
      await push(http, from.image, child, "1");
    }
    expect(await codeOfRejection(copy(from, to))).toBe("MANIFEST_INVALID");
    expect(to.running.manifests.size).toBe(0);
  });

  test("an artifact that is an index comes with what it lists", async () => {
    const [from, to] = [await overHttp({ referrers: true }), await overHttp({})];
    const [image, part] = [makeImage("one"), makeImage("part")];
    await push(http, from.image, image, "1");
    await push(http, from.image, part);
    const { mediaType, digest, size } = image.descriptor;
    const list = makeIndex([part.descriptor], {
      artifactType: "application/x-list",
      subject: { mediaType, digest, size },
    });
    await attach(http, from.image, list, image.descriptor);
    expect(await copy(from, to)).toMatchObject({ referrers: 1 });
    expect((await http.fetchManifest(to.image, part.descriptor.digest)).bytes).toEqual(part.bytes);
    await expectBlobs(to, part.blobs);
  });

  test("a blob that an index lists comes along", async () => {
    const [from, to] = [await inLayout("from"), await inLayout("to")];
    const cache = Buffer.from("cache of a build");
    const entry = { mediaType: "application/vnd.buildkit.cacheconfig.v0", digest: digestOf(cache), size: cache.length };
    const index = makeIndex([entry]);
    await from.registry.pushBlob(from.image, {
      ...entry,
      open: async function* () {
        yield cache;
      },
    });
    await push(from.registry, from.image, index, "1");
    await copy(from, to);
    await expectBlobs(to, [cache]);
  });

  test("layers that may not be distributed stay where they are", async () => {
    const [from, to] = [await inLayout("from"), await inLayout("to")];
    const config = Buffer.from("{}");
    const foreign = {
      mediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
      digest: digestOf(Buffer.from("w")),
      size: 1,
    };
    const layer = Buffer.from("own layer");
    const bytes = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: mediaTypes.imageManifest,
        config: { mediaType: mediaTypes.imageConfig, digest: digestOf(config), size: 2 },
        layers: [foreign, { mediaType: mediaTypes.imageLayerGzip, digest: digestOf(layer), size: layer.length }],
      }),
    );
    const descriptor = { mediaType: mediaTypes.imageManifest, digest: digestOf(bytes), size: bytes.length };
    await push(
      from.registry,
      from.image,
      { bytes, mediaType: descriptor.mediaType, descriptor, blobs: [config, layer] },
      "1",
    );
    expect(await copy(from, to)).toMatchObject({ digest: descriptor.digest, blobs: 2 });
  });
});

describe("what is told on the way", () => {
  test("adds up to what was announced", async () => {
    const [from, to] = [await overHttp({}), await overHttp({ referrers: true })];
    await setScene(http, from.image);
    const seen = { items: 0, bytes: 0 };
    let total: typeof seen | undefined;
    const copied = await copy(from, to, {
      monitor: {
        begin: (announced) => {
          total = announced;
        },
        bytes: (count) => {
          seen.bytes += count;
        },
        item: (_what, unsent) => {
          seen.items += 1;
          seen.bytes += unsent;
        },
      },
    });
    expect(seen).toEqual(total);
    expect(copied.bytes).toBe(seen.bytes);
  });
});

test("an archive whose content is gone half way leaves nothing", async () => {
  const from = await inLayout("from");
  const image = makeImage("one");
  await push(from.registry, from.image, image, "1");
  const layer = digestOf(image.blobs[1] ?? Buffer.of());
  const layout = await createLayoutTar(join(folder.path, "out.tar"));
  const fetch = from.registry.streamBlob;
  const registry: Registry = {
    ...from.registry,
    async *streamBlob(name, descriptor, options) {
      if (descriptor.digest !== layer) yield* fetch(name, descriptor, options);
      else {
        yield Buffer.from("l");
        throw new Error("source failed");
      }
    },
  };
  await expect(copyImage({ ...from, registry }, { registry: layout, image: from.image })).rejects.toThrow(
    "source failed",
  );
  await layout.close();
  expect(readdirSync(folder.path).filter((name) => name.includes("tar"))).toEqual([]);
});
