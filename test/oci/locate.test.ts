import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openLayout } from "../../src/oci/layout.ts";
import { imageIn, openLayoutAt, openLayoutFor, parseLayoutPlace } from "../../src/oci/locate.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { codeOfRejection } from "../support/errors.ts";
import { tempDir } from "../support/process.ts";
import { makeImage, makeIndex, push } from "./artifacts.ts";

let folder: ReturnType<typeof tempDir>;
beforeEach(() => {
  folder = tempDir("locate");
});
afterEach(() => folder.cleanup());

const at = (path: string) => join(folder.path, path);
const parse = (text: string) => parseLayoutPlace(text, at);
const digest = makeImage("one").descriptor.digest;

describe("the place of an image in a layout", () => {
  test.each([
    ["img", { path: "img" }],
    ["img:1.2", { path: "img", name: "1.2" }],
    ["img.tar:1.2", { path: "img.tar", name: "1.2" }],
    [`img@${digest}`, { path: "img", digest }],
    [`img:1.2@${digest}`, { path: "img", name: "1.2", digest }],
    ["img:registry.example.com:5000/app:1.2", { path: "img", name: "registry.example.com:5000/app:1.2" }],
    ["a@b:1", { path: "a@b", name: "1" }],
    ["../up/img:1", { path: "../up/img", name: "1" }],
  ])("%s, where nothing is there, ends at the first colon", async (text, { path, ...rest }) => {
    expect(await parse(text)).toEqual({ path: at(path), ...rest });
  });

  test("keeps the colons of a path that is there", async () => {
    mkdirSync(at("a:b"));
    writeFileSync(at("c:d:1.tar"), "");
    expect(await parse("a:b")).toEqual({ path: at("a:b") });
    expect(await parse("a:b:1")).toEqual({ path: at("a:b"), name: "1" });
    expect(await parse("c:d:1.tar")).toEqual({ path: at("c:d:1.tar") });
    expect(await parse("c:d:1.tar:x")).toEqual({ path: at("c:d:1.tar"), name: "x" });
  });

  test.each([[""], [":1"], ["img:"], [`@${digest}`]])("is not %j", async (text) => {
    expect(await codeOfRejection(parse(text))).toBe("REFERENCE_INVALID");
  });
});

describe("the image that is meant", () => {
  const one = makeImage("one");
  const two = makeImage("two");

  async function layoutWith(...names: readonly (readonly [typeof one, string])[]) {
    const layout = await openLayout(at("img"), { create: true });
    for (const [image, name] of names) {
      const ref = parseReference(name);
      await push(layout, ref, image, ref.tag);
    }
    return layout;
  }
  const find = async (layout: Awaited<ReturnType<typeof layoutWith>>, text: string) =>
    imageIn(layout, await parse(text));

  test("is the only one, with the name that is recorded", async () => {
    const layout = await layoutWith([one, "registry.example.com/app:1.2"]);
    expect(await find(layout, "img")).toEqual({
      ...parseReference("registry.example.com/app:1.2"),
      digest: one.descriptor.digest,
    });
  });

  test("is found by tag, by whole name and by digest", async () => {
    const layout = await layoutWith([one, "registry.example.com/app:1"], [two, "other.example.com/web:2"]);
    for (const text of ["img:2", "img:other.example.com/web:2", `img@${two.descriptor.digest}`])
      expect(await find(layout, text)).toMatchObject({ repository: "web", tag: "2", digest: two.descriptor.digest });
  });

  test("is not guessed where there are several, by one tag as well", async () => {
    const layout = await layoutWith([one, "registry.example.com/app:1"], [two, "other.example.com/web:1"]);
    expect(await codeOfRejection(find(layout, "img"))).toBe("USAGE");
    expect(await codeOfRejection(find(layout, "img:1"))).toBe("USAGE");
    expect(await find(layout, "img:other.example.com/web:1")).toMatchObject({ digest: two.descriptor.digest });
  });

  test("of two names of one image is the first", async () => {
    const layout = await layoutWith([one, "registry.example.com/app:1"], [one, "registry.example.com/app:2"]);
    expect(await find(layout, "img")).toMatchObject({ tag: "1", digest: one.descriptor.digest });
    expect(await find(layout, "img:2")).toMatchObject({ tag: "2", digest: one.descriptor.digest });
  });

  test.each([
    ["img:3"],
    ["img:registry.example.com/other:1"],
    [`img:1@${digest.replace(/.$/, "0")}`],
    ["img:no name/x"],
  ])("is missing as %s", async (text) => {
    const layout = await layoutWith([two, "registry.example.com/app:1"]);
    expect(await codeOfRejection(find(layout, text))).toBe("IMAGE_NOT_FOUND");
  });

  test("is missing in an empty layout", async () => {
    expect(await codeOfRejection(find(await layoutWith(), "img"))).toBe("IMAGE_NOT_FOUND");
  });

  test("without a name is in no registry", async () => {
    const layout = await openLayout(at("img"), { create: true });
    await push(layout, { registry: "layout.invalid", repository: "unnamed" }, one, "1");
    expect(await find(layout, "img")).toEqual({
      registry: "layout.invalid",
      repository: "unnamed",
      tag: "1",
      digest: one.descriptor.digest,
    });
  });

  test("may be one platform, by its digest", async () => {
    const layout = await layoutWith();
    await push(layout, parseReference("registry.example.com/app:1"), one);
    await push(layout, parseReference("registry.example.com/app:1"), makeIndex([one.descriptor]), "1");
    expect(await find(layout, `img@${one.descriptor.digest}`)).toMatchObject({ digest: one.descriptor.digest });
  });
});

describe("a layout to write to", () => {
  test("is a folder, made where there is none, or an archive by its ending", async () => {
    const made = await openLayoutFor(at("new"));
    expect(made.finish).toBeUndefined();
    expect(existsSync(at("new/oci-layout"))).toBe(true);
    const again = await openLayoutFor(at("new"));
    await push(again, parseReference("registry.example.com/app:1"), makeImage("one"), "1");
    const archive = await openLayoutFor(at("new.tar"));
    await archive.finish?.();
    await archive.close();
    const read = await openLayoutAt(at("new.tar"));
    expect(await read.images()).toEqual([]);
    await read.close();
    expect(await (await openLayoutAt(at("new"))).images()).toHaveLength(1);
  });

  test("is no archive that is there, and no folder with other things", async () => {
    writeFileSync(at("old.tar"), "x");
    writeFileSync(at("old"), "x");
    mkdirSync(at("full"));
    writeFileSync(at("full/notes"), "x");
    for (const path of ["old.tar", "old", "full"])
      expect(await codeOfRejection(openLayoutFor(at(path)))).toBe("FILE_EXISTS");
  });
});
