import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openLayout } from "../../src/oci/layout.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { pushImage, tinyImage } from "../support/images.ts";
import { run, tempDir } from "../support/process.ts";
import { startSigstore } from "../support/sigstore/index.ts";
import { createTufRepository, writeRepository } from "../support/tuf-repository.ts";

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
const cleanEnv = { PATH: env.PATH, HOME: env.HOME, TRUST_PASSWORD: env.TRUST_PASSWORD };
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

const heavy = [
  "zod",
  "yaml",
  "fastify",
  "node-forge",
  "pino",
  "bcryptjs",
  "prom-client",
  "@noble/ciphers",
  "@sigstore/tuf",
  "@sigstore/sign",
];

describe("the whole job with nothing but the built files", () => {
  /** Starts a server and gives its URL; `stop` ends it and gives its exit code. */
  async function serve(...args: string[]) {
    const child = spawn(node, [built, ...args], { cwd: folder.path, env: cleanEnv, stdio: ["ignore", "pipe", "pipe"] });
    let log = "";
    child.stderr.on("data", (chunk: Buffer) => {
      log += chunk.toString();
    });
    const ended = once(child, "close").then(([code]) => code as number);
    const first = once(child.stdout, "data").then(([chunk]) => String(chunk));
    const line = await Promise.race([first, ended.then((code) => `ended with ${code}: ${log}`)]);
    const stop = () => {
      child.kill("SIGTERM");
      return ended;
    };
    return { url: /^listening on (\S+)\n$/.exec(line)?.[1] ?? line, stop };
  }

  test("a registry, a key, a signature, a verdict, a webhook", async () => {
    const registry = await serve("registry", "serve", "--storage", "storage", "--listen", "127.0.0.1:0");
    try {
      const host = new URL(registry.url).host;
      const layout = await openLayout(join(folder.path, "layout"), { create: true });
      await pushImage(layout, parseReference("layout/app:1"), tinyImage("build"));
      const image = `${host}/app:1`;
      for (const args of [
        ["push", "layout", image],
        ["key", "generate"],
        ["sign", "--key", "trust.key", "--format", "bundle", "--format", "cosign", image],
        ["verify", "--key", "trust.pub", image],
        ["audit", "registry", host, "--key", "trust.pub"],
      ])
        expect(await trust(...args), args.join(" ")).toMatchObject({ code: 0, stderr: "" });
      writeFileSync(
        join(folder.path, "policy.yaml"),
        "apiVersion: imagetrust.dev/v1alpha1\nkind: ClusterTrustPolicy\nmetadata: { name: p }\n" +
          'spec: { images: [{ glob: "**" }], authorities: [{ name: a, key: { file: trust.pub } }] }\n',
      );
      expect(await trust("verify", "--policy", "policy.yaml", image)).toMatchObject({ code: 0, stderr: "" });
      const args = ["--policy", "policy.yaml", "--cert-dir", "certs", "--listen", "127.0.0.1:0"];
      const webhook = await serve("webhook", "serve", ...args);
      expect(webhook.url).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
      expect(await webhook.stop()).toBe(0);
    } finally {
      expect(await registry.stop()).toBe(0);
    }
  });
});

test("an identity signs with it, by a certificate and a log", async () => {
  const sigstore = await startSigstore();
  const write = (name: string, content: object | string) =>
    writeFileSync(join(folder.path, name), typeof content === "string" ? content : JSON.stringify(content));
  write("keyless-root.json", sigstore.trustedRoot);
  write("keyless-config.json", sigstore.signingConfig());
  write("keyless-token", sigstore.identityToken());
  write("keyless.txt", "content");
  const services = ["--signing-config", "keyless-config.json", "--trusted-root", "keyless-root.json"];
  const sign = ["sign-blob", "--identity-token", "keyless-token", ...services, "--bundle", "keyless.json"];
  expect(await trust(...sign, "keyless.txt")).toMatchObject({ code: 0, stderr: "" });
  const who = ["--certificate-identity", "alice@example.com", "--certificate-oidc-issuer", sigstore.urls.issuer];
  const verify = ["verify-blob", "--bundle", "keyless.json", ...who, "--trusted-root", "keyless-root.json"];
  expect(await trust(...verify, "keyless.txt")).toMatchObject({ code: 0, stderr: "" });
  await sigstore.stop();
});

test("trust roots are part of it, and renewed by TUF", async () => {
  const repository = createTufRepository();
  repository.publish({
    "trusted_root.json": readFileSync(join(root, "test/fixtures/sigstore/trusted_root.json"), "utf8"),
  });
  const mirror = join(folder.path, "mirror");
  writeRepository(repository.files, mirror);
  writeFileSync(join(folder.path, "root.json"), repository.root);
  expect((await trust("root", "show")).stdout).toContain("https://rekor.sigstore.dev");
  const url = pathToFileURL(mirror).href;
  expect(await trust("root", "add", "lab", "--tuf-root", "root.json", "--mirror", url)).toMatchObject({ code: 0 });
  expect(await trust("root", "update", "lab")).toMatchObject({ code: 0, stderr: "" });
});

test("the library works where its dependencies are installed", async () => {
  const consumer = join(folder.path, "consumer");
  cpSync(dist, join(consumer, "dist"), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(consumer, "node_modules"));
  const program = `
    import { createHttpRegistry, createVerifier, defaultSettings } from "./dist/index.js";
    const policies = () => ({ policies: [], revision: "" });
    const verifier = createVerifier({ registry: createHttpRegistry(), policies, settings: defaultSettings, now: Date.now });
    console.log((await verifier.verify({ image: "nginx" })).status);`;
  const result = await run(node, ["--input-type=module", "-e", program], { cwd: consumer, env });
  expect(result).toEqual({ code: 0, stdout: "no-policy\n", stderr: "" });
});

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

  test.each([[["--version"]], [["root", "show"]], [["verify", "--key", "none.pub", "127.0.0.1:1/app:1"]]])(
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
