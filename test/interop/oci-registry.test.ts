import { createHash } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createHttpRegistry, type HttpRegistry } from "../../src/oci/http-registry.ts";
import { parseReference, parseRepository } from "../../src/oci/reference.ts";
import { type BlobContent, blobOf } from "../../src/oci/registry.ts";
import type { RequestEvent } from "../../src/oci/transport.ts";
import { descriptorOf, makeImage, makeReferrer, push } from "../oci/artifacts.ts";
import { describePeers, type RunningRegistry, requirePeer, startDockerRegistry } from "../support/peers.ts";
import { run } from "../support/process.ts";

describePeers(["docker-registry", "crane"], "docker-registry 2.8.3", () => {
  let running: RunningRegistry;
  let registry: HttpRegistry;
  const requests: RequestEvent[] = [];
  beforeAll(async () => {
    running = await startDockerRegistry();
    registry = createHttpRegistry({
      onRequest: (event) => requests.push(event),
      uploads: { chunkedFrom: 1_000_000, chunkSize: 300_000 },
    });
  });
  afterAll(async () => {
    registry.close();
    await running.stop();
  });
  const name = (repository: string) => parseRepository(`${running.host}/${repository}`);
  const collect = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
    const all: T[] = [];
    for await (const item of items) all.push(item);
    return all;
  };

  test("an image goes there and back, and crane agrees about its digest", async () => {
    const image = makeImage("one");
    const app = name("library/app");
    await push(registry, app, image, "v1");
    const ref = parseReference(`${running.host}/library/app:v1`);
    expect(await registry.resolve(ref)).toEqual(image.descriptor);
    expect((await registry.fetchManifest(app, "v1")).bytes).toEqual(image.bytes);
    expect((await registry.fetchManifest(app, image.descriptor.digest)).descriptor).toEqual(image.descriptor);
    for (const blob of image.blobs) expect(await registry.fetchBlob(app, descriptorOf(blob, "x"), 1000)).toEqual(blob);
    const crane = await run(requirePeer("crane"), ["digest", `${running.host}/library/app:v1`]);
    expect(crane.stdout.trim()).toBe(image.descriptor.digest);
  });

  test("a blob that is there is not sent again, and one in another repository is mounted", async () => {
    const blob = Buffer.from("shared content");
    const { digest } = descriptorOf(blob, "x");
    await registry.pushBlob(name("a"), blobOf(blob, digest));
    requests.length = 0;
    await registry.pushBlob(name("a"), blobOf(blob, digest));
    expect(requests.map(({ method }) => method)).toEqual(["HEAD"]);
    requests.length = 0;
    await registry.pushBlob(name("b"), blobOf(blob, digest), { from: "a" });
    expect(requests.map(({ method, status }) => `${method} ${status}`)).toEqual(["HEAD 404", "POST 201"]);
    expect(await registry.fetchBlob(name("b"), { digest, size: blob.length }, 100)).toEqual(blob);
    await registry.pushBlob(name("c"), blobOf(blob, digest), { from: "unknown" });
    expect(await registry.fetchBlob(name("c"), { digest, size: blob.length }, 100)).toEqual(blob);
  });

  test("a large blob goes up in chunks and comes down in pieces", async () => {
    const piece = Buffer.alloc(77_777, "x");
    const hash = createHash("sha256");
    for (let i = 0; i < 20; i++) hash.update(piece);
    const content: BlobContent = {
      digest: `sha256:${hash.digest("hex")}`,
      size: 20 * piece.length,
      async *open() {
        for (let i = 0; i < 20; i++) yield piece;
      },
    };
    requests.length = 0;
    await registry.pushBlob(name("large"), content);
    expect(requests.filter(({ method }) => method === "PATCH")).toHaveLength(6);
    const pieces = await collect(registry.streamBlob(name("large"), content));
    expect(Buffer.concat(pieces).equals(Buffer.alloc(content.size, "x"))).toBe(true);
  });

  test("sha512 blobs go both ways", async () => {
    const blob = Buffer.from("content");
    const digest = `sha512:${createHash("sha512").update(blob).digest("hex")}` as const;
    await registry.pushBlob(name("sha512"), blobOf(blob, digest));
    expect(await registry.fetchBlob(name("sha512"), { digest, size: blob.length }, 100)).toEqual(blob);
  });

  test("tags and repositories are listed over all pages", async () => {
    for (const tag of ["one", "two", "three"]) await push(registry, name("listed"), makeImage(tag), tag);
    expect((await collect(registry.listTags(name("listed")))).sort()).toEqual(["one", "three", "two"]);
    expect(await collect(registry.listRepositories(running.host))).toContain("listed");
  });

  test("a manifest is deleted by digest and then missing", async () => {
    const image = makeImage("deleted");
    await push(registry, name("deleted"), image, "v1");
    await registry.deleteManifest(name("deleted"), image.descriptor.digest);
    await expect(registry.fetchManifest(name("deleted"), "v1")).rejects.toMatchObject({ code: "IMAGE_NOT_FOUND" });
    await expect(registry.deleteManifest(name("deleted"), image.descriptor.digest)).rejects.toMatchObject({
      code: "IMAGE_NOT_FOUND",
    });
  });

  test("what is missing or refused says so", async () => {
    const ref = parseReference(`${running.host}/none:v1`);
    await expect(registry.resolve(ref)).rejects.toMatchObject({ code: "IMAGE_NOT_FOUND", category: "untrusted" });
    const blob = descriptorOf(Buffer.from("missing"), "x");
    await expect(registry.fetchBlob(name("none"), blob, 100)).rejects.toMatchObject({ code: "SIGNATURE_MISSING" });
    await expect(collect(registry.listTags(name("none")))).rejects.toMatchObject({ code: "IMAGE_NOT_FOUND" });
    const image = { ...makeImage("without blobs"), blobs: [] };
    await expect(push(registry, name("refused"), image, "v1")).rejects.toMatchObject({
      code: "REGISTRY_REFUSED",
      message: expect.stringContaining("MANIFEST_BLOB_UNKNOWN"),
    });
  });

  test("there is no referrers API and no OCI-Subject", async () => {
    const image = makeImage("one");
    await push(registry, name("ref"), image, "v1");
    const signature = makeReferrer(image.descriptor, "a");
    for (const blob of signature.blobs)
      await registry.pushBlob(name("ref"), blobOf(blob, descriptorOf(blob, "x").digest));
    expect((await registry.pushManifest(name("ref"), signature)).subject).toBeUndefined();
    expect(await registry.listReferrers(name("ref"), image.descriptor.digest, 20)).toEqual({
      supported: false,
      descriptors: [],
      complete: true,
    });
  });

  test("one request resolves a tag: no ping", async () => {
    const fresh: RequestEvent[] = [];
    const client = createHttpRegistry({ onRequest: (event) => fresh.push(event) });
    await client.resolve(parseReference(`${running.host}/library/app:v1`));
    client.close();
    expect(fresh.map(({ method, url }) => `${method} ${url}`)).toEqual([
      `HEAD http://${running.host}/v2/library/app/manifests/v1`,
    ]);
  });
});
