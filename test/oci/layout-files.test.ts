import { mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { layoutFolder } from "../../src/oci/layout-files.ts";
import { tempDir } from "../support/process.ts";

let folder: ReturnType<typeof tempDir>;
beforeEach(() => {
  folder = tempDir("layout-files");
});
afterEach(() => folder.cleanup());

const changes = () => {
  const { changes: found } = layoutFolder(folder.path);
  if (found === undefined) throw new Error("a folder can be changed");
  return found;
};

async function* text(...pieces: readonly string[]) {
  for (const piece of pieces) yield Buffer.from(piece);
}

describe("a file of a layout", () => {
  test("is written whole, and read with its size", async () => {
    await changes().write("blobs/sha256/x", text("one ", "two"), 7);
    const files = layoutFolder(folder.path);
    expect(String(await files.read("blobs/sha256/x", 100))).toBe("one two");
    expect(await files.size("blobs/sha256/x")).toBe(7);
    expect(await files.list("blobs/sha256", 10)).toEqual(["x"]);
  });

  test("stays as it was when the new content fails, and nothing else is left", async () => {
    await changes().write("x", text("old"), 3);
    async function* failing() {
      yield Buffer.from("new");
      throw new Error("source failed");
    }
    await expect(changes().write("x", failing(), 3)).rejects.toThrow("source failed");
    expect(readFileSync(join(folder.path, "x"), "utf8")).toBe("old");
    expect(readdirSync(folder.path)).toEqual(["x"]);
  });

  test("that cannot be written says so", async () => {
    writeFileSync(join(folder.path, "occupied"), "");
    await expect(changes().write("occupied/x", text("y"), 1)).rejects.toMatchObject({ code: "FILE_UNWRITABLE" });
  });

  test("is nothing where there is none, and not read beyond the limit", async () => {
    const files = layoutFolder(folder.path);
    expect(await files.read("none", 10)).toBeUndefined();
    expect(await files.size("none")).toBeUndefined();
    expect(await files.list("none", 10)).toEqual([]);
    writeFileSync(join(folder.path, "x"), "0123456789");
    await expect(files.read("x", 9)).rejects.toMatchObject({ code: "CONTENT_TOO_LARGE" });
    mkdirSync(join(folder.path, "d"));
    await expect(files.read("d", 9)).rejects.toMatchObject({ code: "FILE_UNREADABLE" });
    expect(await files.size("d")).toBeUndefined();
  });

  test("lists one more than the limit, so that the limit shows", async () => {
    for (const name of ["a", "b", "c", "d"]) writeFileSync(join(folder.path, name), "");
    expect(await layoutFolder(folder.path).list(".", 2)).toHaveLength(3);
  });
});

describe("a change", () => {
  test("waits for the one before it", async () => {
    let now = 0;
    let most = 0;
    const change = async () => {
      most = Math.max(most, ++now);
      await new Promise((resolve) => setTimeout(resolve, 2));
      now -= 1;
    };
    await Promise.all(Array.from({ length: 8 }, () => changes().exclusively(change)));
    expect(most).toBe(1);
    expect(readdirSync(folder.path)).toEqual([]);
  });

  test("gives its turn back when it fails", async () => {
    await expect(changes().exclusively(() => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(await changes().exclusively(() => Promise.resolve("yes"))).toBe("yes");
  });

  test("does not wait for a process that is gone", async () => {
    const lock = join(folder.path, "index.json.lock");
    writeFileSync(lock, "");
    const old = new Date(Date.now() - 60_000);
    utimesSync(lock, old, old);
    expect(await changes().exclusively(() => Promise.resolve("done"))).toBe("done");
  });
});
