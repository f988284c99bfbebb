import { renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { absent, sameStamps, stampOf } from "../../src/keys/file-stamps.ts";
import { tempDir } from "../support/process.ts";

const folder = tempDir("stamps");
afterAll(() => folder.cleanup());

it("a file that is replaced by one with the same content has another stamp, one that is removed has none", async () => {
  const path = join(folder.path, "key.pem");
  writeFileSync(path, "a");
  const first = await stampOf(path);
  expect(await stampOf(path)).toBe(first);
  writeFileSync(`${path}.new`, "a");
  renameSync(`${path}.new`, path);
  const second = await stampOf(path);
  expect(second).not.toBe(first);
  rmSync(path);
  expect(await stampOf(path)).toBe(absent);
  expect(second).not.toBe(absent);
});

it("stamps are the same where every file is, and none is missing or new", () => {
  const of = (entries: Record<string, string>) => new Map(Object.entries(entries));
  expect(sameStamps(of({ a: "1", b: "2" }), of({ b: "2", a: "1" }))).toBe(true);
  expect(sameStamps(of({ a: "1" }), of({ a: "1", b: "2" }))).toBe(false);
  expect(sameStamps(of({ a: "1" }), of({ a: "2" }))).toBe(false);
  expect(sameStamps(of({ a: "1" }), of({ b: "1" }))).toBe(false);
});
