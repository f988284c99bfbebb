import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { runTrust } from "../support/cli.ts";
import { tempDir } from "../support/process.ts";
import { createTufRepository, serveRepository, writeRepository } from "../support/tuf-repository.ts";

const fixtures = join(import.meta.dirname, "../fixtures/sigstore");
const trustedRoot = readFileSync(join(fixtures, "trusted_root.json"), "utf8");
const target = "trusted_root.json";

let folder: ReturnType<typeof tempDir>;
beforeEach(() => {
  folder = tempDir("trust-roots");
});
afterEach(() => folder.cleanup());

function trust(...argv: string[]) {
  return runTrust(argv, { folder: folder.path, env: { HOME: folder.path } });
}

async function json(...argv: string[]) {
  const { stdout } = await trust(...argv, "-o", "json");
  return JSON.parse(stdout);
}

const stored = (name: string) => join(folder.path, ".config/imagetrust/trust-roots", `${name}.json`);

function withRepository(content = trustedRoot) {
  const repository = createTufRepository();
  repository.publish({ [target]: content });
  writeFileSync(join(folder.path, "root.json"), repository.root);
  return repository;
}

/** The same root, with one log fewer. */
function withoutLogs(): string {
  return JSON.stringify({ ...JSON.parse(trustedRoot), tlogs: [] });
}

describe("a root from a file", () => {
  test("is added, listed, shown and removed", async () => {
    const file = join(fixtures, "trusted_root.json");
    expect(await trust("root", "add", "acme", "--file", file)).toMatchObject({ code: 0, stderr: "" });
    expect(statSync(stored("acme")).mode & 0o777).toBe(0o600);
    const [first, second, third] = await json("root", "list");
    expect([first.name, second.name, third.name]).toEqual(["public-good", "github", "acme"]);
    expect(third).toMatchObject({ source: "file", require: { logOrTimestamp: 1, sct: 1 }, skipped: [] });
    expect(third.expires).toBeUndefined();
    const [shown] = await json("root", "show", "acme");
    expect(shown).toEqual(third);
    expect(shown.logs.map((log: { url: string }) => log.url)).toEqual(["http://rekor.test", "http://rekor2.test"]);
    expect(await trust("root", "remove", "acme")).toMatchObject({ code: 0 });
    expect(await trust("root", "show", "acme")).toMatchObject({ code: 3 });
    expect((await trust("root", "remove", "acme")).stderr).toContain("TRUST_ROOT_NOT_FOUND");
  });

  test("asks for the evidence that is required of it", async () => {
    writeFileSync(join(folder.path, target), trustedRoot);
    const [added] = await json("root", "add", "acme", "--file", target, "--require", "log", "--require", "timestamp");
    expect(added.require).toEqual({ log: 1, timestamp: 1, logOrTimestamp: 1, sct: 1 });
    const [shown] = await json("root", "show", "acme");
    expect(shown.require).toEqual(added.require);
    expect((await trust("root", "list")).stdout).toMatch(/acme\s+file\s+ok\s+never\s+1 log entry, 1 timestamp, 1 SCT/);
  });

  test("is not added when it is none, or the name is taken or no name", async () => {
    writeFileSync(join(folder.path, target), trustedRoot);
    writeFileSync(join(folder.path, "bad.json"), "{}");
    const add = async (name: string, ...options: string[]) => (await trust("root", "add", name, ...options)).stderr;
    expect(await add("acme", "--file", "bad.json")).toContain("TRUST_ROOT_INVALID");
    expect(await add("acme", "--file", "none.json")).toContain("FILE_NOT_FOUND");
    expect((await trust("root", "show", "acme")).stderr).toContain("TRUST_ROOT_NOT_FOUND");
    await trust("root", "add", "acme", "--file", target);
    expect(await add("acme", "--file", target)).toContain("FILE_EXISTS");
    for (const name of ["../acme", "Acme", "a.json", "public-good"])
      expect(await add(name, "--file", target)).toContain("USAGE");
    expect(await add("other")).toContain("USAGE");
    expect(await add("other", "--file", target, "--mirror", "https://tuf.example.com")).toContain("USAGE");
    expect(await add("other", "--tuf-root", "root.json")).toContain("USAGE");
  });

  test("is renewed by nothing", async () => {
    writeFileSync(join(folder.path, target), trustedRoot);
    await trust("root", "add", "acme", "--file", target);
    expect(await trust("root", "update", "acme")).toMatchObject({ code: 2, stdout: "" });
  });
});

describe("a root from TUF", () => {
  test("is fetched when added, and renewed by update", async () => {
    const repository = withRepository();
    await using served = await serveRepository(repository.files);
    const [added] = await json("root", "add", "acme", "--tuf-root", "root.json", "--mirror", served.url);
    expect(added).toMatchObject({ source: "tuf", mirror: served.url, expires: "2099-01-01T00:00:00.000Z" });
    const [unchanged] = await json("root", "update", "acme");
    expect(unchanged).toMatchObject({ name: "acme", status: "unchanged", revision: added.revision });
    repository.rotate();
    repository.publish({ [target]: withoutLogs() });
    const [updated] = await json("root", "update", "acme");
    expect(updated.status).toBe("updated");
    expect(updated.revision).not.toBe(added.revision);
    expect((await json("root", "show", "acme"))[0]).toMatchObject({ revision: updated.revision, logs: [] });
  });

  test("stays as it was when the mirror goes back, tampers, or is down", async () => {
    const repository = withRepository();
    const before = new Map(repository.files);
    repository.publish({ [target]: withoutLogs() });
    await using served = await serveRepository(repository.files);
    await trust("root", "add", "acme", "--tuf-root", "root.json", "--mirror", served.url);
    const kept = readFileSync(stored("acme"), "utf8");
    served.files = before;
    const back = await trust("root", "update", "acme");
    expect([back.code, back.stderr]).toEqual([1, expect.stringContaining("TRUST_ROOT_REFUSED")]);
    repository.usurp();
    served.files = repository.files;
    const usurped = await trust("root", "update", "acme");
    expect([usurped.code, usurped.stderr]).toEqual([1, expect.stringContaining("TRUST_ROOT_REFUSED")]);
    served.files = undefined;
    const down = await trust("root", "update", "acme");
    expect([down.code, down.stderr]).toEqual([4, expect.stringContaining("TRUST_ROOT_UNREACHABLE")]);
    expect(readFileSync(stored("acme"), "utf8")).toBe(kept);
  });

  test("is not taken when it is no trust root, however well signed", async () => {
    const repository = withRepository("{}");
    await using served = await serveRepository(repository.files);
    const result = await trust("root", "add", "acme", "--tuf-root", "root.json", "--mirror", served.url);
    expect([result.code, result.stderr]).toEqual([3, expect.stringContaining("TRUST_ROOT_INVALID")]);
    expect((await trust("root", "show", "acme")).code).toBe(3);
  });

  test("is read from a folder, also for one time in place of its mirror", async () => {
    const repository = withRepository();
    const mirror = join(folder.path, "mirror");
    mkdirSync(mirror);
    writeRepository(repository.files, mirror);
    const url = pathToFileURL(mirror).href;
    await using served = await serveRepository(repository.files);
    await trust("root", "add", "acme", "--tuf-root", "root.json", "--mirror", served.url);
    repository.publish({ [target]: withoutLogs() });
    writeRepository(repository.files, mirror);
    served.files = undefined;
    const [updated] = await json("root", "update", "acme", "--mirror", url);
    expect(updated).toMatchObject({ status: "updated", mirror: served.url });
    expect((await json("root", "show", "acme"))[0]).toMatchObject({ mirror: served.url, logs: [] });
  });

  test("keeps the evidence that is required of it when it is renewed", async () => {
    const repository = withRepository();
    await using served = await serveRepository(repository.files);
    await trust("root", "add", "acme", "--tuf-root", "root.json", "--mirror", served.url, "--require", "log");
    await trust("root", "update", "acme");
    expect((await json("root", "show", "acme"))[0].require.log).toBe(1);
  });

  test("past its expiry is shown as stale", async () => {
    const repository = withRepository();
    await using served = await serveRepository(repository.files);
    await trust("root", "add", "acme", "--tuf-root", "root.json", "--mirror", served.url);
    const kept = readFileSync(stored("acme"), "utf8");
    writeFileSync(stored("acme"), kept.replace(/"expires": "2099[^"]*"/, '"expires": "2020-01-01T00:00:00.000Z"'));
    expect((await json("root", "show", "acme"))[0].stale).toMatchObject({
      code: "ROOT_STALE",
      category: "unavailable",
    });
    expect((await trust("root", "list")).stdout).toMatch(/acme .*stale/);
    expect((await trust("root", "show", "acme")).stdout).toContain("trust root update acme");
  });

  test("that fails does not keep others from being renewed, and the gravest failure counts", async () => {
    const repository = withRepository();
    await using served = await serveRepository(repository.files);
    await using other = await serveRepository(repository.files);
    await trust("root", "add", "one", "--tuf-root", "root.json", "--mirror", served.url);
    await trust("root", "add", "two", "--tuf-root", "root.json", "--mirror", other.url);
    served.files = undefined;
    repository.publish({ [target]: withoutLogs() });
    const result = await trust("root", "update", "--mirror", "file:///nowhere/at/all", "-o", "json");
    expect(JSON.parse(result.stdout).map(({ name, status }: Record<string, string>) => `${name} ${status}`)).toEqual([
      "public-good failed",
      "one failed",
      "two failed",
    ]);
    expect(result.code).toBe(3);
    expect((await json("root", "update", "two"))[0].status).toBe("updated");
    expect((await trust("root", "update", "one")).code).toBe(4);
  });
});

describe("roots that are known without being added", () => {
  test("are public-good, which is part of the program, and GitHub's, to be fetched", async () => {
    const result = await trust("root", "list");
    expect(result.stdout).toMatch(/public-good\s+embedded\s+(?:ok|stale)/);
    expect(result.stdout).toMatch(/github\s+tuf\s+not fetched/);
    expect(result).toMatchObject({ code: 0, stderr: expect.stringContaining("trust root update github") });
    expect((await trust("root", "show")).stdout).toContain("https://rekor.sigstore.dev");
  });

  test("renew by TUF only from what their own keys have signed", async () => {
    const repository = withRepository();
    await using served = await serveRepository(repository.files);
    for (const name of ["public-good", "github"]) {
      const result = await trust("root", "update", name, "--mirror", served.url);
      // The root that a program of some age has is over itself.
      expect(result.stderr).toMatch(/TRUST_ROOT_REFUSED|ROOT_STALE/);
      expect(existsSync(stored(name))).toBe(false);
    }
  });
});

test("a broken file of one root is told, and the others are listed", async () => {
  writeFileSync(join(folder.path, target), trustedRoot);
  await trust("root", "add", "acme", "--file", target);
  writeFileSync(stored("broken"), "{");
  const result = await trust("root", "list");
  expect(result.code).toBe(3);
  expect(result.stdout).toMatch(/acme\s+file\s+ok/);
  expect(result.stdout).toMatch(/broken.*TRUST_ROOT_INVALID/);
});
