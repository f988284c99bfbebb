import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { copyImage } from "../src/copy.ts";
import { digestOf } from "../src/crypto/digest.ts";
import { openLayout } from "../src/oci/layout.ts";
import { mediaTypes } from "../src/oci/manifest.ts";
import { parseReference } from "../src/oci/reference.ts";
import { codeOfRejection } from "./support/errors.ts";
import { buildImage, pushImage } from "./support/images.ts";
import { tempDir } from "./support/process.ts";

let folder: ReturnType<typeof tempDir>;
let source: Awaited<ReturnType<typeof openLayout>>;
let target: Awaited<ReturnType<typeof openLayout>>;
beforeEach(async () => {
  folder = tempDir("trust-copy");
  source = await openLayout(join(folder.path, "source"), { create: true });
  target = await openLayout(join(folder.path, "target"), { create: true });
});
afterEach(() => folder.cleanup());

const from = parseReference("source.example/app:1");
const to = parseReference("target.example/app:2");
const copy = (more: Partial<Parameters<typeof copyImage>[2]> = {}) =>
  copyImage({ registry: source, image: from }, { registry: target, image: to }, more);

const amd = buildImage({ layers: [{ shared: "1" }, { app: "amd64" }] });
const arm = buildImage({ layers: [{ shared: "1" }, { app: "arm64" }] });

async function pushIndex(): Promise<string> {
  for (const image of [amd, arm]) await pushImage(source, { ...from, tag: "child" }, image);
  const manifests = [amd, arm].map(({ descriptor }) => descriptor);
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.imageIndex, manifests }));
  const { descriptor } = await source.pushManifest(from, { bytes, mediaType: mediaTypes.imageIndex, tag: "1" });
  return descriptor.digest;
}

describe("copying", () => {
  test("brings an image over byte for byte, under the new name", async () => {
    await pushImage(source, from, amd);
    const copied = await copy();
    expect(copied.digest).toBe(amd.descriptor.digest);
    const arrived = await target.fetchManifest(to, "2");
    expect(arrived.bytes.equals(amd.manifest)).toBe(true);
    for (const blob of amd.blobs) {
      const descriptor = { digest: digestOf(blob), size: blob.length };
      expect((await target.fetchBlob(to, descriptor, 1e6)).equals(blob)).toBe(true);
    }
  });

  test("brings an index over with every platform, and each blob once", async () => {
    const digest = await pushIndex();
    const seen: string[] = [];
    const copied = await copy({ onCopied: (descriptor) => seen.push(descriptor.digest) });
    expect(copied.digest).toBe(digest);
    for (const image of [amd, arm])
      expect((await target.fetchManifest(to, image.descriptor.digest)).bytes.length).toBeGreaterThan(0);
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen.at(-1)).toBe(digest);
  });

  test("refuses another digest than the one named, and leaves nothing", async () => {
    await pushImage(source, from, amd);
    const image = { ...to, digest: arm.descriptor.digest };
    const refused = copyImage({ registry: source, image: from }, { registry: target, image });
    expect(await codeOfRejection(refused)).toBe("DIGEST_MISMATCH");
    expect(await target.images()).toEqual([]);
  });

  test("names nothing where a blob is missing or is not what it says", async () => {
    await pushImage(source, from, amd);
    const layer = digestOf(amd.blobs.at(-1) ?? Buffer.alloc(0));
    rmSync(join(folder.path, "source/blobs", layer.replace(":", "/")));
    expect(await codeOfRejection(copy())).toBe("SIGNATURE_MISSING");
    expect(await codeOfRejection(target.resolve(to))).toBe("IMAGE_NOT_FOUND");
  });

  test("refuses indexes that go on and on", async () => {
    let child = amd.descriptor;
    await pushImage(source, { ...from, tag: "child" }, amd);
    for (let depth = 0; depth < 6; depth++) {
      const bytes = Buffer.from(
        JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.imageIndex, manifests: [child] }),
      );
      const pushed = await source.pushManifest(from, { bytes, mediaType: mediaTypes.imageIndex, tag: "1" });
      child = pushed.descriptor;
    }
    expect(await codeOfRejection(copy())).toBe("MANIFEST_INVALID");
    expect(await codeOfRejection(target.resolve(to))).toBe("IMAGE_NOT_FOUND");
  });
});
