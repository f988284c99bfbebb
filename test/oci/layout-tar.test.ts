import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openLayout, openLayoutTar } from "../../src/oci/layout.ts";
import { layoutTar } from "../../src/oci/layout-tar.ts";
import { parseReference, parseRepository } from "../../src/oci/reference.ts";
import { blobOf } from "../../src/oci/registry.ts";
import { tempDir } from "../support/process.ts";
import { descriptorOf, makeImage, makeReferrer, push } from "./artifacts.ts";

const name = parseRepository("registry.example.com/app");
const ref = parseReference("registry.example.com/app:v1");
const image = makeImage("archived");
const signature = makeReferrer(image.descriptor, "a");

let folder: ReturnType<typeof tempDir>;
beforeEach(() => {
  folder = tempDir("layout-tar");
});
afterEach(() => folder.cleanup());

const path = (file: string) => join(folder.path, file);

/** An archive of a layout with an image and a signature, made by the system's tar. */
async function archive(...options: readonly string[]): Promise<string> {
  const layout = await openLayout(path("img"), { create: true });
  await push(layout, name, image, "v1");
  await push(layout, name, signature);
  execFileSync("tar", [...options, "-cf", path("img.tar"), "-C", path("img"), "."]);
  return path("img.tar");
}

/** One entry as in a plain ustar archive. */
function entry(file: string, content: string, change: (header: Buffer) => void = () => {}): Buffer {
  const header = Buffer.alloc(512);
  header.write(file, 0);
  header.write(`${content.length.toString(8).padStart(11, "0")}\0`, 124);
  header.write("0", 156);
  header.write("ustar\0", 257);
  change(header);
  header.fill(" ", 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  const body = Buffer.alloc(Math.ceil(content.length / 512) * 512);
  body.write(content);
  return Buffer.concat([header, body]);
}

function write(...parts: readonly Buffer[]): string {
  writeFileSync(path("made.tar"), Buffer.concat(parts));
  return path("made.tar");
}

const end = Buffer.alloc(1024);

describe("archives that tar makes", () => {
  test.each([["ustar"], ["gnu"], ["pax"]])("reads images and signatures from a %s archive", async (format) => {
    const layout = await openLayoutTar(await archive(`--format=${format}`));
    expect(await layout.resolve(ref)).toEqual(image.descriptor);
    const layer = image.blobs[1] ?? Buffer.of();
    expect(await layout.fetchBlob(name, descriptorOf(layer, "x"), 1000)).toEqual(layer);
    const { descriptors } = await layout.listReferrers(name, image.descriptor.digest, 20);
    expect(descriptors.map(({ digest }) => digest)).toEqual([signature.descriptor.digest]);
    await layout.close();
  });

  test.each([["ustar"], ["gnu"], ["pax"]])("reads names longer than a header in a %s archive", async (format) => {
    const long = `${"d".repeat(90)}/${"e".repeat(90)}`;
    mkdirSync(join(path("long"), "d".repeat(90)), { recursive: true });
    writeFileSync(join(path("long"), long), "content");
    execFileSync("tar", [`--format=${format}`, "-cf", path("long.tar"), "-C", path("long"), "."]);
    const files = await layoutTar(path("long.tar"));
    expect(String(await files.read(long, 100))).toBe("content");
    await files.close();
  });

  test("cannot be written to", async () => {
    const layout = await openLayoutTar(await archive());
    const blob = Buffer.from("new");
    const { digest } = descriptorOf(blob, "x");
    await expect(layout.pushBlob(name, blobOf(blob, digest))).rejects.toMatchObject({ code: "FILE_UNWRITABLE" });
    await expect(push(layout, name, { ...image, blobs: [] }, "v2")).rejects.toMatchObject({ code: "FILE_UNWRITABLE" });
    await expect(layout.deleteManifest(name, "v1")).rejects.toMatchObject({ code: "FILE_UNWRITABLE" });
    await layout.close();
  });
});

describe("archives that are not right", () => {
  test("a missing file, a folder and an archive without a layout are told apart", async () => {
    await expect(openLayoutTar(path("none.tar"))).rejects.toMatchObject({ code: "FILE_NOT_FOUND" });
    await expect(openLayoutTar(folder.path)).rejects.toMatchObject({ code: "FILE_UNREADABLE" });
    const other = write(entry("file", "content"), end);
    await expect(openLayoutTar(other)).rejects.toMatchObject({ code: "FILE_NOT_FOUND" });
  });

  test("a compressed archive, noise and a broken checksum are refused", async () => {
    await archive();
    execFileSync("gzip", [path("img.tar")]);
    await expect(openLayoutTar(path("img.tar.gz"))).rejects.toMatchObject({ code: "FILE_UNREADABLE" });
    await expect(openLayoutTar(write(Buffer.alloc(2048, "x")))).rejects.toMatchObject({ code: "FILE_UNREADABLE" });
    const broken = entry("oci-layout", "{}");
    broken.write("X", 0);
    await expect(openLayoutTar(write(broken, end))).rejects.toMatchObject({ code: "FILE_UNREADABLE" });
  });

  test("an archive cut anywhere is refused or lacks its image, and never hangs", async () => {
    const bytes = readFileSync(await archive());
    for (let length = 0; length < bytes.length; length += 333) {
      writeFileSync(path("cut.tar"), bytes.subarray(0, length));
      const attempt = openLayoutTar(path("cut.tar")).then((layout) =>
        layout.resolve(ref).finally(() => layout.close()),
      );
      const outcome = await attempt.then(
        (descriptor) => descriptor.digest,
        (error: { code: string }) => error.code,
      );
      expect([image.descriptor.digest, "FILE_UNREADABLE", "FILE_NOT_FOUND", "IMAGE_NOT_FOUND"]).toContain(outcome);
    }
  });

  test("two files of one name are refused", async () => {
    const twice = write(entry("oci-layout", "{}"), entry("./oci-layout", '{"imageLayoutVersion":"1.0.0"}'), end);
    await expect(openLayoutTar(twice)).rejects.toMatchObject({ code: "FILE_UNREADABLE" });
  });

  test("a size beyond the archive, a negative one and one that is no number are refused", async () => {
    const sizes = [
      "77777777777\0",
      "-0000000001\0",
      "0000000x001\0",
      "\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    ];
    for (const size of sizes) {
      const file = write(
        entry("index.json", "{}", (header) => header.write(size, 124, "latin1")),
        end,
      );
      await expect(openLayoutTar(file)).rejects.toMatchObject({ code: "FILE_UNREADABLE" });
    }
  });

  test("a name that leads out of the archive names nothing", async () => {
    writeFileSync(path("secret"), "secret");
    const files = await layoutTar(write(entry("blobs/../../secret", "x"), entry("/etc/passwd", "y"), end));
    expect(await files.read("secret", 100)).toBeUndefined();
    expect(await files.read("blobs/sha256/../../../secret", 100)).toBeUndefined();
    await files.close();
  });

  test("a link in an archive is not followed", async () => {
    writeFileSync(path("secret"), "secret");
    const link = entry("oci-layout", "", (header) => {
      header.write("2", 156);
      header.write(path("secret"), 157);
    });
    await expect(openLayoutTar(write(link, end))).rejects.toMatchObject({ code: "FILE_NOT_FOUND" });
  });

  test("an extended header that is long or cannot be read is refused", async () => {
    const asPax = (header: Buffer) => void header.write("x", 156);
    for (const content of ["x".repeat(70_000), "99 path=a\n", "no records", "13 size=-1000\n"]) {
      const file = write(entry("pax", content, asPax), entry("oci-layout", "{}"), end);
      await expect(openLayoutTar(file)).rejects.toMatchObject({ code: "FILE_UNREADABLE" });
    }
  });
});
