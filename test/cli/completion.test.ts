import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { completionNodes } from "../../src/cli/completion/nodes.ts";
import { commandTable } from "../../src/cli/table.ts";
import { runTrust } from "../support/cli.ts";
import { tempDir } from "../support/process.ts";

const folder = tempDir("trust-completion");
afterAll(() => folder.cleanup());

const script = async (shell: string) => (await runTrust(["completion", shell], { folder: "/" })).stdout;

describe("in bash", () => {
  const path = join(folder.path, "trust.bash");
  beforeAll(async () => writeFileSync(path, await script("bash")));

  /** What bash offers for the last word. */
  function offered(...words: string[]): string[] {
    const program = `
      source "$1"; shift
      COMP_WORDS=(trust "$@"); COMP_CWORD=$#
      _trust
      printf '%s\\n' "\${COMPREPLY[@]}"`;
    const out = execFileSync("bash", ["-uc", program, "bash", path, ...words], { cwd: folder.path, encoding: "utf8" });
    return out.split("\n").filter((line) => line !== "");
  }

  test("offers commands, groups and what is in them", () => {
    expect(offered("")).toEqual(expect.arrayContaining(["sign", "verify", "key", "registry", "help"]));
    expect(offered("si")).toEqual(["sign", "sign-blob"]);
    expect(offered("key", "")).toEqual(["generate", "import", "public"]);
    expect(offered("registry", "user", "")).toEqual(["add", "remove"]);
    expect(offered("help", "key", "g")).toEqual(["generate"]);
  });

  test("offers the flags of the command, also after other flags and values", () => {
    expect(offered("sign", "--expect")).toEqual(["--expect-digest"]);
    expect(offered("sign", "--key", "a.key", "--dry")).toEqual(["--dry-run"]);
    expect(offered("key", "generate", "--typ")).toEqual(["--type"]);
    expect(offered("version", "--type")).toEqual([]);
  });

  test("offers the values of flags and arguments", () => {
    expect(offered("sign", "--format", "")).toEqual(["bundle", "cosign"]);
    expect(offered("verify", "--no-match", "d")).toEqual(["deny"]);
    expect(offered("verify", "-o", "js")).toEqual(["json", "jsonl"]);
    expect(offered("verify", "--output", "=", "js")).toEqual(["json", "jsonl"]);
    expect(offered("verify", "--output", "=")).toEqual(["table", "json", "jsonl"]);
    expect(offered("completion", "")).toEqual(["bash", "zsh", "fish"]);
  });

  test("offers files where a file is wanted", () => {
    writeFileSync(join(folder.path, "release.key"), "");
    expect(offered("sign", "--key", "rel")).toEqual(["release.key"]);
    expect(offered("sign", "-k", "rel")).toEqual(["release.key"]);
    expect(offered("sign", "--expect-digest", "rel")).toEqual([]);
    expect(offered("verify", "--policy", "")).toEqual(expect.arrayContaining(["release.key", "cluster"]));
    expect(offered("policy", "diff", "clu")).toEqual(["cluster"]);
  });
});

describe.each(["bash", "zsh", "fish"])("the script for %s", (shell) => {
  test("knows every command and every flag", async () => {
    const text = await script(shell);
    for (const { path, options } of await completionNodes()) {
      expect(text).toContain(path);
      for (const { long } of options) expect(text).toContain(shell === "fish" ? `-l ${long}` : `--${long}`);
    }
  });
});

test("every command can be completed", async () => {
  const paths = (await completionNodes()).map(({ path }) => path);
  expect(paths).toEqual(expect.arrayContaining(Object.keys(commandTable)));
});
