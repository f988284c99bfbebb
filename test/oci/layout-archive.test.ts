import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { digestOf } from "../../src/crypto/digest.ts";
import { createLayoutTar, openLayout, openLayoutTar } from "../../src/oci/layout.ts";
import { parseReference, parseRepository } from "../../src/oci/reference.ts";
import { blobOf } from "../../src/oci/registry.ts";
import { tempDir } from "../support/process.ts";
import { descriptorOf, makeImage, makeReferrer, push } from "./artifacts.ts";

const name = parseRepository("registry.example.com/app");
const image = makeImage("archived");
const signature = makeReferrer(image.descriptor, "a");

let folder: ReturnType<typeof tempDir>;
let file: string;
beforeEach(() => {
  folder = tempDir("layout-archive");
  file = join(folder.path, "app.tar");
});
afterEach(() => folder.cleanup());

/** Content that comes late, in pieces. */
function slow(bytes: Buffer, ms: number) {
  return {
    ...blobOf(bytes, digestOf(bytes)),
    async *open() {
      await sleep(ms);
      for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000);
    },
  };
}

describe("an archive being written", () => {
  test("is there whole once it is finished, for this reader and for tar", async () => {
    const made = await createLayoutTar(file);
    await push(made, name, image, "v1");
    await push(made, name, signature);
    expect(readdirSync(folder.path)).not.toContain("app.tar");
    expect((await made.resolve({ ...name, tag: "v1" })).digest).toBe(image.descriptor.digest);
    expect((await made.listReferrers(name, image.descriptor.digest, 20)).descriptors).toHaveLength(1);
    await made.finish();
    await made.close();
    expect(readdirSync(folder.path)).toEqual(["app.tar"]);
    const read = await openLayoutTar(file);
    expect(read.isConverted).toBe(false);
    expect((await read.fetchManifest(name, "v1")).bytes).toEqual(image.bytes);
    const { descriptors } = await read.listReferrers(name, image.descriptor.digest, 20);
    expect(descriptors.map(({ digest }) => digest)).toEqual([signature.descriptor.digest]);
    await read.close();
    execFileSync("mkdir", [join(folder.path, "out")]);
    execFileSync("tar", ["-xf", file, "-C", join(folder.path, "out")]);
    const unpacked = await openLayout(join(folder.path, "out"));
    for (const blob of image.blobs) expect(await unpacked.fetchBlob(name, descriptorOf(blob, "x"), 1e6)).toEqual(blob);
  });

  test("that is not finished leaves nothing", async () => {
    const made = await createLayoutTar(file);
    await push(made, name, image, "v1");
    await made.close();
    expect(readdirSync(folder.path)).toEqual([]);
  });

  test("replaces nothing that is there, be it before or meanwhile", async () => {
    writeFileSync(file, "precious");
    await expect(createLayoutTar(file)).rejects.toMatchObject({ code: "FILE_EXISTS" });
    const other = join(folder.path, "other.tar");
    const made = await createLayoutTar(other);
    writeFileSync(other, "precious");
    await expect(made.finish()).rejects.toMatchObject({ code: "FILE_EXISTS" });
    await made.close();
    for (const kept of [file, other]) expect(readFileSync(kept, "utf8")).toBe("precious");
    expect(readdirSync(folder.path)).toHaveLength(2);
  });

  test("has the same bytes whatever comes first", async () => {
    const blobs = Array.from({ length: 6 }, (_, i) => Buffer.alloc(5_000 + i, `${i}`));
    const write = async (path: string, delay: (i: number) => number) => {
      const made = await createLayoutTar(path);
      await Promise.all(blobs.map((blob, i) => made.pushBlob(name, slow(blob, delay(i)))));
      await push(made, name, image, "v1");
      await made.finish();
      await made.close();
      return digestOf(readFileSync(path));
    };
    const forth = await write(join(folder.path, "a.tar"), (i) => i * 3);
    const back = await write(join(folder.path, "b.tar"), (i) => (6 - i) * 3);
    expect(forth).toBe(back);
  });

  test("takes content once, also when it comes twice at the same time", async () => {
    const made = await createLayoutTar(file);
    const blob = Buffer.alloc(3_000, "x");
    await Promise.all([made.pushBlob(name, slow(blob, 5)), made.pushBlob(name, slow(blob, 1))]);
    await made.finish();
    await made.close();
    const listed = execFileSync("tar", ["-tf", file]).toString().trim().split("\n");
    expect(listed.filter((path) => path.includes(digestOf(blob).slice(7)))).toHaveLength(1);
  });

  test("keeps names and sizes that need an extended header", async () => {
    const made = await createLayoutTar(file);
    const bytes = Buffer.from("content");
    const digest = `sha512:${createHash("sha512").update(bytes).digest("hex")}` as const;
    await made.pushBlob(name, blobOf(bytes, digest));
    await made.finish();
    await made.close();
    const read = await openLayoutTar(file);
    expect(await read.fetchBlob(name, { digest, size: 7 }, 100)).toEqual(bytes);
    await read.close();
    expect(execFileSync("tar", ["-tf", file]).toString()).toContain(digest.slice(7));
  });

  test("content that fails before it begins may come again, content that fails halfway spoils it", async () => {
    const made = await createLayoutTar(file);
    const [one, two] = [Buffer.alloc(2_000, "1"), Buffer.alloc(2_000, "2")];
    const failing = (bytes: Buffer, after: number) => ({
      ...blobOf(bytes, digestOf(bytes)),
      async *open() {
        if (after > 0) yield bytes.subarray(0, after);
        throw new Error("source failed");
      },
    });
    await expect(made.pushBlob(name, failing(one, 0))).rejects.toThrow("source failed");
    await made.pushBlob(name, blobOf(one, digestOf(one)));
    expect(await made.fetchBlob(name, descriptorOf(one, "x"), 1e6)).toEqual(one);
    await expect(made.pushBlob(name, failing(two, 100))).rejects.toThrow("source failed");
    await expect(made.finish()).rejects.toThrow("source failed");
    await made.close();
    expect(readdirSync(folder.path)).toEqual([]);
  });

  test("takes no content that is not what it says", async () => {
    const made = await createLayoutTar(file);
    const wrong = blobOf(Buffer.from("right"), digestOf(Buffer.from("wrong")));
    await expect(made.pushBlob(name, wrong)).rejects.toMatchObject({ code: "CONTENT_MISMATCH" });
    const short = { ...blobOf(Buffer.from("right"), digestOf(Buffer.from("right"))), size: 9 };
    await expect(made.pushBlob(name, short)).rejects.toMatchObject({ code: "CONTENT_MISMATCH" });
    await expect(made.finish()).rejects.toMatchObject({ code: "CONTENT_MISMATCH" });
    await made.close();
  });

  test("many images and signatures at once are all listed", async () => {
    const made = await createLayoutTar(file);
    const images = Array.from({ length: 10 }, (_, i) => makeImage(`image ${i}`));
    await Promise.all(images.map((each, i) => push(made, name, each, `v${i}`)));
    await Promise.all(images.map(({ descriptor }) => push(made, name, makeReferrer(descriptor, "a"))));
    await made.finish();
    await made.close();
    const read = await openLayoutTar(file);
    expect(await read.images()).toHaveLength(10);
    for (const { descriptor } of images)
      expect((await read.listReferrers(name, descriptor.digest, 20)).descriptors).toHaveLength(1);
    await read.close();
  });

  test("in a folder that is not there says so", async () => {
    await expect(createLayoutTar(join(folder.path, "none/app.tar"))).rejects.toMatchObject({
      code: "FILE_UNWRITABLE",
    });
  });
});

test("the name of an image in an archive is its whole name, beside the tag", async () => {
  const made = await createLayoutTar(file);
  await push(made, name, image, "v1");
  await made.finish();
  await made.close();
  const read = await openLayoutTar(file);
  expect((await read.images())[0]?.annotations).toEqual({
    "org.opencontainers.image.ref.name": "v1",
    "io.containerd.image.name": "registry.example.com/app:v1",
    kind: "dev.cosignproject.cosign/image",
  });
  expect((await read.resolve(parseReference("registry.example.com/app:v1"))).digest).toBe(image.descriptor.digest);
  await read.close();
});
