import { describe, expect, test } from "vitest";
import { digestOf } from "../../src/crypto/digest.ts";
import { createHttpRegistry } from "../../src/oci/http-registry.ts";
import { mediaTypes, parseManifest } from "../../src/oci/manifest.ts";
import { parseRepository, referrersTag } from "../../src/oci/reference.ts";
import { blobOf } from "../../src/oci/registry.ts";
import { attachSignatureLayer } from "../../src/oci/signature-tag.ts";
import { descriptorOf, makeImage, makeIndex, push } from "./artifacts.ts";
import { type MemoryRegistry, serveRegistry } from "./memory-registry.ts";

const registry = createHttpRegistry({ retry: { attempts: 1 } });
const image = makeImage("one");
const tag = `${referrersTag(image.descriptor.digest)}.sig`;
const simpleSigning = "application/vnd.dev.cosign.simplesigning.v1+json";
const signature = "dev.cosignproject.cosign/signature";
const nameAt = ({ host }: { host: string }) => parseRepository(`${host}/app`);

async function sign(running: MemoryRegistry, text: string, payload = "payload") {
  const blob = Buffer.from(payload);
  await registry.pushBlob(nameAt(running), blobOf(blob, digestOf(blob)));
  const layer = { ...descriptorOf(blob, simpleSigning), annotations: { [signature]: text } };
  await attachSignatureLayer(registry, nameAt(running), tag, layer);
  return layer;
}

async function read(running: MemoryRegistry) {
  const { bytes } = await registry.fetchManifest(nameAt(running), tag);
  const manifest = JSON.parse(bytes.toString());
  const config = JSON.parse(String(running.blobs.get(`app/${manifest.config.digest}`)));
  return { manifest, config };
}

describe("signatures under a tag", () => {
  test("are layers of an image manifest with a config that belongs to them", async () => {
    const running = await serveRegistry();
    const layer = await sign(running, "one");
    const { manifest, config } = await read(running);
    expect(manifest).toEqual({
      schemaVersion: 2,
      mediaType: mediaTypes.imageManifest,
      config: { mediaType: mediaTypes.imageConfig, size: expect.any(Number), digest: expect.any(String) },
      layers: [layer],
    });
    expect(config).toEqual({
      architecture: "",
      config: {},
      history: [{ created: "0001-01-01T00:00:00Z" }],
      os: "",
      rootfs: { type: "layers", diff_ids: [layer.digest] },
    });
  });

  test("of two signers over the same bytes are two, of the same twice one", async () => {
    const running = await serveRegistry();
    const one = await sign(running, "one");
    const two = await sign(running, "two");
    await sign(running, "one");
    const { manifest, config } = await read(running);
    expect(manifest.layers).toEqual([one, two]);
    expect(config.rootfs.diff_ids).toEqual([one.digest, one.digest]);
    expect(config.history).toHaveLength(2);
  });

  test("stay beside layers, annotations and fields of others that nobody here understands", async () => {
    const running = await serveRegistry();
    const name = nameAt(running);
    const other = Buffer.from("other");
    const config = Buffer.from("{}");
    for (const blob of [other, config]) await registry.pushBlob(name, blobOf(blob, digestOf(blob)));
    const foreign = {
      ...descriptorOf(other, "application/vnd.other"),
      annotations: { a: "b", [signature]: "" },
      "x.future": { deep: [1] },
    };
    const manifest = {
      schemaVersion: 2,
      mediaType: mediaTypes.imageManifest,
      config: descriptorOf(config, "application/vnd.oci.empty.v1+json"),
      layers: [foreign],
      annotations: { kept: "yes" },
      future: true,
    };
    const bytes = Buffer.from(JSON.stringify(manifest));
    await registry.pushManifest(name, { bytes, mediaType: mediaTypes.imageManifest, tag });
    const one = await sign(running, "one");
    const now = await read(running);
    expect(now.manifest).toMatchObject({ annotations: { kept: "yes" }, future: true, layers: [foreign, one] });
    expect(now.config.rootfs.diff_ids).toEqual([foreign.digest, one.digest]);
  });

  test("keep Docker's media types where the manifest has them", async () => {
    const running = await serveRegistry();
    await sign(running, "one");
    const { manifest } = await read(running);
    const docker = { ...manifest, mediaType: mediaTypes.dockerManifest };
    running.manifests.set(`app/${tag}`, {
      bytes: Buffer.from(JSON.stringify(docker)),
      mediaType: mediaTypes.dockerManifest,
    });
    await sign(running, "two");
    const now = await registry.fetchManifest(nameAt(running), tag);
    expect(now.descriptor.mediaType).toBe(mediaTypes.dockerManifest);
    const parsed = parseManifest(now.bytes, now.descriptor.mediaType);
    expect(parsed).toMatchObject({ config: { mediaType: "application/vnd.docker.container.image.v1+json" } });
  });

  test("of many signers at once all stay", async () => {
    const running = await serveRegistry();
    const signers = Array.from({ length: 8 }, (_, i) => `signer ${i}`);
    await Promise.all(signers.map((signer) => sign(running, signer)));
    const { manifest, config } = await read(running);
    const found = manifest.layers.map((layer: { annotations: Record<string, string> }) => layer.annotations[signature]);
    expect(found.sort()).toEqual(signers);
    expect(config.rootfs.diff_ids).toHaveLength(8);
  });

  test("are not put where the tag holds an index", async () => {
    const running = await serveRegistry();
    await push(registry, nameAt(running), image, "v1");
    const index = makeIndex([image.descriptor]);
    await push(registry, nameAt(running), index, tag);
    await expect(sign(running, "one")).rejects.toMatchObject({ code: "REFERRERS_TAG_CONFLICT" });
    expect(running.manifests.get(`app/${tag}`)?.bytes).toEqual(index.bytes);
  });

  test("are put beside a layer whose blob is gone, without it", async () => {
    const running = await serveRegistry();
    await sign(running, "gone", "lost payload");
    running.blobs.delete(`app/${digestOf(Buffer.from("lost payload"))}`);
    const one = await sign(running, "one");
    expect((await read(running)).manifest.layers).toEqual([one]);
  });
});
