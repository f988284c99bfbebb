import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openLayout } from "../../src/oci/layout.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { userAdd } from "../../src/registry/htpasswd.ts";
import { type RunningRegistry, startRegistry } from "../../src/registry/server.ts";
import { runTrust } from "../support/cli.ts";
import { pushImage, tinyImage } from "../support/images.ts";
import { tempDir } from "../support/process.ts";
import { alignLines, filesOf, fill, parseTranscript } from "../support/transcript.ts";

const scripts = join(import.meta.dirname, "scripts");
const fixtures = join(import.meta.dirname, "../fixtures");

// What transcripts find: a registry, and a layout with one image in $WORK/layout.
const image = tinyImage("transcripts");
let registry: RunningRegistry;
/** One that knows a single user: alice, password secret. */
let closed: RunningRegistry;
const storage = tempDir("trust-cli-registry");
beforeAll(async () => {
  registry = await startRegistry({ storage: join(storage.path, "open"), listen: "127.0.0.1:0" });
  const users = join(storage.path, "users");
  await userAdd(users, "alice", "secret");
  closed = await startRegistry({ storage: join(storage.path, "closed"), listen: "127.0.0.1:0", users });
});
afterAll(async () => {
  await registry.close();
  await closed.close();
  storage.cleanup();
});

describe.each(readdirSync(scripts))("the transcript %s", (name) => {
  const folder = tempDir("trust-cli");
  const text = readFileSync(join(scripts, name), "utf8");
  const steps = parseTranscript(text);
  const values: Record<string, string> = { WORK: folder.path, FIXTURES: fixtures, DIGEST: image.descriptor.digest };
  beforeAll(async () => {
    // A repository of its own for each transcript.
    values["REGISTRY"] = `${new URL(registry.url).host}/${name.replace(/\W/g, "-")}`;
    values["CLOSED"] = new URL(closed.url).host;
    values["HOST"] = new URL(registry.url).host;
    const layout = await openLayout(join(folder.path, "layout"), { create: true });
    await pushImage(layout, parseReference("layout/app:1"), image);
    for (const { name: file, content } of filesOf(text)) writeFileSync(join(folder.path, file), fill(content, values));
  });
  afterAll(() => folder.cleanup());

  // One after the other: each step builds on those before.
  test.each(steps.map((step) => [`${name}:${step.line} ${step.command}`, step] as const))("%s", async (_, step) => {
    const { program, args, env, stdin, stdout, stderr, code } = step.with(values);
    expect(program).toBe("trust");
    const result = await runTrust(args, { env: { HOME: folder.path, ...env }, folder: folder.path, stdin });
    expect(alignLines(result.stderr, stderr), result.stdout).toEqual(stderr);
    expect(alignLines(result.stdout, stdout)).toEqual(stdout);
    expect(result.code).toBe(code);
  });
});
