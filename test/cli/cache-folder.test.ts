import { chmodSync, mkdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { cacheFolder } from "../../src/cli/cache-folder.ts";
import { tempDir } from "../support/process.ts";

let home: ReturnType<typeof tempDir>;
beforeEach(() => {
  home = tempDir("trust-cache");
});
afterEach(() => home.cleanup());

const uid = process.getuid?.();
const folder = (env: Record<string, string> = { HOME: home.path }, asked = uid) => cacheFolder(env, asked);

describe("the folder for compiled code", () => {
  test("is made for its user alone", () => {
    expect(folder()).toBe(join(home.path, ".cache/imagetrust"));
    expect(statSync(join(home.path, ".cache/imagetrust")).mode & 0o777).toBe(0o700);
    expect(folder({ HOME: "/nowhere", XDG_CACHE_HOME: home.path })).toBe(join(home.path, "imagetrust"));
  });

  test("is none where others may write to it", () => {
    const path = folder() ?? "";
    for (const mode of [0o770, 0o707, 0o777]) {
      chmodSync(path, mode);
      expect(folder()).toBeUndefined();
    }
    chmodSync(path, 0o755);
    expect(folder()).toBe(path);
  });

  test("is none where it belongs to somebody else, as under sudo", () => {
    expect(folder()).toBeDefined();
    expect(folder({ HOME: home.path }, (uid ?? 0) + 1)).toBeUndefined();
    expect(cacheFolder({ HOME: home.path }, undefined)).toBeUndefined();
  });

  test("is none where the name is a link, a file, or cannot be made", () => {
    mkdirSync(join(home.path, "other"));
    symlinkSync(join(home.path, "other"), join(home.path, "imagetrust"));
    expect(folder({ XDG_CACHE_HOME: home.path })).toBeUndefined();
    writeFileSync(join(home.path, "file"), "");
    expect(folder({ XDG_CACHE_HOME: join(home.path, "file") })).toBeUndefined();
    expect(folder({})).toBeUndefined();
  });

  test("is none where the user wants no compile cache", () => {
    expect(folder({ HOME: home.path, NODE_DISABLE_COMPILE_CACHE: "1" })).toBeUndefined();
  });
});
