import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run, tempDir } from "../support/process.ts";

const root = join(import.meta.dirname, "../..");
const node = join(root, "node_modules/.bin/node");
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

// Outside the project, so that nothing is found there that is not in the bundle.
const folder = tempDir("trust-build");
const dist = join(folder.path, "dist");
const packagesFile = join(folder.path, "packages.json");
const built = join(dist, "trust.cjs");
beforeAll(() => {
  execFileSync(node, [join(root, "scripts/build.ts"), dist, packagesFile], { cwd: root, stdio: "pipe" });
}, 120_000);
afterAll(() => folder.cleanup());

const bare = Object.fromEntries(Object.keys(process.env).map((name) => [name, undefined]));
const env = { ...bare, PATH: process.env["PATH"], HOME: folder.path, TRUST_PASSWORD: "secret" };
const trust = (...args: string[]) => run(node, [built, ...args], { cwd: folder.path, env });

describe("the built command", () => {
  test("is executable, and says its version and its help", async () => {
    expect(statSync(built).mode & 0o111).toBe(0o111);
    expect(readFileSync(built, "utf8").startsWith("#!/usr/bin/env node\n")).toBe(true);
    expect(await trust("--version")).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
    expect(await trust("help")).toMatchObject({ code: 0, stderr: "" });
  });

  test("says the same as the sources", async () => {
    const args = ["help", "sign"];
    const sources = await run(node, [join(root, "src/cli/main.ts"), ...args], { cwd: folder.path, env });
    expect(await trust(...args)).toEqual(sources);
  });
});

const heavy = ["zod", "yaml", "fastify", "node-forge", "pino", "bcryptjs", "prom-client", "@noble/ciphers"];

describe("start-up", () => {
  /** The chunks that a command line has loaded, with what they were made of. */
  async function loadedBy(...args: string[]): Promise<{ code: number; packages: string[]; chunks: string[] }> {
    const hook = join(folder.path, "hook.cjs");
    const list = join(folder.path, "loaded.json");
    writeFileSync(
      hook,
      `process.on("exit", () => require("node:fs").writeFileSync(${JSON.stringify(list)}, JSON.stringify(Object.keys(require.cache))))`,
    );
    const { code } = await run(node, ["--require", hook, built, ...args], { cwd: folder.path, env });
    const chunks: string[] = JSON.parse(readFileSync(list, "utf8")).filter((path: string) => path.startsWith(dist));
    const packages: Record<string, string[]> = JSON.parse(readFileSync(packagesFile, "utf8"));
    return { code, chunks, packages: chunks.flatMap((chunk) => packages[chunk.slice(dist.length + 1)] ?? []) };
  }

  test("knows what a chunk is made of", async () => {
    const { packages } = await loadedBy("registry", "serve", "--storage", "/dev/null/none");
    expect(packages).toContain("fastify");
  });

  test.each([[["--version"]], [["verify", "--key", "none.pub", "127.0.0.1:1/app:1"]]])(
    "of trust %s loads no heavy package",
    async (args) => {
      const { chunks, packages } = await loadedBy(...args);
      expect(chunks.length).toBeGreaterThan(0);
      expect(packages.filter((name) => heavy.includes(name))).toEqual([]);
    },
  );
});

describe("compiled code", () => {
  const cache = join(folder.path, ".cache/imagetrust");
  const verify = () => trust("verify", "--key", "none.pub", "app:1");

  test("is kept for the commands that end soon, for their user alone, and used", async () => {
    rmSync(cache, { recursive: true, force: true });
    const first = await verify();
    const kept = readdirSync(cache).filter((name) => name.endsWith("-verify"));
    expect(kept).toHaveLength(1);
    const [path] = kept.map((name) => join(cache, name));
    expect(statSync(path ?? "").mode & 0o777).toBe(0o600);
    const before = statSync(path ?? "").mtimeMs;
    expect(await verify()).toEqual(first);
    expect(statSync(path ?? "").mtimeMs).toBe(before);
  });

  test("that is damaged, cut off or of another program is made anew, and changes nothing", async () => {
    const first = await verify();
    const [path = ""] = readdirSync(cache)
      .filter((name) => name.endsWith("-verify"))
      .map((name) => join(cache, name));
    const good = readFileSync(path);
    const flipped = Buffer.from(good);
    flipped[good.length >> 1] = (flipped[good.length >> 1] ?? 0) ^ 0xff;
    for (const bad of [Buffer.alloc(0), good.subarray(0, good.length >> 1), flipped, Buffer.from("hello")]) {
      writeFileSync(path, bad);
      expect(await verify()).toEqual(first);
      expect(readFileSync(path).equals(bad)).toBe(false);
    }
  });

  test("is not needed", async () => {
    const args = ["verify", "--key", "none.pub", "app:1"];
    expect(await run(node, [built, ...args], { cwd: folder.path, env: { ...env, HOME: "/nowhere" } })).toEqual(
      await verify(),
    );
  });
});

test("the licences of what is inside the bundle go with it", () => {
  const text = readFileSync(join(dist, "THIRD-PARTY-LICENSES.txt"), "utf8");
  for (const name of heavy) expect(text).toMatch(new RegExp(`^${name} \\d`, "m"));
});
