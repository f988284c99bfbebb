import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { formats } from "../src/formats/index.ts";
import { signImage } from "../src/sign.ts";
import { runTrust } from "./support/cli.ts";
import { tempDir } from "./support/process.ts";
import { newSigner } from "./support/signers.ts";
import { openStage, type Stage } from "./support/stage.ts";

let stage: Stage;
const folder = tempDir("freeze");
beforeAll(async () => {
  stage = await openStage();
});
afterAll(async () => {
  await stage.close();
  folder.cleanup();
});

it("a rotation: the old key is frozen and revoked, what it signed before stays, what it signs after does not", async () => {
  const trust = async (...args: string[]) => {
    const env = { TRUST_PASSWORD: "p", HOME: folder.path };
    const result = await runTrust(args, { env, folder: folder.path });
    return { ...result, json: () => JSON.parse(result.stdout) as Record<string, unknown>[] };
  };
  for (const name of ["old", "new"]) expect((await trust("key", "generate", "--output-prefix", name)).code).toBe(0);
  const names = ["team/before:1", "team/before:2", "team/after:1", "team/renewed:1", "team/foreign:1"];
  const [before, same, after, renewed, foreign] = await Promise.all(
    names.map(async (name) => (await stage.newImage(name, name.split(":")[0])).text),
  );
  expect((await trust("sign", "--key", "old.key", "--format", "bundle", "--format", "cosign", `${before}`)).code).toBe(
    0,
  );
  const ref = (await stage.newImage("team/foreign:1", "team/foreign")).ref;
  await signImage(stage.registry, { image: ref, signer: newSigner(), formats, now: stage.clock.now });

  const frozen = await trust("policy", "freeze", "--key", "old.pub", "--registry", `${stage.host}/team`);
  expect(frozen.code).toBe(0);
  expect(frozen.stdout).toMatch(/^frozen:\n {2}# \S+team\/before:1\n( {2}- sha256:[0-9a-f]{64}\n){2}$/);
  const listed = await trust("policy", "freeze", "--key", "old.pub", "--output", "json", `${same}`, `${foreign}`);
  expect(listed.json()).toMatchObject([
    { image: same, signatures: [expect.any(String), expect.any(String)] },
    { image: foreign, signatures: [] },
  ]);
  expect((await trust("policy", "freeze", "--key", "old.pub")).code).toBe(2);

  const indented = frozen.stdout.replace(/^/gm, "        ").trimEnd();
  writeFileSync(
    join(folder.path, "policy.yaml"),
    `apiVersion: imagetrust.dev/v1alpha1
kind: ClusterTrustPolicy
metadata: { name: rotation }
spec:
  images: [{ glob: "**" }]
  authorities:
    - name: old
      owner: release
      key:
        file: old.pub
        revoked: { at: 2026-01-01T00:00:00Z, reason: rotated }
${indented}
    - name: new
      owner: release
      key: { file: new.pub }
`,
  );
  expect((await trust("sign", "--key", "old.key", `${after}`)).code).toBe(0);
  expect((await trust("sign", "--key", "new.key", `${renewed}`)).code).toBe(0);
  const verdicts = await trust(
    "verify",
    "--policy",
    "policy.yaml",
    "--output",
    "json",
    `${before}`,
    `${same}`,
    `${after}`,
    `${renewed}`,
  );
  expect(verdicts.json().map(({ outcome }) => outcome)).toEqual(["allow", "allow", "deny", "allow"]);
  expect(JSON.stringify(verdicts.json()[2])).toContain("KEY_REVOKED");
});
