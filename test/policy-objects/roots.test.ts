import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { TrustError } from "../../src/errors.ts";
import { createRootSource, type OpenRoot } from "../../src/policy-objects/roots.ts";
import { unfetchedRoot } from "../../src/trust/tuf-source.ts";
import { codeOfRejection } from "../support/errors.ts";
import { tempDir } from "../support/process.ts";

const folder = tempDir("root-source");
afterAll(() => folder.cleanup());
const fileOf = (name: string) => join(folder.path, `${name}.json`);
const rootOf = (name: string) => unfetchedRoot({ name, mirror: "https://m.example", target: "t", root: "", id: name });

function open(openRoot: OpenRoot, retryAfter?: number) {
  const source = createRootSource(openRoot, fileOf, retryAfter);
  const { openRoot: ask } = source;
  if (ask === undefined) throw new Error("no roots");
  return { ...source, ask };
}

describe("a root that cannot be opened", () => {
  it("though its file is as it was is tried again by itself", async () => {
    writeFileSync(fileOf("acme"), "{}");
    let isAway = true;
    const source = open(async (name) => {
      if (isAway) throw new TrustError("FILE_UNREADABLE", "too many open files");
      return rootOf(name);
    }, 0);
    expect(await codeOfRejection(source.ask("acme"))).toBe("FILE_UNREADABLE");
    isAway = false;
    expect(await source.hasChanged()).toBe(true);
    expect((await source.ask("acme")).name).toBe("acme");
    expect(await source.hasChanged()).toBe(false);
  });

  it("because there is none is not looked for again until its file is there", async () => {
    let asked = 0;
    const source = open(async (name) => {
      asked++;
      throw new TrustError("TRUST_ROOT_NOT_FOUND", `no ${name}`);
    });
    for (const _ of [1, 2, 3]) expect(await codeOfRejection(source.ask("none"))).toBe("TRUST_ROOT_NOT_FOUND");
    expect(asked).toBe(1);
    expect(await source.hasChanged()).toBe(false);
    writeFileSync(fileOf("none"), "{}");
    expect(await source.hasChanged()).toBe(true);
  });
});

describe("names of roots that mean nothing", () => {
  it("are followed up to a bound, and take no place from what can be fetched", async () => {
    const source = open(async (name) => {
      throw new TrustError("TRUST_ROOT_NOT_FOUND", `no ${name}`);
    });
    for (let index = 0; index < 1000; index++) await source.ask(`junk-${index}`).catch(() => undefined);
    const tuf = { name: "own", mirror: "https://m.example", target: "t", root: "", id: "own-id" };
    for (const ask of [source.ask("own-id", tuf), source.ask("github")]) await ask.catch(() => undefined);
    const names = [...source.inUse().keys()];
    expect(names.filter((name) => name.startsWith("junk"))).toHaveLength(200);
    expect(names).toEqual(expect.arrayContaining(["own-id", "github"]));
    source.sweep();
    source.sweep();
    expect(source.inUse().size).toBe(0);
    await source.ask("junk-900").catch(() => undefined);
    expect([...source.inUse().keys()]).toEqual(["junk-900"]);
  });
});
