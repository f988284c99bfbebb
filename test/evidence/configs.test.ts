import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { digestOf } from "../../src/crypto/digest.ts";
import { createChildren } from "../../src/evidence/children.ts";
import { createConfigs } from "../../src/evidence/configs.ts";
import { mediaTypes } from "../../src/oci/manifest.ts";
import { type ImageReference, parseReference } from "../../src/oci/reference.ts";
import { blobOf } from "../../src/oci/registry.ts";
import { codeOfRejection } from "../support/errors.ts";
import { pushIndex, pushPlatforms } from "../support/index-images.ts";
import { openStage, type Stage } from "../support/stage.ts";

let stage: Stage;
let serial = 0;

beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());

const reader = () => createConfigs(stage.registry, createChildren(stage.registry, 5000), 5000);
const newName = (): ImageReference => parseReference(`${stage.host}/configs${serial++}:1`);

/** Pushes a manifest whose config is these bytes. */
async function pushConfig(ref: ImageReference, bytes: Buffer) {
  await stage.registry.pushBlob(ref, blobOf(bytes, digestOf(bytes)));
  const config = { mediaType: mediaTypes.imageConfig, digest: digestOf(bytes), size: bytes.length };
  const manifest = { schemaVersion: 2, mediaType: mediaTypes.imageManifest, config, layers: [] };
  const text = Buffer.from(JSON.stringify(manifest));
  await stage.registry.pushManifest(ref, { bytes: text, mediaType: mediaTypes.imageManifest, tag: "1" });
  return digestOf(text);
}

describe("image configs", () => {
  it("are that of an image, fetched once however often it is asked", async () => {
    const { ref, digest } = await stage.newImage(`configs${serial++}:1`);
    const read = reader();
    expect(await read(ref, digest)).toMatchObject([
      { platform: "", config: { os: "linux", config: { User: "10001" } } },
    ]);
    stage.requests.length = 0;
    await read(ref, digest);
    expect(stage.requests).toEqual([]);
  });

  it("are those of every image in an index that can run", async () => {
    const ref = newName();
    const entries = await pushPlatforms(stage.registry, ref, "x", ["linux/amd64", "linux/arm64/v8", "unknown/unknown"]);
    const index = await pushIndex(stage.registry, ref, entries);
    const configs = await reader()(ref, index.digest);
    expect(configs.map(({ platform }) => platform)).toEqual(["linux/amd64", "linux/arm64/v8"]);
  });

  it.each([
    ["too large", Buffer.alloc(1024 * 1024 + 1, 0x20), "CONTENT_TOO_LARGE"],
    ["not JSON", Buffer.from("#!/bin/sh"), "MANIFEST_INVALID"],
    ["with a field twice", Buffer.from('{"config": {"User": "1"}, "config": {"User": "0"}}'), "MANIFEST_INVALID"],
  ])("are refused where one is %s", async (_, bytes, code) => {
    const ref = newName();
    const digest = await pushConfig(ref, bytes);
    expect(await codeOfRejection(reader()(ref, digest))).toBe(code);
  });

  it("do not remember an outage", async () => {
    const { ref, digest } = await stage.newImage(`configs${serial++}:1`);
    const read = reader();
    await stage.outage();
    expect(await codeOfRejection(read(ref, digest))).toBe("REGISTRY_UNREACHABLE");
    await stage.resume();
    expect(await read(ref, digest)).toHaveLength(1);
  });
});
