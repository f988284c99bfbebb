import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { runTrust } from "../support/cli.ts";
import { tempDir } from "../support/process.ts";
import { openStage, type Stage } from "../support/stage.ts";

let stage: Stage;
const folder = tempDir("freshness");
beforeAll(async () => {
  stage = await openStage();
  writeFileSync(
    join(folder.path, "fresh.yaml"),
    `apiVersion: imagetrust.dev/v1alpha1
kind: ClusterTrustPolicy
metadata: { name: fresh }
spec:
  images: [{ glob: "**" }]
  authorities: [{ name: release, key: { file: trust.pub } }]
  freshness: { maxAge: 30d, tagBinding: required }
`,
  );
});
afterAll(async () => {
  await stage.close();
  folder.cleanup();
});

const trust = (...args: string[]) =>
  runTrust(args, { env: { TRUST_PASSWORD: "p", HOME: folder.path }, folder: folder.path });
const sign = (...args: string[]) => trust("sign", "--key", "trust.key", ...args);
const verify = (...args: string[]) => trust("verify", "--policy", "fresh.yaml", "--state", "state.json", ...args);

it("a signature that binds its tag and expires is refreshed, and what was seen is remembered between runs", async () => {
  expect((await trust("key", "generate")).code).toBe(0);
  const old = await stage.newImage("app:stable", "old");
  expect((await sign(old.text)).code).toBe(0);
  expect((await verify(old.text)).stdout).toContain("SIGNATURE_TOO_OLD");
  expect((await sign("--expires", "9d", "--bind-tag", "--format", "bundle", "--format", "cosign", old.text)).code).toBe(
    0,
  );
  expect((await verify(old.text)).stdout).toMatch(/signed by release \(key [0-9a-f]{16}, until \d{4}-/);
  expect((await trust("verify", "--key", "trust.pub", old.text)).code).toBe(0);

  const refresh = (...more: string[]) => trust("refresh", "--key", "trust.key", "--output", "json", ...more);
  const dry = await refresh("--dry-run", "--expires", "30d", old.text);
  expect(JSON.parse(dry.stdout)).toMatchObject([{ dryRun: true, signatures: [{}, {}] }]);
  const first = await refresh("--expires", "30d", "--registry", `${stage.host}/app`);
  expect(JSON.parse(first.stdout)).toMatchObject([{ image: old.text, digest: old.digest, signatures: [{}, {}] }]);
  const second = await refresh(old.text);
  expect(JSON.parse(second.stdout)).toMatchObject([{ signatures: [], fresh: 2 }]);

  const young = await stage.newImage("app:stable", "young");
  expect((await sign("--bind-tag", young.text)).code).toBe(0);
  expect((await verify(young.text)).code).toBe(0);
  await stage.newImage("app:stable", "old");
  const refused = await verify(old.text);
  expect([refused.code, refused.stdout]).toEqual([1, expect.stringContaining("ROLLBACK")]);
  expect((await trust("verify", "--policy", "fresh.yaml", old.text)).code).toBe(0);
});

it.each([
  ["an expiry that is none", ["--expires", "soon"], 2],
  ["an expiry at once", ["--expires", "0"], 2],
  ["an annotation of ours by hand", ["-a", "dev.imagetrust.tag=1"], 2],
  ["a name that is none", ["--format", "cosign", "--identity", "No Name"], 2],
  ["a name without a place for it", ["--identity", "app:1"], 2],
  ["one platform and all of them", ["--recursive", "--platform", "linux/amd64"], 2],
  ["a platform that is none", ["--platform", "linux"], 2],
])("%s is refused before anything is signed", async (_name, flags, code) => {
  const { text } = await stage.newImage("bad:1");
  stage.requests.length = 0;
  expect((await sign(...flags, text)).code).toBe(code);
});

it("a tag is needed to bind one", async () => {
  const { text, digest } = await stage.newImage("bad:1");
  expect((await sign("--bind-tag", `${text.replace(/:1$/, "")}@${digest}`)).code).toBe(2);
  expect((await trust("refresh", "--key", "trust.key")).code).toBe(2);
});

it("a state that is something else is not forgotten", async () => {
  const { text } = await stage.newImage("bad:1");
  expect((await trust("verify", "--key", "trust.pub", "--state", "fresh.yaml", text)).code).toBe(3);
});
