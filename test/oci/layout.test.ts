import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { digestOf } from "../../src/crypto/digest.ts";
import { type Layout, openLayout } from "../../src/oci/layout.ts";
import { recordedName, unnamed } from "../../src/oci/layout-index.ts";
import { mediaTypes } from "../../src/oci/manifest.ts";
import { parseReference, parseRepository } from "../../src/oci/reference.ts";
import { blobOf } from "../../src/oci/registry.ts";
import { tempDir } from "../support/process.ts";
import { descriptorOf, makeImage, makeIndex, makeReferrer, push } from "./artifacts.ts";

const name = parseRepository("registry.example.com/app");
const at = (tag: string) => parseReference(`registry.example.com/app:${tag}`);

let folder: ReturnType<typeof tempDir>;
let dir: string;
let layout: Layout;
beforeEach(async () => {
  folder = tempDir("layout");
  dir = join(folder.path, "img");
  layout = await openLayout(dir, { create: true });
});
afterEach(() => folder.cleanup());

const index = () => JSON.parse(readFileSync(join(dir, "index.json"), "utf8"));
const blobFile = (digest: string) => join(dir, "blobs", digest.replace(":", "/"));
const collect = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
};

describe("opening", () => {
  test("refuses a folder that is not a layout, and makes one when asked", async () => {
    await expect(openLayout(folder.path)).rejects.toMatchObject({ code: "FILE_NOT_FOUND" });
    expect(existsSync(join(folder.path, "index.json"))).toBe(false);
    expect(JSON.parse(readFileSync(join(dir, "oci-layout"), "utf8"))).toEqual({ imageLayoutVersion: "1.0.0" });
    expect(index()).toEqual({ schemaVersion: 2, mediaType: mediaTypes.imageIndex, manifests: [] });
  });

  test("makes no layout of a folder that holds something else", async () => {
    writeFileSync(join(folder.path, "notes.txt"), "mine");
    await expect(openLayout(folder.path, { create: true })).rejects.toMatchObject({ code: "FILE_EXISTS" });
    expect(readdirSync(folder.path).sort()).toEqual(["img", "notes.txt"]);
  });

  test.each([['{"imageLayoutVersion":"2.0.0"}'], ["{}"], ["not json"], ["[]"]])(
    "refuses the marker %s",
    async (marker) => {
      writeFileSync(join(dir, "oci-layout"), marker);
      await expect(openLayout(dir)).rejects.toMatchObject({ code: "MANIFEST_INVALID" });
    },
  );
});

describe("images", () => {
  test("gives back what was pushed, by tag and by digest", async () => {
    const image = makeImage("one");
    const digest = await push(layout, name, image, "v1");
    const again = await openLayout(dir);
    expect(await again.resolve(at("v1"))).toEqual(image.descriptor);
    expect((await again.fetchManifest(name, digest)).bytes).toEqual(image.bytes);
    for (const blob of image.blobs) expect(await again.fetchBlob(name, descriptorOf(blob, "x"), 1000)).toEqual(blob);
  });

  test("moves a tag and keeps the other names of an image", async () => {
    const [one, two] = [makeImage("one"), makeImage("two")];
    await push(layout, name, one, "v1");
    await push(layout, name, one, "latest");
    await push(layout, name, two, "latest");
    expect((await layout.resolve(at("latest"))).digest).toBe(two.descriptor.digest);
    expect((await layout.resolve(at("v1"))).digest).toBe(one.descriptor.digest);
    expect(await collect(layout.listTags(name))).toEqual(["latest", "v1"]);
    expect(index().manifests).toHaveLength(2);
  });

  test("keeps fields of index.json and of its entries that it does not know", async () => {
    await push(layout, name, makeImage("one"), "v1");
    const before = index();
    before.unknown = { a: 1 };
    before.manifests[0].unknown = [true];
    writeFileSync(join(dir, "index.json"), JSON.stringify(before));
    await push(layout, name, makeImage("two"), "v2");
    expect(index().unknown).toEqual({ a: 1 });
    expect(index().manifests[0].unknown).toEqual([true]);
  });

  test("resolves the name that docker save writes", async () => {
    const [one, two] = [makeImage("one"), makeImage("two")];
    await push(layout, name, one, "v1");
    await push(layout, name, two, "v2");
    const document = index();
    for (const [i, whole] of ["docker.io/library/a:latest", "docker.io/library/b:latest"].entries())
      document.manifests[i].annotations = {
        "io.containerd.image.name": whole,
        "org.opencontainers.image.ref.name": "latest",
      };
    writeFileSync(join(dir, "index.json"), JSON.stringify(document));
    expect((await layout.resolve(parseReference("b"))).digest).toBe(two.descriptor.digest);
    await expect(layout.resolve(parseReference("c"))).rejects.toMatchObject({ code: "MANIFEST_INVALID" });
  });

  test("takes the only image of a layout that names nothing, but not for a tag of signatures", async () => {
    const image = makeImage("one");
    await push(layout, name, image, "v1");
    const document = index();
    delete document.manifests[0].annotations;
    writeFileSync(join(dir, "index.json"), JSON.stringify(document));
    expect((await layout.resolve(at("anything"))).digest).toBe(image.descriptor.digest);
    const tag = `sha256-${image.descriptor.digest.slice(7)}`;
    await expect(layout.fetchManifest(name, tag)).rejects.toMatchObject({ code: "IMAGE_NOT_FOUND" });
    await expect(layout.fetchManifest(name, `${tag}.sig`)).rejects.toMatchObject({ code: "IMAGE_NOT_FOUND" });
  });

  test("takes an index that refers to an image for no image, which anybody may attach", async () => {
    const image = makeImage("one");
    await push(layout, name, image, "v1");
    const { mediaType, digest, size } = image.descriptor;
    const referrer = {
      schemaVersion: 2,
      mediaType: mediaTypes.imageIndex,
      manifests: [],
      subject: { mediaType, digest, size },
    };
    const bytes = Buffer.from(JSON.stringify(referrer));
    await layout.pushManifest(name, { bytes, mediaType: mediaTypes.imageIndex });
    expect(index().manifests).toHaveLength(2);
    expect((await layout.images()).map((one) => one.digest)).toEqual([digest]);
    expect((await layout.listReferrers(name, digest, 1)).descriptors).toHaveLength(1);
  });

  test("finds the signatures of a layout made by cosign save, for its image only", async () => {
    const [image, signatures] = [makeImage("one"), makeImage("signatures")];
    await push(layout, name, image, "v1");
    await push(layout, name, signatures, "v2");
    const document = index();
    document.manifests[0].annotations = { kind: "dev.cosignproject.cosign/image" };
    document.manifests[1].annotations = { kind: "dev.cosignproject.cosign/sigs" };
    writeFileSync(join(dir, "index.json"), JSON.stringify(document));
    const found = await layout.fetchManifest(name, `sha256-${image.descriptor.digest.slice(7)}.sig`);
    expect(found.descriptor.digest).toBe(signatures.descriptor.digest);
    const other = `sha256-${"0".repeat(64)}.sig`;
    await expect(layout.fetchManifest(name, other)).rejects.toMatchObject({ code: "IMAGE_NOT_FOUND" });
    expect((await layout.images()).map(({ digest }) => digest)).toEqual([image.descriptor.digest]);
  });

  test("keeps the whole name beside the tag, and two images of one tag apart", async () => {
    const [one, two, three] = [makeImage("one"), makeImage("two"), makeImage("three")];
    const other = parseRepository("other.example.com/app");
    await push(layout, name, one, "v1");
    await push(layout, other, two, "v1");
    const names = () =>
      index().manifests.map(({ annotations }: { annotations: Record<string, string> }) => [
        annotations["org.opencontainers.image.ref.name"],
        annotations["io.containerd.image.name"],
      ]);
    expect(names()).toEqual([
      ["v1", "registry.example.com/app:v1"],
      ["other.example.com/app:v1", "other.example.com/app:v1"],
    ]);
    expect((await layout.resolve(at("v1"))).digest).toBe(one.descriptor.digest);
    expect((await layout.resolve({ ...other, tag: "v1" })).digest).toBe(two.descriptor.digest);
    await push(layout, other, three, "v1");
    expect((await layout.resolve({ ...other, tag: "v1" })).digest).toBe(three.descriptor.digest);
    expect(names()).toHaveLength(2);
  });

  test("lists an image without a tag by its whole name, once", async () => {
    const image = makeImage("one");
    await push(layout, name, image);
    expect(await layout.images()).toEqual([]);
    for (let times = 0; times < 2; times++)
      await layout.list(image.descriptor, { ...name, digest: image.descriptor.digest });
    const [only, second] = await layout.images();
    expect(second).toBeUndefined();
    expect(only?.annotations).toEqual({
      "io.containerd.image.name": `registry.example.com/app@${image.descriptor.digest}`,
      kind: "dev.cosignproject.cosign/image",
    });
    expect(recordedName(only ?? image.descriptor)).toEqual({ ...name, digest: image.descriptor.digest });
  });

  test("gives an image without a name no name", async () => {
    const image = makeImage("one");
    await push(layout, unnamed, image, "v1");
    const [only] = await layout.images();
    expect(only?.annotations).toEqual({
      "org.opencontainers.image.ref.name": "v1",
      kind: "dev.cosignproject.cosign/image",
    });
    expect(recordedName(only ?? image.descriptor)).toBeUndefined();
  });

  test("takes the signatures of a platform for no others", async () => {
    const [image, signatures] = [makeImage("one"), makeImage("signatures")];
    await push(layout, name, image, "v1");
    await push(layout, name, signatures, `sha256-${"1".repeat(64)}.sig`);
    const own = `sha256-${image.descriptor.digest.slice(7)}.sig`;
    await expect(layout.fetchManifest(name, own)).rejects.toMatchObject({ code: "IMAGE_NOT_FOUND" });
    expect(await layout.images()).toHaveLength(1);
  });

  test.each([
    ["app:1.2", undefined],
    ["1.2", undefined],
    ["prod/app:1.2", undefined],
    ["not a name/x", undefined],
    ["registry.example.com/app:1.2", { registry: "registry.example.com", repository: "app", tag: "1.2" }],
    ["localhost/app:1", { registry: "localhost", repository: "app", tag: "1" }],
    ["localhost:5000/app:1", { registry: "localhost:5000", repository: "app", tag: "1" }],
    ["registry.example.com/APP:1.2", undefined],
  ])("reads the recorded name %s", (text, expected) => {
    const annotations = { "org.opencontainers.image.ref.name": text };
    expect(recordedName({ ...makeImage("x").descriptor, annotations })).toEqual(expected);
  });

  test("deletes a tag without its image, and an image with its tags", async () => {
    const image = makeImage("one");
    await push(layout, name, image, "v1");
    await push(layout, name, image, "v2");
    await layout.deleteManifest(name, "v1");
    expect(await collect(layout.listTags(name))).toEqual(["v2"]);
    await layout.deleteManifest(name, image.descriptor.digest);
    await expect(layout.fetchManifest(name, image.descriptor.digest)).rejects.toMatchObject({
      code: "IMAGE_NOT_FOUND",
    });
    await expect(layout.deleteManifest(name, "v1")).rejects.toMatchObject({ code: "IMAGE_NOT_FOUND" });
  });
});

describe("referrers", () => {
  test("lists what refers to a subject with artifact type and annotations, each once", async () => {
    const image = makeImage("one");
    await push(layout, name, image, "v1");
    const signature = makeReferrer(image.descriptor, "a");
    await push(layout, name, signature);
    await push(layout, name, signature);
    await push(layout, name, makeReferrer(makeImage("other").descriptor, "b"));
    const listing = await layout.listReferrers(name, image.descriptor.digest, 20);
    expect(listing).toEqual({
      supported: true,
      complete: true,
      descriptors: [
        { ...signature.descriptor, artifactType: "application/vnd.test.signature", annotations: { text: "a" } },
      ],
    });
  });

  test("finds a referrer that lies loose, as cosign save leaves them", async () => {
    const image = makeImage("one");
    await push(layout, name, image, "v1");
    const signature = makeReferrer(image.descriptor, "loose");
    writeFileSync(blobFile(signature.descriptor.digest), signature.bytes);
    const { descriptors } = await layout.listReferrers(name, image.descriptor.digest, 20);
    expect(descriptors.map(({ digest }) => digest)).toEqual([signature.descriptor.digest]);
  });

  test("is not fooled by what it read before", async () => {
    const image = makeImage("one");
    await push(layout, name, image, "v1");
    const found = async () => (await layout.listReferrers(name, image.descriptor.digest, 20)).descriptors.length;
    expect(await found()).toBe(0);
    await push(layout, name, makeReferrer(image.descriptor, "here"));
    expect(await found()).toBe(1);
    const other = await openLayout(dir);
    const elsewhere = makeReferrer(image.descriptor, "elsewhere");
    await push(other, name, elsewhere);
    expect(await found()).toBe(2);
    await layout.deleteManifest(name, elsewhere.descriptor.digest);
    expect(await found()).toBe(1);
  });

  test("does not list a blob that is not what its name says", async () => {
    const image = makeImage("one");
    await push(layout, name, image, "v1");
    writeFileSync(join(dir, "blobs/sha256", "a".repeat(64)), makeReferrer(image.descriptor, "x").bytes);
    expect((await layout.listReferrers(name, image.descriptor.digest, 20)).descriptors).toEqual([]);
  });

  test("signatures in parallel from two handles all stay", async () => {
    const image = makeImage("one");
    await push(layout, name, image, "v1");
    const other = await openLayout(dir);
    const signatures = Array.from({ length: 12 }, (_, i) => makeReferrer(image.descriptor, `signer ${i}`));
    await Promise.all(signatures.map((signature, i) => push(i % 2 ? layout : other, name, signature)));
    expect(index().manifests).toHaveLength(13);
    expect((await layout.listReferrers(name, image.descriptor.digest, 20)).descriptors).toHaveLength(12);
  });
});

describe("content that is not what it says", () => {
  test("changed blobs and manifests are refused", async () => {
    const image = makeImage("one");
    await push(layout, name, image, "v1");
    const layer = image.blobs[1] ?? Buffer.of();
    const descriptor = descriptorOf(layer, "x");
    writeFileSync(blobFile(descriptor.digest), "x".repeat(layer.length));
    await expect(layout.fetchBlob(name, descriptor, 1000)).rejects.toMatchObject({ code: "CONTENT_MISMATCH" });
    await expect(collect(layout.streamBlob(name, descriptor))).rejects.toMatchObject({ code: "CONTENT_MISMATCH" });
    writeFileSync(blobFile(image.descriptor.digest), `${image.bytes} `);
    await expect(layout.resolve(at("v1"))).rejects.toMatchObject({ code: "CONTENT_MISMATCH" });
  });

  test("a missing blob is missing, a large one is not read", async () => {
    const blob = Buffer.from("0123456789");
    const missing = descriptorOf(blob, "x");
    await expect(layout.fetchBlob(name, missing, 100)).rejects.toMatchObject({ code: "SIGNATURE_MISSING" });
    await layout.pushBlob(name, blobOf(blob, missing.digest));
    await expect(layout.fetchBlob(name, missing, 9)).rejects.toMatchObject({ code: "CONTENT_TOO_LARGE" });
    await expect(layout.fetchBlob(name, { ...missing, size: 9 }, 9)).rejects.toMatchObject({
      code: "CONTENT_TOO_LARGE",
    });
    await expect(layout.fetchBlob(name, { ...missing, size: 9 }, 99)).rejects.toMatchObject({
      code: "CONTENT_MISMATCH",
    });
  });

  test("a push of other bytes than named leaves nothing behind", async () => {
    const wrong = { ...blobOf(Buffer.from("right"), digestOf(Buffer.from("wrong"))) };
    await expect(layout.pushBlob(name, wrong)).rejects.toMatchObject({ code: "CONTENT_MISMATCH" });
    expect(readdirSync(join(dir, "blobs/sha256"))).toEqual([]);
  });

  test("a source that fails keeps its error", async () => {
    const bytes = Buffer.from("abc");
    const failing = {
      ...blobOf(bytes, digestOf(bytes)),
      async *open() {
        yield bytes.subarray(0, 1);
        throw new Error("disk on fire");
      },
    };
    await expect(layout.pushBlob(name, failing)).rejects.toThrow("disk on fire");
    expect(readdirSync(join(dir, "blobs/sha256"))).toEqual([]);
  });

  test("sha512 content is checked by sha512", async () => {
    const bytes = Buffer.from("content");
    const digest = `sha512:${createHash("sha512").update(bytes).digest("hex")}` as const;
    await layout.pushBlob(name, blobOf(bytes, digest));
    expect(await layout.fetchBlob(name, { digest, size: bytes.length }, 100)).toEqual(bytes);
    writeFileSync(blobFile(digest), "changed");
    await expect(layout.fetchBlob(name, { digest, size: 7 }, 100)).rejects.toMatchObject({ code: "CONTENT_MISMATCH" });
  });

  test("entries that are no descriptors are refused, a path for a digest among them", async () => {
    const entry = { mediaType: mediaTypes.imageManifest, digest: "sha256:../../../etc/passwd", size: 3 };
    writeFileSync(join(dir, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [entry] }));
    await expect(layout.resolve(at("v1"))).rejects.toMatchObject({ code: "MANIFEST_INVALID" });
  });

  test("a link, a folder or a pipe for a blob does not hang or show other files", async () => {
    const secret = join(folder.path, "secret");
    writeFileSync(secret, "secret");
    const digest = digestOf(Buffer.from("public"));
    mkdirSync(join(dir, "blobs/sha256"), { recursive: true });
    symlinkSync(secret, blobFile(digest));
    await expect(layout.fetchBlob(name, { digest, size: 6 }, 100)).rejects.toMatchObject({ code: "CONTENT_MISMATCH" });
    rmSync(blobFile(digest));
    mkdirSync(blobFile(digest));
    await expect(layout.fetchBlob(name, { digest, size: 6 }, 100)).rejects.toMatchObject({ code: "FILE_UNREADABLE" });
  });

  test("a manifest of more than 4 MiB is refused both ways", async () => {
    const huge = makeIndex([], { annotations: { a: "x".repeat(4 * 1024 * 1024) } });
    await expect(push(layout, name, huge, "v1")).rejects.toMatchObject({ code: "CONTENT_TOO_LARGE" });
    mkdirSync(join(dir, "blobs/sha256"), { recursive: true });
    writeFileSync(blobFile(huge.descriptor.digest), huge.bytes);
    await expect(layout.fetchManifest(name, huge.descriptor.digest)).rejects.toMatchObject({
      code: "CONTENT_TOO_LARGE",
    });
  });
});
