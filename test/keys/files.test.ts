import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { maxSmallFile, readSmallFile, writeNewFiles } from "../../src/keys/files.ts";
import { codeOfRejection } from "../support/errors.ts";
import { tempDir } from "../support/process.ts";

let folder: ReturnType<typeof tempDir>;
beforeEach(() => {
  folder = tempDir("trust-files");
});
afterEach(() => {
  chmodSync(folder.path, 0o700);
  folder.cleanup();
});
const at = (name: string) => join(folder.path, name);
const file = (name: string, content = name) => ({ path: at(name), content, mode: 0o600 });

describe("reading", () => {
  test("reads a file and a pipe", async () => {
    writeFileSync(at("a"), "content");
    expect((await readSmallFile(at("a"), "file")).toString()).toBe("content");
    execFileSync("mkfifo", [at("pipe")]);
    const read = readSmallFile(at("pipe"), "file");
    writeFileSync(at("pipe"), "through a pipe");
    expect((await read).toString()).toBe("through a pipe");
  });

  test("refuses what is missing, a folder, or too large", async () => {
    expect(await codeOfRejection(readSmallFile(at("none"), "file"))).toBe("FILE_NOT_FOUND");
    expect(await codeOfRejection(readSmallFile(folder.path, "file"))).toBe("FILE_UNREADABLE");
    writeFileSync(at("large"), Buffer.alloc(maxSmallFile + 1));
    expect(await codeOfRejection(readSmallFile(at("large"), "file"))).toBe("FILE_UNREADABLE");
    expect(await codeOfRejection(readSmallFile("/dev/zero", "file"))).toBe("FILE_UNREADABLE");
  });
});

describe("writing", () => {
  test("writes each file whole, with its mode, and nothing beside it", async () => {
    await writeNewFiles([file("a"), { ...file("b"), mode: 0o644 }]);
    expect(readdirSync(folder.path).sort()).toEqual(["a", "b"]);
    expect(readFileSync(at("a"), "utf8")).toBe("a");
    expect(statSync(at("a")).mode & 0o777).toBe(0o600);
    expect(statSync(at("b")).mode & 0o777).toBe(0o644 & ~process.umask());
  });

  test("never replaces a file unless told, and then writes none of the others", async () => {
    writeFileSync(at("b"), "precious");
    expect(await codeOfRejection(writeNewFiles([file("a"), file("b")]))).toBe("FILE_EXISTS");
    expect(readdirSync(folder.path)).toEqual(["b"]);
    expect(readFileSync(at("b"), "utf8")).toBe("precious");
    await writeNewFiles([file("a"), file("b")], { replace: true });
    expect(readFileSync(at("b"), "utf8")).toBe("b");
    expect(statSync(at("b")).mode & 0o777).toBe(0o600);
  });

  test("replaces all files or none: what was there stays where one cannot be written", async () => {
    writeFileSync(at("a"), "precious");
    mkdirSync(at("b"));
    const failed = writeNewFiles([file("new"), file("a"), file("b")], { replace: true });
    expect(await codeOfRejection(failed)).toBe("FILE_UNWRITABLE");
    expect(readFileSync(at("a"), "utf8")).toBe("precious");
    expect(readdirSync(folder.path).sort()).toEqual(["a", "b"]);
  });

  test("of two writers of one name exactly one wins, and its content stands", async () => {
    const writers = Array.from({ length: 8 }, (_, i) => codeOfRejection(writeNewFiles([file("a", `writer ${i}`)])));
    const codes = await Promise.all(writers);
    expect(codes.filter((code) => code === undefined)).toHaveLength(1);
    expect(readFileSync(at("a"), "utf8")).toBe(`writer ${codes.indexOf(undefined)}`);
    expect(readdirSync(folder.path)).toEqual(["a"]);
  });

  test("does not follow a link that stands in the way", async () => {
    mkdirSync(at("sub"));
    writeFileSync(at("sub/target"), "precious");
    execFileSync("ln", ["-s", at("sub/target"), at("a")]);
    expect(await codeOfRejection(writeNewFiles([file("a")]))).toBe("FILE_EXISTS");
    await writeNewFiles([file("a")], { replace: true });
    expect(readFileSync(at("sub/target"), "utf8")).toBe("precious");
  });

  test("says so where the folder is missing", async () => {
    expect(await codeOfRejection(writeNewFiles([file("none/a")]))).toBe("FILE_UNWRITABLE");
  });
});
