import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createHttpRegistry } from "../../src/oci/http-registry.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { runTrust } from "../support/cli.ts";
import { pushImage, tinyImage } from "../support/images.ts";
import { describePeers, type RunningRegistry, requirePeer, startDockerRegistry } from "../support/peers.ts";
import { run, tempDir } from "../support/process.ts";
import { type SigningConfigOptions, type Sigstore, startSigstore } from "../support/sigstore/index.ts";
import { type KeyPair, pemOf } from "../support/x509.ts";

const identity = "alice@example.com";
const password = "test-password";

/** What witnesses a signature: cosign 2 reads no entry of Rekor v2, and no bundle without one of Rekor v1. */
const witnesses: Readonly<Record<string, SigningConfigOptions>> = {
  "Rekor v1": { logs: [1], timestamps: false },
  "Rekor v1 and a timestamp": { logs: [1] },
  "Rekor v2 and a timestamp": { logs: [2] },
  "Rekor v1 and v2 and a timestamp": { logs: [1, 2], selector: "ALL" },
};

describePeers(["cosign2", "cosign3", "skopeo", "docker-registry"], "what we sign with an identity", () => {
  const folder = tempDir("interop-keyless");
  let sigstore: Sigstore;
  let registry: RunningRegistry;
  let env: Record<string, string>;
  let images = 0;

  const write = (name: string, content: string | object) =>
    writeFileSync(join(folder.path, name), typeof content === "string" ? content : JSON.stringify(content));
  const trust = (...args: string[]) => runTrust(args, { env, folder: folder.path });
  const cosign = (version: 2 | 3, ...args: string[]) =>
    run(requirePeer(`cosign${version}`), args, { env, cwd: folder.path });
  const newImage = async (): Promise<string> => {
    const image = `${registry.host}/interop/keyless${images++}:1`;
    await pushImage(createHttpRegistry({}), parseReference(image), tinyImage(image));
    return image;
  };
  const sign = (config: object, ...args: string[]) => {
    write("config.json", config);
    return trust(
      ...args,
      "--identity-token",
      "token",
      "--signing-config",
      "config.json",
      "--trusted-root",
      "root.json",
    );
  };
  const identified = (name = identity) => [
    "--certificate-identity",
    name,
    "--certificate-oidc-issuer",
    sigstore.urls.issuer,
  ];
  const byRoot = (name = identity) => ["--trusted-root", "root.json", ...identified(name)];
  /** cosign 2 reads bundles as attestations only. */
  const asAttestation = ["--new-bundle-format", "--type", "https://sigstore.dev/cosign/sign/v1"];

  beforeAll(async () => {
    sigstore = await startSigstore();
    registry = await startDockerRegistry({});
    const { world } = sigstore;
    write("root.json", sigstore.trustedRoot);
    write("token", sigstore.identityToken());
    const spki = (key: KeyPair) => key.publicKey.export({ type: "spki", format: "pem" }).toString();
    write("fulcio.pem", pemOf(...world.fulcio.chain));
    write("tsa.pem", pemOf(world.timestamper, ...world.tsa.chain));
    write("ct.pub", spki(world.ctlog));
    write("rekor.pub", spki(world.rekor.key));
    env = {
      HOME: folder.path,
      DOCKER_CONFIG: folder.path,
      COSIGN_PASSWORD: password,
      TRUST_PASSWORD: password,
      SIGSTORE_ROOT_FILE: join(folder.path, "fulcio.pem"),
      SIGSTORE_CT_LOG_PUBLIC_KEY_FILE: join(folder.path, "ct.pub"),
      SIGSTORE_REKOR_PUBLIC_KEY: join(folder.path, "rekor.pub"),
    };
  });
  afterAll(async () => {
    await registry?.stop();
    await sigstore?.stop();
    folder.cleanup();
  });

  describe.each(Object.entries(witnesses))("with %s", (_name, config) => {
    const hasV2 = config.logs?.includes(2) === true;

    it("is accepted by cosign 3 as a bundle, and by cosign 2 where it can read it", async () => {
      const image = await newImage();
      expect(await sign(sigstore.signingConfig(config), "sign", "-a", "env=prod", image)).toMatchObject({ code: 0 });
      expect(await cosign(3, "verify", ...byRoot(), "-a", "env=prod", image)).toMatchObject({ code: 0 });
      expect((await cosign(3, "verify", ...byRoot("eve@example.com"), image)).code).not.toBe(0);
      expect(await trust("verify", ...byRoot(), "-a", "env=prod", image)).toMatchObject({ code: 0 });
      expect(await trust("verify", ...byRoot("eve@example.com"), image)).toMatchObject({ code: 1 });
      if (hasV2) return;
      expect(await cosign(2, "verify-attestation", ...asAttestation, ...byRoot(), image)).toMatchObject({ code: 0 });
    });

    it("is accepted as an attestation and as a file", async () => {
      const image = await newImage();
      write("predicate.json", '{"tests":"passed"}');
      const type = ["--type", "https://example.com/tests/v1"];
      const attest = ["attest", ...type, "--predicate", "predicate.json", image];
      expect(await sign(sigstore.signingConfig(config), ...attest)).toMatchObject({ code: 0 });
      expect(await cosign(3, "verify-attestation", ...type, ...byRoot(), image)).toMatchObject({ code: 0 });
      expect(await trust("verify", ...type, ...byRoot(), image)).toMatchObject({ code: 0 });
      write("file.txt", `content ${images}`);
      const blob = ["sign-blob", "--force", "--bundle", "file.json", "file.txt"];
      expect(await sign(sigstore.signingConfig(config), ...blob)).toMatchObject({ code: 0 });
      const verifyBlob = ["verify-blob", "--bundle", "file.json", ...byRoot(), "file.txt"];
      expect(await cosign(3, ...verifyBlob)).toMatchObject({ code: 0 });
      expect(await trust(...verifyBlob)).toMatchObject({ code: 0 });
      if (!hasV2) expect(await cosign(2, ...verifyBlob, "--new-bundle-format")).toMatchObject({ code: 0 });
      write("file.txt", "other content");
      expect((await cosign(3, ...verifyBlob)).code).not.toBe(0);
    });

    it("is accepted with a key", async () => {
      await trust("key", "generate", "--output-prefix", "key", "--force");
      const image = await newImage();
      write("key-config.json", sigstore.signingConfig({ ...config, keyless: false }));
      const flags = ["--key", "key.key", "--signing-config", "key-config.json", "--trusted-root", "root.json"];
      expect(await trust("sign", ...flags, image)).toMatchObject({ code: 0 });
      const verify = ["--key", "key.pub", "--trusted-root", "root.json"];
      expect(await trust("verify", ...verify, image)).toMatchObject({ code: 0 });
      expect(await cosign(3, "verify", ...verify, image)).toMatchObject({ code: 0 });
      if (!hasV2)
        expect(await cosign(2, "verify-attestation", ...asAttestation, ...verify, image)).toMatchObject({ code: 0 });
    });
  });

  describe.each(Object.entries(witnesses).filter(([, { logs }]) => logs?.includes(2) !== true))(
    "under tags, with %s",
    (_name, config) => {
      const stamped = config.timestamps === false ? [] : ["--timestamp-certificate-chain", "tsa.pem"];

      it("is accepted by cosign 2, cosign 3 and skopeo", async () => {
        const image = await newImage();
        const signed = await sign(sigstore.signingConfig(config), "sign", "--format", "cosign", image);
        expect(signed).toMatchObject({ code: 0 });
        for (const version of [2, 3] as const) {
          expect(await cosign(version, "verify", ...identified(), ...stamped, image)).toMatchObject({ code: 0 });
          const stranger = await cosign(version, "verify", ...identified("eve@example.com"), ...stamped, image);
          expect(stranger.code).not.toBe(0);
        }
        expect(await trust("verify", ...byRoot(), image)).toMatchObject({ code: 0 });
        expect(await trust("verify", ...byRoot("eve@example.com"), image)).toMatchObject({ code: 1 });
        expect(await skopeoAccepts(image, identity)).toMatchObject({ code: 0 });
        expect((await skopeoAccepts(image, "eve@example.com")).code).not.toBe(0);
      });

      it("is accepted as an attestation by cosign 2", async () => {
        const image = await newImage();
        write("predicate.json", '{"tests":"passed"}');
        const type = ["--type", "https://example.com/tests/v1"];
        const attest = ["attest", ...type, "--predicate", "predicate.json", "--format", "cosign", image];
        expect(await sign(sigstore.signingConfig(config), ...attest)).toMatchObject({ code: 0 });
        const verify = ["verify-attestation", ...type, ...identified(), ...stamped, image];
        expect(await cosign(2, ...verify)).toMatchObject({ code: 0 });
        expect(await trust("verify", ...type, ...byRoot(), image)).toMatchObject({ code: 0 });
      });
    },
  );

  /** Copies the image under a policy that wants a signature for that address by this Sigstore. */
  const skopeoAccepts = async (image: string, subjectEmail: string) => {
    const fulcio = { caPath: join(folder.path, "fulcio.pem"), oidcIssuer: sigstore.urls.issuer, subjectEmail };
    const signedIdentity = { type: "matchRepository" };
    const rekorPublicKeyPath = join(folder.path, "rekor.pub");
    const requirement = { type: "sigstoreSigned", fulcio, rekorPublicKeyPath, signedIdentity };
    const repository = image.slice(0, image.lastIndexOf(":"));
    const policy = { default: [{ type: "reject" }], transports: { docker: { [repository]: [requirement] } } };
    write("policy.json", policy);
    const scratch = tempDir("registries-d");
    writeFileSync(join(scratch.path, "default.yaml"), "default-docker: { use-sigstore-attachments: true }\n");
    const args = ["--registries.d", scratch.path, "--policy", "policy.json", "copy", "--src-tls-verify=false"];
    const to = `dir:${join(scratch.path, "out")}`;
    const result = await run(requirePeer("skopeo"), [...args, `docker://${image}`, to], { env, cwd: folder.path });
    scratch.cleanup();
    return result;
  };
});
