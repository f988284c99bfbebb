import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readTree } from "../../src/attached/tree.ts";
import { formatPlatform, imageFor, parsePlatform } from "../../src/copy/platform.ts";
import { type Layout, openLayout } from "../../src/oci/layout.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { type MadeManifest, makeImage, makeIndex, push } from "../oci/artifacts.ts";
import { codeOf, codeOfRejection } from "../support/errors.ts";
import { tempDir } from "../support/process.ts";

const name = parseReference("registry.example.com/app:1");
const folder = tempDir("platform");
let layout: Layout;
beforeAll(async () => {
  layout = await openLayout(join(folder.path, "l"), { create: true });
});
afterAll(() => folder.cleanup());

/** An index of images for these platforms; its images by platform. */
async function indexOf(...platforms: readonly string[]) {
  const images = new Map<string, MadeManifest>();
  for (const platform of platforms) {
    const image = makeImage(platform);
    await push(layout, name, image);
    images.set(platform, image);
  }
  const children = [...images].map(([platform, { descriptor }]) => ({
    ...descriptor,
    platform: parsePlatform(platform),
  }));
  await push(layout, name, makeIndex(children), "1");
  return images;
}

async function choose(platform: string) {
  const tree = await readTree(layout, name, "1");
  const root = tree.at(-1);
  if (root === undefined) throw new Error("no root");
  return (await imageFor({ registry: layout, name }, root, parsePlatform(platform))).digest;
}

describe("a platform", () => {
  test.each([["linux/amd64"], ["linux/arm64/v8"], ["windows/amd64"]])("is read and written: %s", (text) => {
    expect(formatPlatform(parsePlatform(text))).toBe(text);
  });

  test.each([["linux"], [""], ["linux/"], ["/amd64"], ["linux/arm/"], ["linux/arm/v7/x"]])("is not %j", (text) => {
    expect(codeOf(() => parsePlatform(text))).toBe("USAGE");
  });
});

describe("the image for a platform", () => {
  test.each([
    ["linux/amd64", ["linux/amd64", "linux/arm64", "unknown/unknown"], "linux/amd64"],
    ["linux/arm64", ["linux/amd64", "linux/arm64/v8"], "linux/arm64/v8"],
    ["linux/arm64/v8", ["linux/amd64", "linux/arm64"], "linux/arm64"],
    ["linux/arm/v7", ["linux/arm/v6", "linux/arm/v7"], "linux/arm/v7"],
    ["linux/amd64", ["linux/amd64", "linux/amd64/v3"], "linux/amd64"],
    ["linux/arm", ["linux/arm/v7", "linux/amd64"], "linux/arm/v7"],
  ])("%s of %j is %s", async (wanted, platforms, expected) => {
    const images = await indexOf(...platforms);
    expect(await choose(wanted)).toBe(images.get(expected)?.descriptor.digest);
  });

  test.each([
    ["linux/arm", ["linux/arm/v6", "linux/arm/v7"], "USAGE"],
    ["linux/s390x", ["linux/amd64", "unknown/unknown"], "IMAGE_NOT_FOUND"],
    ["linux/amd64/v3", ["linux/amd64"], "IMAGE_NOT_FOUND"],
    ["windows/amd64", ["linux/amd64"], "IMAGE_NOT_FOUND"],
  ])("%s of %j is refused", async (wanted, platforms, code) => {
    await indexOf(...platforms);
    expect(await codeOfRejection(choose(wanted))).toBe(code);
  });

  test("is the image itself where it is for that platform", async () => {
    const image = makeImage("one");
    await push(layout, name, image, "1");
    expect(await choose("linux/amd64")).toBe(image.descriptor.digest);
    expect(await codeOfRejection(choose("linux/arm64"))).toBe("IMAGE_NOT_FOUND");
  });
});
