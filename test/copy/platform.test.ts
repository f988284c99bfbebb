import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { digestFor } from "../../src/copy/platform.ts";
import { parsePlatform } from "../../src/oci/children.ts";
import { type Layout, openLayout } from "../../src/oci/layout.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { makeImage, makeIndex, push } from "../oci/artifacts.ts";
import { codeOfRejection } from "../support/errors.ts";
import { tempDir } from "../support/process.ts";

const name = parseReference("registry.example.com/app:1");
const folder = tempDir("platform");
let layout: Layout;
beforeAll(async () => {
  layout = await openLayout(join(folder.path, "l"), { create: true });
});
afterAll(() => folder.cleanup());

const choose = (platform: string) => digestFor(layout, name, parsePlatform(platform));

describe("the image for a platform", () => {
  test("is the one that an index has for it", async () => {
    const [amd, arm] = [makeImage("amd"), makeImage("arm")];
    for (const each of [amd, arm]) await push(layout, name, each);
    const children = [
      { ...amd.descriptor, platform: { os: "linux", architecture: "amd64" } },
      { ...arm.descriptor, platform: { os: "linux", architecture: "arm64", variant: "v8" } },
    ];
    await push(layout, name, makeIndex(children), "1");
    expect(await choose("linux/amd64")).toBe(amd.descriptor.digest);
    expect(await choose("linux/arm64")).toBe(arm.descriptor.digest);
    expect(await codeOfRejection(choose("linux/s390x"))).toBe("PLATFORM_NOT_FOUND");
    expect(await codeOfRejection(choose("unknown/unknown"))).toBe("PLATFORM_NOT_FOUND");
  });

  test("is the image itself only where it is for that platform", async () => {
    const image = makeImage("one");
    await push(layout, name, image, "1");
    expect(await choose("linux/amd64")).toBe(image.descriptor.digest);
    for (const other of ["linux/arm64", "windows/amd64", "linux/amd64/v3"])
      expect(await codeOfRejection(choose(other))).toBe("PLATFORM_NOT_FOUND");
  });
});
