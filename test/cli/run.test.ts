import { describe, expect, test } from "vitest";
import { runTrust } from "../support/cli.ts";

const folder = "/";

describe("help", () => {
  test("is a result when it is asked for, and an error's answer when nothing is", async () => {
    const asked = await runTrust(["help"], { folder });
    expect(asked).toMatchObject({ code: 0, stderr: "" });
    expect(asked.stdout).toContain("verify");
    expect(await runTrust(["--help"], { folder })).toEqual(asked);
    expect(await runTrust([], { folder })).toMatchObject({ code: 2, stdout: "", stderr: asked.stdout });
    const group = await runTrust(["key", "--help"], { folder });
    expect(group).toMatchObject({ code: 0, stderr: "" });
    expect(await runTrust(["help", "key"], { folder })).toEqual(group);
    expect(await runTrust(["key"], { folder })).toMatchObject({ code: 2, stdout: "", stderr: group.stdout });
  });

  test("of something unknown is a usage error", async () => {
    expect(await runTrust(["help", "frobnicate"], { folder })).toMatchObject({ code: 2, stdout: "" });
  });
});

describe("a command line", () => {
  test("may have the flags of every command before the command", async () => {
    const expected = await runTrust(["version", "--output", "jsonl", "-q"], { folder });
    expect(expected).toMatchObject({ code: 0 });
    for (const argv of [
      ["--output", "jsonl", "-q", "version"],
      ["--output=jsonl", "--quiet", "version"],
      ["-q", "-o", "jsonl", "version"],
      ["-ojsonl", "version", "-q"],
    ])
      expect(await runTrust(argv, { folder })).toEqual(expected);
  });

  test("with a flag that nobody knows before any command is a usage error", async () => {
    expect(await runTrust(["--frobnicate", "version"], { folder })).toMatchObject({ code: 2, stdout: "" });
  });

  test("that is interrupted ends with the code of the signal and says nothing more", async () => {
    for (const [reason, code] of [
      ["SIGINT", 130],
      ["SIGTERM", 143],
    ] as const) {
      const signal = AbortSignal.abort(reason);
      const result = await runTrust(["key", "public", "--key", "none"], { folder, signal });
      expect(result).toMatchObject({ code, stderr: "" });
    }
  });

  test("that fails has no stack trace, and its causes only when asked", async () => {
    const argv = ["key", "public", "--key", "none.pub"];
    const quiet = await runTrust(argv, { folder });
    expect(quiet.stderr).not.toMatch(/cause|^\s+at /m);
    const verbose = await runTrust([...argv, "--verbose"], { folder });
    expect(verbose.stderr).toMatch(/cause .*ENOENT/);
    expect(verbose.stderr).not.toMatch(/^\s+at /m);
  });

  test("has colours only where they are wanted, and never in JSON", async () => {
    const argv = ["key", "public", "--key", "none.pub"];
    expect((await runTrust(argv, { folder, colors: true })).stderr).toContain("\u001b[");
    expect((await runTrust(argv, { folder })).stderr).not.toContain("\u001b");
    expect((await runTrust([...argv, "-o", "json"], { folder, colors: true })).stderr).not.toContain("\u001b");
  });
});

test.each([["-o", "json"], ["-ojson"], ["-vo", "json"], ["--output=jsonl"]])(
  "errors are JSON where the output is, however the flag is written: %s",
  async (...flags) => {
    const { code, stderr } = await runTrust(["version", ...flags, "--no-such-flag"], { folder });
    expect(code).toBe(2);
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: "USAGE" } });
  },
);
