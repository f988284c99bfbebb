import { describe, expect, test } from "vitest";
import { findAttached } from "../../src/attached/find.ts";
import { digestOf } from "../../src/crypto/digest.ts";
import { createHttpRegistry } from "../../src/oci/http-registry.ts";
import { mediaTypes } from "../../src/oci/manifest.ts";
import { parseRepository, referrersTag } from "../../src/oci/reference.ts";
import { attach, makeBundle, setScene, tagOf } from "../copy/scene.ts";
import { makeImage, makeIndex, push } from "../oci/artifacts.ts";
import { type MemoryRegistry, serveRegistry } from "../oci/memory-registry.ts";
import { codeOfRejection } from "../support/errors.ts";

const registry = createHttpRegistry({ retry: { attempts: 1 } });
const nameAt = ({ host }: MemoryRegistry) => parseRepository(`${host}/app`);

/** Lists so many referrers under the fallback tag; only those that are given are there. */
function listUnderTag(running: MemoryRegistry, subject: string, count: number) {
  const manifests = Array.from({ length: count }, (_, i) => ({
    mediaType: mediaTypes.imageManifest,
    digest: digestOf(Buffer.from(`${subject} ${i}`)),
    size: 5,
  }));
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.imageIndex, manifests }));
  running.manifests.set(`app/${referrersTag(subject as `sha256:${string}`)}`, {
    bytes,
    mediaType: mediaTypes.imageIndex,
  });
}

describe("what is attached to an image", () => {
  test("is found in every place, and what is attached to that", async () => {
    const running = await serveRegistry();
    const scene = await setScene(registry, nameAt(running));
    const subjects = [scene.index, ...scene.platforms].map(({ descriptor }) => descriptor.digest);
    const { attached, unreadable, complete } = await findAttached(registry, nameAt(running), subjects);
    expect(attached).toHaveLength(9);
    expect(attached.filter(({ depth }) => depth === 2)).toHaveLength(1);
    expect(new Set(attached.flatMap(({ tag }) => tag ?? []))).toEqual(new Set(scene.tags.keys()));
    expect({ unreadable, complete }).toEqual({ unreadable: [], complete: true });
  });

  test("is asked for in five requests where there is nothing", async () => {
    const running = await serveRegistry({ referrers: true });
    const image = makeImage("one");
    await push(registry, nameAt(running), image, "1");
    running.requests.length = 0;
    const { attached } = await findAttached(registry, nameAt(running), [image.descriptor.digest]);
    expect(attached).toEqual([]);
    expect(running.requests.map((line) => line.replace(/sha256.*\./, "*.")).sort()).toEqual([
      `GET /v2/app/manifests/${referrersTag(image.descriptor.digest)}`,
      `GET /v2/app/referrers/${image.descriptor.digest}`,
      "HEAD /v2/app/manifests/*.att",
      "HEAD /v2/app/manifests/*.sbom",
      "HEAD /v2/app/manifests/*.sig",
    ]);
  });

  test("is found whatever the name is that it is asked by", async () => {
    const running = await serveRegistry();
    const scene = await setScene(registry, nameAt(running));
    const { digest } = scene.index.descriptor;
    const named = { ...nameAt(running), digest };
    const { attached } = await findAttached(registry, named, [digest]);
    expect(attached.flatMap(({ tag }) => tag ?? [])).toHaveLength(3);
    expect(attached.some(({ root }) => root.descriptor.digest === digest)).toBe(false);
  });

  test("of more than can be read is an error, or what there is where a part will do", async () => {
    const running = await serveRegistry();
    const image = makeImage("one");
    const { digest } = image.descriptor;
    await push(registry, nameAt(running), image, "1");
    listUnderTag(running, digest, 6_000);
    running.requests.length = 0;
    expect(await codeOfRejection(findAttached(registry, nameAt(running), [digest]))).toBe("EVIDENCE_INCOMPLETE");
    expect(running.requests.length).toBeLessThan(10);
    const { complete, unreadable } = await findAttached(registry, nameAt(running), [digest], { partial: true });
    expect(complete).toBe(false);
    expect(unreadable).toHaveLength(5_000);
  });

  test("is bounded over all subjects together", async () => {
    const running = await serveRegistry();
    const images = Array.from({ length: 3 }, (_, i) => makeImage(`${i}`));
    for (const image of images) {
      await push(registry, nameAt(running), image);
      listUnderTag(running, image.descriptor.digest, 2_000);
    }
    const subjects = images.map(({ descriptor }) => descriptor.digest);
    expect(await codeOfRejection(findAttached(registry, nameAt(running), subjects))).toBe("EVIDENCE_INCOMPLETE");
  });

  test("that is listed and gone is told", async () => {
    const running = await serveRegistry();
    const image = makeImage("one");
    await push(registry, nameAt(running), image, "1");
    const bundle = makeBundle(image.descriptor, "a");
    await attach(registry, nameAt(running), bundle, image.descriptor);
    running.manifests.delete(`app/${bundle.descriptor.digest}`);
    const { attached, unreadable } = await findAttached(registry, nameAt(running), [image.descriptor.digest]);
    expect(attached).toEqual([]);
    expect(unreadable).toMatchObject([{ code: "SIGNATURE_MISSING", evidence: bundle.descriptor.digest }]);
  });

  test("may be an index under a tag, or nested too deep to be read", async () => {
    const running = await serveRegistry();
    const image = makeImage("one");
    await push(registry, nameAt(running), image, "1");
    let deep = makeIndex([image.descriptor]);
    await push(registry, nameAt(running), deep, tagOf(image.descriptor, ".sig"));
    for (let depth = 0; depth < 6; depth++) {
      deep = makeIndex([deep.descriptor]);
      await push(registry, nameAt(running), deep, tagOf(image.descriptor, ".att"));
    }
    const { attached, unreadable } = await findAttached(registry, nameAt(running), [image.descriptor.digest]);
    expect(attached.map(({ tag }) => tag)).toEqual([tagOf(image.descriptor, ".sig")]);
    expect(unreadable).toMatchObject([{ code: "MANIFEST_INVALID", evidence: deep.descriptor.digest }]);
  });
});
