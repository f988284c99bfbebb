import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { formatPublicKey, matchesSignature, parsePublicKey } from "../../src/crypto/public-key.ts";
import { generateKey, keyTypes } from "../../src/keys/import.ts";
import { loadPublicKeys, openSigner } from "../../src/keys/index.ts";
import { formatKeyFile } from "../../src/keys/keyfile.ts";
import { describePeers, requirePeer } from "../support/peers.ts";
import { type RunResult, run, tempDir } from "../support/process.ts";

const password = "correct horse";
let folder: ReturnType<typeof tempDir>;
beforeAll(() => {
  folder = tempDir("trust-keys-interop");
});
afterAll(() => folder.cleanup());

const at = (name: string) => join(folder.path, name);
const context = (secret: string) => ({ env: {}, resolvePath: at, password: async () => Buffer.from(secret) });
const message = Buffer.from("message");

function ok(result: RunResult): RunResult {
  expect(result, result.stderr).toMatchObject({ code: 0 });
  return result;
}

/** The two files are one key pair, and we can sign with it. */
async function expectPair(privateName: string, publicName: string, secret = password): Promise<void> {
  const signer = await openSigner(privateName, context(secret));
  const [publicKey] = await loadPublicKeys(publicName, context(secret));
  expect(signer.publicKey.keyId).toBe(publicKey?.keyId);
  expect(publicKey && (await matchesSignature(publicKey, message, await signer.sign(message)))).toBe(true);
}

describe.each(["cosign2", "cosign3"])("%s", (name) => {
  describePeers([name], "key files", () => {
    const cosign = (args: readonly string[], secret = password) =>
      run(requirePeer(name), args, { cwd: folder.path, env: { COSIGN_PASSWORD: secret, COSIGN_YES: "true" } });

    test.each([password, "", "pässwörd ☃"])("what it generates with the password %j, we sign with", async (secret) => {
      const prefix = `${name}-${secret.length}`;
      ok(await cosign(["generate-key-pair", "--output-key-prefix", prefix], secret));
      await expectPair(`${prefix}.key`, `${prefix}.pub`, secret);
    });

    test.each(keyTypes.map((type) => [type]))("what we generate as %s, it reads and signs with", async (type) => {
      const { privateKey, publicKey } = await generateKey(type);
      writeFileSync(at("ours.key"), await formatKeyFile(privateKey, Buffer.from(password)));
      writeFileSync(at("ours.pub"), formatPublicKey(publicKey));
      expect(parsePublicKey(ok(await cosign(["public-key", "--key", "ours.key"])).stdout).keyId).toBe(publicKey.keyId);

      writeFileSync(at("blob"), message);
      const offline = name === "cosign3" ? ["--use-signing-config=false", "--new-bundle-format=false"] : [];
      const output = ["--output-signature", "blob.sig"];
      ok(await cosign(["sign-blob", "--key", "ours.key", "--tlog-upload=false", ...offline, ...output, "blob"]));
      const signature = Buffer.from(readFileSync(at("blob.sig"), "utf8"), "base64");
      expect(await matchesSignature(publicKey, message, signature)).toBe(true);
    });

    test("does not open our key file with another password", async () => {
      const { privateKey } = await generateKey("ecdsa-p256");
      writeFileSync(at("ours.key"), await formatKeyFile(privateKey, Buffer.from(password)));
      expect((await cosign(["public-key", "--key", "ours.key"], "wrong")).code).not.toBe(0);
    });
  });
});

describePeers(["skopeo"], "skopeo key files", () => {
  const skopeo = (args: readonly string[]) =>
    run(requirePeer("skopeo"), ["--insecure-policy", ...args], { cwd: folder.path });

  test("what it generates, we sign with", async () => {
    writeFileSync(at("passphrase"), password);
    ok(await skopeo(["generate-sigstore-key", "--output-prefix", "theirs", "--passphrase-file", "passphrase"]));
    await expectPair("theirs.private", "theirs.pub");
  });

  test("it signs with what we generate", async () => {
    const { privateKey, publicKey } = await generateKey("ecdsa-p256");
    writeFileSync(at("ours.key"), await formatKeyFile(privateKey, Buffer.from(password)));
    writeFileSync(at("passphrase"), password);
    writeEmptyImage(at("image"));
    const key = ["--sign-by-sigstore-private-key", "ours.key", "--sign-passphrase-file", "passphrase"];
    ok(await skopeo(["copy", ...key, "--sign-identity", "example.com/app:1", "dir:image", "dir:signed"]));
    // github.com/containers/image signature/internal/signature.go: a NUL, the name of the format, a newline, JSON.
    const text = readFileSync(at("signed/signature-1"), "utf8");
    expect(text.startsWith("\0sigstore-json\n")).toBe(true);
    const { payload, annotations } = JSON.parse(text.slice(text.indexOf("\n")));
    const signature = Buffer.from(annotations["dev.cosignproject.cosign/signature"], "base64");
    expect(await matchesSignature(publicKey, Buffer.from(payload, "base64"), signature)).toBe(true);
  });
});

/** An image without layers in skopeo's `dir:` form. */
function writeEmptyImage(path: string): void {
  mkdirSync(path);
  const config = JSON.stringify({
    architecture: "amd64",
    os: "linux",
    config: {},
    rootfs: { type: "layers", diff_ids: [] },
  });
  const hex = createHash("sha256").update(config).digest("hex");
  const mediaType = "application/vnd.oci.image.config.v1+json";
  const manifest = {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: { mediaType, size: config.length, digest: `sha256:${hex}` },
    layers: [],
  };
  writeFileSync(join(path, "version"), "Directory Transport Version: 1.1\n");
  writeFileSync(join(path, "manifest.json"), JSON.stringify(manifest));
  writeFileSync(join(path, hex), config);
}
