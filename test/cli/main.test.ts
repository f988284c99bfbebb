import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { run, tempDir } from "../support/process.ts";

// What only a process of its own can show.
const root = join(import.meta.dirname, "../..");
const node = join(root, "node_modules/.bin/node");
const main = join(root, "src/cli/main.ts");
const folder = tempDir("trust-main");
afterAll(() => folder.cleanup());

/** Nothing of the environment of the tests, which npm may have started. */
const env = { PATH: process.env["PATH"], HOME: folder.path };
const bare = Object.fromEntries(Object.keys(process.env).map((name) => [name, undefined]));
const trust = (args: readonly string[], more: Record<string, string> = {}) =>
  run(node, [main, ...args], { cwd: folder.path, env: { ...bare, ...env, ...more } });

describe("a process", () => {
  test("ends with the exit code, results on standard output and errors on standard error", async () => {
    expect(await trust(["--version"])).toEqual({
      code: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
      stderr: "",
    });
    const failed = await trust(["key", "public", "--key", "none.pub"]);
    expect(failed).toMatchObject({ code: 3, stdout: "" });
    expect(failed.stderr).toContain("KEY_NOT_FOUND");
  });

  test("writes the private key for its owner alone", async () => {
    expect(await trust(["key", "generate"], { TRUST_PASSWORD: "" })).toMatchObject({ code: 0, stderr: "" });
    expect(statSync(join(folder.path, "trust.key")).mode & 0o777).toBe(0o600);
    expect(readFileSync(join(folder.path, "trust.pub"), "utf8")).toContain("BEGIN PUBLIC KEY");
  });

  test("resolves paths where the user stood when npm has moved to the project", async () => {
    const other = join(folder.path, "other");
    mkdirSync(other);
    writeFileSync(join(other, "here.pub"), readFileSync(join(root, "test/fixtures/keys/cosign.pub")));
    const args = ["--prefix", root, "run", "-s", "trust", "--", "key", "public", "--key", "here.pub"];
    const result = await run("npm", args, { cwd: other, env: { ...bare, ...env } });
    expect(result).toMatchObject({ code: 0, stdout: expect.stringContaining("BEGIN PUBLIC KEY") });
  });

  test("does not let the npm script of another project move its paths", async () => {
    const npm = {
      INIT_CWD: "/",
      npm_lifecycle_event: "trust",
      npm_package_name: "other",
      npm_package_json: "/package.json",
    };
    writeFileSync(join(folder.path, "own.pub"), readFileSync(join(root, "test/fixtures/keys/cosign.pub")));
    expect(await trust(["key", "public", "--key", "own.pub"], npm)).toMatchObject({ code: 0 });
  });

  test("whose reader has gone ends quietly", async () => {
    const child = spawn(node, [main, "help"], { env: { ...bare, ...env }, stdio: ["ignore", "pipe", "pipe"] });
    child.stdout.destroy();
    let stderr = "";
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    const [code] = await once(child, "close");
    expect([0, 141]).toContain(code);
    expect(stderr).toBe("");
  });

  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("that waits for its standard input ends with the first %s, as %i", async (signal, expected) => {
    const args = [main, "login", "--username", "u", "--password-stdin", "127.0.0.1:1"];
    const child = spawn(node, args, { env: { ...bare, ...env }, stdio: ["pipe", "ignore", "ignore"] });
    child.stdin.on("error", () => {});
    // More than a pipe holds: when it is gone, it is being read.
    child.stdin.write(Buffer.alloc(256 * 1024), () => child.kill(signal));
    const [code] = await once(child, "exit");
    expect(code).toBe(expected);
  });

  test("asks for a password on a terminal without showing it", async () => {
    const command = `${node} ${main} key public --key ${join(root, "test/fixtures/keys/cosign.key")}`;
    const child = spawn("script", ["-qec", command, "/dev/null"], { env: { ...bare, ...env }, stdio: "pipe" });
    let shown = "";
    child.stdout.on("data", (chunk: Buffer) => {
      shown += chunk.toString();
      if (shown.endsWith("cosign.key: ")) child.stdin.write("test-password\r");
    });
    const [code] = await once(child, "close");
    expect(shown).toContain("Password of the key file");
    expect(shown).toContain("BEGIN PUBLIC KEY");
    expect(shown).not.toContain("test-password");
    expect(code).toBe(0);
  });
});

describe("a server", () => {
  test.each([
    ["node", [main]],
    ["npm", ["--prefix", root, "run", "-s", "trust", "--"]],
  ] as const)("started with %s says where it listens, and SIGTERM ends it with 0", async (program, start) => {
    const args = [...start, "registry", "serve", "--storage", join(folder.path, "storage"), "--listen", "127.0.0.1:0"];
    const child = spawn(program === "node" ? node : program, args, {
      env: { ...bare, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const lines: string[] = [];
    child.stderr.resume();
    child.stdout.on("data", (chunk: Buffer) => {
      lines.push(chunk.toString());
      child.kill("SIGTERM");
    });
    const [code] = await once(child, "close");
    expect(lines.join("")).toMatch(/^listening on http:\/\/127\.0\.0\.1:\d+\n$/);
    expect(code).toBe(0);
  });
});
