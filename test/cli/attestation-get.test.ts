import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runTrust } from "../support/cli.ts";
import { tempDir } from "../support/process.ts";
import { openStage, type Stage } from "../support/stage.ts";

let stage: Stage;
const folder = tempDir("attestation-get");
const env = { TRUST_PASSWORD: "secret", HOME: folder.path };
const trust = (...args: string[]) => runTrust(args, { env, folder: folder.path });

beforeAll(async () => {
  stage = await openStage();
  for (const name of ["ci", "other"])
    expect(await trust("key", "generate", "--output-prefix", name)).toMatchObject({ code: 0 });
});
afterAll(async () => {
  await stage.close();
  folder.cleanup();
});

/** Attests by key `name` to a scan that says when it was made; the bytes of the predicate. */
async function attest(image: string, name: string, finished: string, format = "bundle"): Promise<string> {
  const predicate = `{ "scanner": {"uri": "x"},\n "metadata": {"scanFinishedOn": "${finished}"} }`;
  writeFileSync(join(folder.path, "scan.json"), predicate);
  const flags = ["--key", `${name}.key`, "--type", "vuln", "--predicate", "scan.json", "--format", format];
  expect(await trust("attest", ...flags, image)).toMatchObject({ code: 0 });
  return predicate;
}

describe.each(["bundle", "cosign"])("trust attestation get, form %s", (format) => {
  it("prints the newest by what was signed, whatever the order of writing, and all when asked", async () => {
    const { text: image } = await stage.newImage(`get-${format}:1`);
    const middle = await attest(image, "ci", "2026-02-01T00:00:00Z", format);
    const newest = await attest(image, "ci", "2026-03-01T00:00:00Z", format);
    const oldest = await attest(image, "ci", "2026-01-01T00:00:00Z", format);
    await attest(image, "other", "2027-01-01T00:00:00Z", format);
    const get = ["attestation", "get", "--key", "ci.pub", "--type", "vuln"];
    expect(await trust(...get, image)).toMatchObject({ code: 0, stdout: `${newest}\n` });
    expect((await trust(...get, "--all", image)).stdout).toBe(`${newest}\n${middle}\n${oldest}\n`);
  });

  it("prints nothing of an attestation that nobody trusted signed", async () => {
    const { text: image } = await stage.newImage(`foreign-${format}:1`);
    await attest(image, "other", "2027-01-01T00:00:00Z", format);
    const got = await trust("attestation", "get", "--key", "ci.pub", "--type", "vuln", image);
    expect(got).toMatchObject({ code: 1, stdout: "" });
    expect(got.stderr).toContain("NO_ATTESTATION");
  });
});
