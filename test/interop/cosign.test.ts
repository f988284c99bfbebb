import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createHttpRegistry } from "../../src/oci/http-registry.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { startRegistry } from "../../src/registry/server.ts";
import { runTrust } from "../support/cli.ts";
import { pushImage, tinyImage } from "../support/images.ts";
import { describePeers, requirePeer, startDockerRegistry } from "../support/peers.ts";
import { run, tempDir } from "../support/process.ts";

const password = "test-password";

/** Registries with and without the referrers API. */
const registries = {
  "docker-registry 2.8.3, fallback tags": async (_folder: string) => startDockerRegistry({}),
  "the built-in registry, referrers API": async (folder: string) => {
    const server = await startRegistry({ storage: join(folder, "registry"), listen: "127.0.0.1:0" });
    return { host: new URL(server.url).host, stop: () => server.close() };
  },
};

describePeers(["cosign2", "cosign3", "skopeo", "docker-registry"], "signatures both ways", () => {
  describe.each(Object.entries(registries))("over %s", (_name, start) => {
    const folder = tempDir("interop");
    const env = { TRUST_PASSWORD: password, COSIGN_PASSWORD: password, HOME: folder.path, DOCKER_CONFIG: folder.path };
    let registry: { host: string; stop(): Promise<void> };
    let images = 0;

    const trust = (...args: string[]) => runTrust(args, { env, folder: folder.path });
    const cosign = (version: 2 | 3, ...args: string[]) =>
      run(requirePeer(`cosign${version}`), args, { env, cwd: folder.path });
    const newImage = async (): Promise<string> => {
      const image = `${registry.host}/interop/app${images++}:1`;
      const digest = await pushImage(createHttpRegistry({}), parseReference(image), tinyImage(image));
      return `${image.slice(0, -2)}@${digest}`;
    };
    const cosignSigns = (version: 2 | 3, image: string, ...more: string[]) =>
      cosign(
        version,
        "sign",
        "--key",
        "own.key",
        "--tlog-upload=false",
        ...(version === 3 ? ["--use-signing-config=false"] : []),
        "--yes",
        ...more,
        image,
      );
    const cosignVerifies = (version: 2 | 3, key: string, image: string, ...more: string[]) =>
      cosign(version, "verify", "--key", key, "--insecure-ignore-tlog", ...more, image);
    /** cosign 2 reads bundles as attestations only. */
    const cosign2ReadsBundle = (key: string, image: string) =>
      cosign(
        2,
        "verify-attestation",
        "--new-bundle-format",
        "--trusted-root",
        "empty-root.json",
        "--key",
        key,
        "--insecure-ignore-tlog",
        "--type",
        "https://sigstore.dev/cosign/sign/v1",
        image,
      );

    beforeAll(async () => {
      registry = await start(folder.path);
      writeFileSync(
        join(folder.path, "empty-root.json"),
        '{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}',
      );
      for (const name of ["own", "other"])
        expect((await trust("key", "generate", "--output-prefix", name)).code).toBe(0);
    });
    afterAll(async () => {
      await registry?.stop();
      folder.cleanup();
    });

    it("our bundle is accepted by cosign 3, and by cosign 2 as far as it reads bundles", async () => {
      const image = await newImage();
      const signed = await trust("sign", "--key", "own.key", "-a", "env=prod", image);
      expect(signed).toMatchObject({ code: 0 });
      expect(await cosignVerifies(3, "own.pub", image)).toMatchObject({ code: 0 });
      expect(await cosignVerifies(3, "own.pub", image, "-a", "env=prod")).toMatchObject({ code: 0 });
      expect((await cosignVerifies(3, "own.pub", image, "-a", "env=test")).code).not.toBe(0);
      expect((await cosignVerifies(3, "other.pub", image)).code).not.toBe(0);
      expect(await cosign2ReadsBundle("own.pub", image)).toMatchObject({ code: 0 });
      expect((await cosign2ReadsBundle("other.pub", image)).code).not.toBe(0);
    });

    it("our .sig signature is accepted by cosign 2, cosign 3 and skopeo", async () => {
      const image = await newImage();
      expect(await trust("sign", "--key", "own.key", "--format", "cosign", "-a", "env=prod", image)).toMatchObject({
        code: 0,
      });
      for (const version of [2, 3] as const) {
        expect(await cosignVerifies(version, "own.pub", image, "-a", "env=prod")).toMatchObject({ code: 0 });
        expect((await cosignVerifies(version, "other.pub", image)).code).not.toBe(0);
      }
      expect(await skopeoAccepts(image, "own.pub")).toMatchObject({ code: 0 });
      expect((await skopeoAccepts(image, "other.pub")).code).not.toBe(0);
    });

    /** Copies the image under a policy that wants a signature by that key for its repository. */
    const skopeoAccepts = async (image: string, key: string) => {
      const repository = image.slice(0, image.indexOf("@"));
      const requirement = {
        type: "sigstoreSigned",
        keyPath: join(folder.path, key),
        signedIdentity: { type: "matchRepository" },
      };
      const policy = { default: [{ type: "reject" }], transports: { docker: { [repository]: [requirement] } } };
      writeFileSync(join(folder.path, "policy.json"), JSON.stringify(policy));
      const attachments = tempDir("registries-d");
      writeFileSync(join(attachments.path, "default.yaml"), "default-docker: { use-sigstore-attachments: true }\n");
      const args = [
        "--registries.d",
        attachments.path,
        "--policy",
        "policy.json",
        "copy",
        "--src-tls-verify=false",
        `docker://${image}`,
        `dir:${join(attachments.path, "out")}`,
      ];
      const result = await run(requirePeer("skopeo"), args, { env, cwd: folder.path });
      attachments.cleanup();
      return result;
    };

    it.each([2, 3] as const)("what cosign %i signs is accepted, and only under its key", async (version) => {
      const image = await newImage();
      expect(await cosignSigns(version, image, "-a", "foo=bar")).toMatchObject({ code: 0 });
      expect(await trust("verify", "--key", "own.pub", image)).toMatchObject({ code: 0 });
      expect(await trust("verify", "--key", "own.pub", "-a", "foo=bar", image)).toMatchObject({ code: 0 });
      expect(await trust("verify", "--key", "own.pub", "-a", "foo=baz", image)).toMatchObject({ code: 1 });
      const refused = await trust("verify", "--key", "other.pub", "--output", "json", image);
      expect(refused.code).toBe(1);
      expect(JSON.parse(refused.stdout)).toMatchObject([{ outcome: "deny", status: "untrusted" }]);
      expect(refused.stdout).toContain("SIGNER_NOT_TRUSTED");
    });

    it("signatures of cosign 2, cosign 3 and ours, in both forms, stand side by side for every reader", async () => {
      const image = await newImage();
      expect(await cosignSigns(2, image)).toMatchObject({ code: 0 });
      expect(await cosignSigns(3, image)).toMatchObject({ code: 0 });
      expect(
        await trust("sign", "--key", "other.key", "--format", "bundle", "--format", "cosign", image),
      ).toMatchObject({ code: 0 });
      for (const key of ["own.pub", "other.pub"]) {
        expect(await trust("verify", "--key", key, image)).toMatchObject({ code: 0 });
        expect(await cosignVerifies(2, key, image)).toMatchObject({ code: 0 });
        expect(await cosignVerifies(3, key, image)).toMatchObject({ code: 0 });
      }
    });

    it("an attestation by the right key is no signature", async () => {
      const image = await newImage();
      writeFileSync(join(folder.path, "predicate.json"), "{}");
      const attested = await cosign(
        3,
        "attest",
        "--key",
        "own.key",
        "--tlog-upload=false",
        "--use-signing-config=false",
        "--yes",
        "--predicate",
        "predicate.json",
        "--type",
        "https://example.com/x/v1",
        image,
      );
      expect(attested).toMatchObject({ code: 0 });
      const refused = await trust("verify", "--key", "own.pub", "--output", "json", image);
      expect(refused.code).toBe(1);
      expect(refused.stdout).toContain("NOT_A_SIGNATURE");
    });

    it.each(["bundle", "cosign"])(
      "sixteen signers at once leave sixteen signatures (%s)",
      { timeout: 300_000 },
      async (format) => {
        const image = await newImage();
        const node = process.execPath;
        const main = join(import.meta.dirname, "../../src/cli/main.ts");
        const signers = Array.from({ length: 16 }, (_, i) => `signer-${format}-${i}`);
        for (const name of signers) expect((await trust("key", "generate", "--output-prefix", name)).code).toBe(0);
        const results = await Promise.all(
          signers.map((name) =>
            run(node, [main, "sign", "--key", `${name}.key`, "--format", format, image], {
              env,
              cwd: folder.path,
              timeoutMs: 120_000,
            }),
          ),
        );
        expect(
          results.map(({ code, stdout, stderr }) => (code === 0 ? "signed" : `${code} ${stdout}${stderr}`)),
        ).toEqual(signers.map(() => "signed"));
        for (const name of signers)
          expect(await trust("verify", "--key", `${name}.pub`, image)).toMatchObject({ code: 0 });
        expect(await cosignVerifies(format === "bundle" ? 3 : 2, `${signers[0]}.pub`, image)).toMatchObject({
          code: 0,
        });
      },
    );
  });
});
