import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { runTrust } from "../support/cli.ts";
import { describePeers, requirePeer } from "../support/peers.ts";
import { run, tempDir } from "../support/process.ts";
import { keyKinds, newPrivateKey } from "../support/signers.ts";

const password = "test-password";

describePeers(["cosign2", "cosign3"], "signed files both ways", () => {
  const folder = tempDir("interop-blob");
  const env = { TRUST_PASSWORD: password, COSIGN_PASSWORD: password, HOME: folder.path };
  const trust = (...args: string[]) => runTrust(args, { env, folder: folder.path });
  const cosign = (version: 2 | 3, ...args: string[]) =>
    run(requirePeer(`cosign${version}`), args, { env, cwd: folder.path });

  beforeAll(async () => {
    writeFileSync(join(folder.path, "file"), "some content\n");
    writeFileSync(join(folder.path, "other"), "other content\n");
    writeFileSync(
      join(folder.path, "root.json"),
      '{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}',
    );
    for (const kind of keyKinds) {
      const pem = newPrivateKey(kind).export({ type: "pkcs8", format: "pem" });
      writeFileSync(join(folder.path, `${kind}.pem`), pem);
      const imported = await trust("key", "import", "--key", `${kind}.pem`, "--output-prefix", kind);
      expect(imported, imported.stderr).toMatchObject({ code: 0 });
    }
  });
  afterAll(() => folder.cleanup());

  it.each(keyKinds)("ours by a key of kind %s are accepted", async (kind) => {
    const bundle = `ours-${kind}.json`;
    expect(await trust("sign-blob", "--key", `${kind}.key`, "--bundle", bundle, "file")).toMatchObject({ code: 0 });
    const bare = await trust("sign-blob", "--key", `${kind}.key`, "file");
    writeFileSync(join(folder.path, `ours-${kind}.sig`), bare.stdout);
    const key = ["--key", `${kind}.pub`, "--insecure-ignore-tlog"];
    const two = await cosign(
      2,
      "verify-blob",
      ...key,
      "--new-bundle-format",
      "--trusted-root",
      "root.json",
      "--bundle",
      bundle,
      "file",
    );
    expect(two, two.stderr).toMatchObject({ code: 0 });
    const three = await cosign(3, "verify-blob", ...key, "--bundle", bundle, "file");
    expect(three, three.stderr).toMatchObject({ code: 0 });
    expect((await cosign(3, "verify-blob", ...key, "--bundle", bundle, "other")).code).not.toBe(0);
    const old = await cosign(2, "verify-blob", ...key, "--signature", `ours-${kind}.sig`, "file");
    expect(old, old.stderr).toMatchObject({ code: 0 });
  });

  it.each(keyKinds)("those of cosign by a key of kind %s are accepted, for their file alone", async (kind) => {
    const flags = ["--key", `${kind}.key`, "--tlog-upload=false", "--yes"];
    const made = [
      await cosign(
        2,
        "sign-blob",
        ...flags,
        "--bundle",
        `two-${kind}.json`,
        "--output-signature",
        `two-${kind}.sig`,
        "file",
      ),
      await cosign(2, "sign-blob", ...flags, "--new-bundle-format", "--bundle", `two-new-${kind}.json`, "file"),
      await cosign(3, "sign-blob", ...flags, "--use-signing-config=false", "--bundle", `three-${kind}.json`, "file"),
    ];
    for (const result of made) expect(result, result.stderr).toMatchObject({ code: 0 });
    const claims = [
      ["--bundle", `two-${kind}.json`],
      ["--signature", `two-${kind}.sig`],
      ["--bundle", `two-new-${kind}.json`],
      ["--bundle", `three-${kind}.json`],
    ];
    for (const claim of claims) {
      const verified = await trust("verify-blob", "--key", `${kind}.pub`, ...claim, "file");
      expect(verified, `${claim.join(" ")}: ${verified.stderr}`).toMatchObject({ code: 0 });
      expect(await trust("verify-blob", "--key", `${kind}.pub`, ...claim, "other")).toMatchObject({ code: 1 });
      const stranger = kind === "rsa" ? "p256.pub" : "rsa.pub";
      expect(await trust("verify-blob", "--key", stranger, ...claim, "file")).toMatchObject({ code: 1 });
    }
  });
});
