import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { digestOf } from "../../src/crypto/digest.ts";
import { type ArchiveLayout, openLayout, openLayoutTar } from "../../src/oci/layout.ts";
import { parseManifest } from "../../src/oci/manifest.ts";
import { parseReference, parseRepository } from "../../src/oci/reference.ts";
import { tempDir } from "../support/process.ts";
import { makeImage, push } from "./artifacts.ts";
import { collect } from "./server.ts";
import { tarEnd, tarEntry, tarLink } from "./tar.ts";

const name = parseRepository("registry.example.com/app");
let folder: ReturnType<typeof tempDir>;
let opened: ArchiveLayout | undefined;
beforeEach(() => {
  folder = tempDir("docker-archive");
});
afterEach(async () => {
  await opened?.close();
  opened = undefined;
  folder.cleanup();
});

const layers = [Buffer.from("first layer"), Buffer.from("second layer")];
const configOf = (diffIds: readonly unknown[]) =>
  Buffer.from(JSON.stringify({ architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: diffIds } }));
const config = configOf(layers.map((layer) => digestOf(layer)));

interface Saved {
  readonly files?: readonly Buffer[];
  readonly list?: unknown;
}

/** As `docker save` writes it: each layer in a folder of its own, equal ones as links. */
const plainFiles = [
  tarEntry("c.json", config),
  tarEntry("1/layer.tar", layers[0] ?? ""),
  tarEntry("2/layer.tar", layers[1] ?? ""),
];
const plainList = [
  { Config: "c.json", RepoTags: ["app:1", "registry.example.com/app:v1"], Layers: ["1/layer.tar", "2/layer.tar"] },
];

async function open({ files = plainFiles, list = plainList }: Saved = {}): Promise<ArchiveLayout> {
  const file = join(folder.path, "saved.tar");
  const manifest = typeof list === "string" ? list : JSON.stringify(list);
  writeFileSync(file, Buffer.concat([...files, tarEntry("manifest.json", manifest), tarEnd]));
  opened = await openLayoutTar(file);
  return opened;
}

describe("an archive of docker save", () => {
  test("is an OCI image of the same config and layers, under all its names", async () => {
    const layout = await open();
    expect(layout).toMatchObject({ isConverted: true, isOfDocker: true });
    const { bytes, descriptor } = await layout.fetchManifest(name, "v1");
    const manifest = parseManifest(bytes, descriptor.mediaType);
    expect(manifest).toMatchObject({
      config: { digest: digestOf(config), size: config.length },
      layers: layers.map((layer) => ({
        digest: digestOf(layer),
        size: layer.length,
        mediaType: "application/vnd.oci.image.layer.v1.tar",
      })),
    });
    expect((await layout.resolve(parseReference("app:1"))).digest).toBe(descriptor.digest);
    for (const layer of layers)
      expect(
        Buffer.concat(await collect(layout.streamBlob(name, { digest: digestOf(layer), size: layer.length }))),
      ).toEqual(layer);
    expect(await layout.fetchBlob(name, { digest: digestOf(config), size: config.length }, 1e6)).toEqual(config);
  });

  test("of a Docker that writes layouts is read as one, and known for what it is", async () => {
    const file = join(folder.path, "new.tar");
    const made = await openLayout(join(folder.path, "img"), { create: true });
    const image = makeImage("new");
    await push(made, name, image, "v1");
    await made.close();
    writeFileSync(join(folder.path, "img/manifest.json"), "[]");
    execFileSync("tar", ["-cf", file, "-C", join(folder.path, "img"), "."]);
    opened = await openLayoutTar(file);
    expect(opened).toMatchObject({ isConverted: false, isOfDocker: true });
    expect((await opened.resolve({ ...name, tag: "v1" })).digest).toBe(image.descriptor.digest);
  });

  test("gives the same digest each time", async () => {
    const first = await (await open()).resolve(parseReference("app:1"));
    await opened?.close();
    expect(await (await open()).resolve(parseReference("app:1"))).toEqual(first);
  });

  test("has compressed layers as they are", async () => {
    const zipped = gzipSync(layers[0] ?? "");
    const layout = await open({
      files: [plainFiles[0], tarEntry("1/layer.tar", zipped), plainFiles[2]].filter((f) => f !== undefined),
    });
    const { bytes, descriptor } = await layout.fetchManifest(name, "v1");
    expect(parseManifest(bytes, descriptor.mediaType)).toMatchObject({
      layers: [{ digest: digestOf(zipped), mediaType: "application/vnd.oci.image.layer.v1.tar+gzip" }, {}],
    });
  });

  test("follows links to equal layers inside the archive", async () => {
    const same = layers[0] ?? Buffer.of();
    const twice = configOf([digestOf(same), digestOf(same)]);
    const files = [tarEntry("c.json", twice), tarEntry("1/layer.tar", same), tarLink("2/layer.tar", "../1/layer.tar")];
    const layout = await open({ files });
    const { bytes, descriptor } = await layout.fetchManifest(name, "v1");
    expect(parseManifest(bytes, descriptor.mediaType)).toMatchObject({
      layers: [{ digest: digestOf(same) }, { digest: digestOf(same) }],
    });
  });

  test("without names is found where it is the only image", async () => {
    const layout = await open({ list: [{ ...plainList[0], RepoTags: null }] });
    expect(await layout.images()).toHaveLength(1);
    expect((await layout.resolve(parseReference("whatever:1"))).digest).toMatch(/^sha256:/);
  });

  test("has no referrers and no signatures", async () => {
    const layout = await open();
    const { digest } = await layout.resolve(parseReference("app:1"));
    expect(await layout.listReferrers(name, digest, 20)).toMatchObject({ descriptors: [], complete: true });
    await expect(layout.fetchManifest(name, `sha256-${digest.slice(7)}.sig`)).rejects.toMatchObject({
      code: "IMAGE_NOT_FOUND",
    });
  });
});

describe("an archive that is not what it says", () => {
  test("with a layer that its config does not know is refused when the layer is read", async () => {
    const files = [plainFiles[0], tarEntry("1/layer.tar", "other layer"), plainFiles[2]].filter((f) => f !== undefined);
    const layout = await open({ files });
    const layer = { digest: digestOf(layers[0] ?? Buffer.of()), size: 11 };
    await expect(collect(layout.streamBlob(name, layer))).rejects.toMatchObject({ code: "CONTENT_MISMATCH" });
  });

  test.each<[string, Saved]>([
    ["a list that is no JSON", { list: "nonsense" }],
    ["a list that is an object", { list: {} }],
    ["an image without layers", { list: [{ Config: "c.json" }] }],
    ["layers that are no paths", { list: [{ ...plainList[0], Layers: [1] }] }],
    ["a config that is missing", { list: [{ ...plainList[0], Config: "d.json" }] }],
    ["a config outside", { list: [{ ...plainList[0], Config: "../../../etc/hostname" }] }],
    ["a layer outside", { list: [{ ...plainList[0], Layers: ["/etc/hostname", "2/layer.tar"] }] }],
    ["fewer layers than the config has", { list: [{ ...plainList[0], Layers: ["1/layer.tar"] }] }],
    ["a config without diff_ids", { files: [tarEntry("c.json", "{}"), ...plainFiles.slice(1)] }],
    ["diff_ids that are none", { files: [tarEntry("c.json", configOf([1, 2])), ...plainFiles.slice(1)] }],
    [
      "links in a circle",
      {
        files: [
          tarEntry("c.json", config),
          tarLink("1/layer.tar", "../2/layer.tar"),
          tarLink("2/layer.tar", "../1/layer.tar"),
        ],
      },
    ],
    [
      "a link outside",
      { files: [tarEntry("c.json", config), tarLink("1/layer.tar", "../../../etc/hostname"), ...plainFiles.slice(2)] },
    ],
    ["too many images", { list: Array.from({ length: 1001 }, () => plainList[0]) }],
  ])("is refused: %s", async (_what, saved) => {
    await expect(open(saved)).rejects.toMatchObject({ code: "MANIFEST_INVALID" });
  });

  test("leaves out names that are none", async () => {
    const layout = await open({ list: [{ ...plainList[0], RepoTags: ["../../x", "app:1"] }] });
    expect((await layout.images()).map(({ annotations }) => annotations?.["io.containerd.image.name"])).toEqual([
      "docker.io/library/app:1",
    ]);
  });
});
