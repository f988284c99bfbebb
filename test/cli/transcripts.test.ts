import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { runTrust } from "../support/cli.ts";
import { tempDir } from "../support/process.ts";
import { alignLines, parseTranscript } from "../support/transcript.ts";

const scripts = join(import.meta.dirname, "scripts");
const fixtures = join(import.meta.dirname, "../fixtures");
const folders: ReturnType<typeof tempDir>[] = [];
afterAll(() => {
  for (const folder of folders) folder.cleanup();
});

describe.each(readdirSync(scripts))("the transcript %s", (name) => {
  const folder = tempDir("trust-cli");
  folders.push(folder);
  const values = { WORK: folder.path, FIXTURES: fixtures };
  const steps = parseTranscript(readFileSync(join(scripts, name), "utf8"), values);

  // One after the other: each step builds on those before.
  test.each(steps.map((step) => [`${name}:${step.line} ${step.words.join(" ")}`, step] as const))(
    "%s",
    async (_, step) => {
      const [program, ...args] = step.words;
      expect(program).toBe("trust");
      const { code, stdout, stderr } = await runTrust(args, { env: step.env, folder: folder.path });
      expect(alignLines(stderr, step.stderr), stdout).toEqual(step.stderr);
      expect(alignLines(stdout, step.stdout)).toEqual(step.stdout);
      expect(code).toBe(step.code);
    },
  );
});
