import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createHttpRegistry } from "../../src/oci/http-registry.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { runTrust } from "../support/cli.ts";
import { pushImage, tinyImage } from "../support/images.ts";
import { describePeers, type RunningRegistry, requirePeer, startDockerRegistry } from "../support/peers.ts";
import { run, tempDir } from "../support/process.ts";
import { type Claims, githubClaims, githubIssuer } from "../support/sigstore/claims.ts";
import { type Sigstore, startSigstore } from "../support/sigstore/index.ts";
import { pemOf } from "../support/x509.ts";

const alice = { email: "alice@example.com" };
const workflow = "https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main";

describePeers(["cosign2", "cosign3", "docker-registry"], "cosign against the Sigstore of the tests", () => {
  const folder = tempDir("sigstore");
  const file = (name: string) => join(folder.path, name);
  let registry: RunningRegistry;
  let sigstore: Sigstore;
  let images = 0;
  let env: Record<string, string>;

  const cosign = (version: 2 | 3, ...args: string[]) =>
    run(requirePeer(`cosign${version}`), args, { env, cwd: folder.path });
  /** What we say of what cosign signed. */
  const trust = (...args: string[]) =>
    runTrust(["verify", "--trusted-root", "root.json", ...args], { env, folder: folder.path });
  const newImage = async (): Promise<string> => {
    const image = `${registry.host}/stack/app${images++}:1`;
    const digest = await pushImage(createHttpRegistry({}), parseReference(image), tinyImage(image));
    return `${image.slice(0, -2)}@${digest}`;
  };
  const who = (identity: string, issuer: string) => [
    "--certificate-identity",
    identity,
    "--certificate-oidc-issuer",
    issuer,
  ];
  // By file: cosign 3 takes a token for a path first, and one of usual length is too long for it.
  const token = (claims: Claims) => {
    writeFileSync(file("token"), sigstore.identityToken(claims));
    return "token";
  };
  const signingConfig = (name: string, options: Parameters<Sigstore["signingConfig"]>[0]): string => {
    writeFileSync(file(name), JSON.stringify(sigstore.signingConfig(options)));
    return name;
  };

  beforeAll(async () => {
    registry = await startDockerRegistry({});
    sigstore = await startSigstore({ witnesses: 1 });
    const { world } = sigstore;
    writeFileSync(file("root.json"), JSON.stringify(sigstore.trustedRoot));
    writeFileSync(file("fulcio.pem"), pemOf(...world.fulcio.chain));
    writeFileSync(file("tsa.pem"), pemOf(world.timestamper, ...world.tsa.chain));
    for (const [name, { publicKey }] of Object.entries({ rekor: world.rekor.key, ctlog: world.ctlog }))
      writeFileSync(file(`${name}.pub`), publicKey.export({ type: "spki", format: "pem" }));
    env = {
      HOME: folder.path,
      DOCKER_CONFIG: folder.path,
      COSIGN_PASSWORD: "test-password",
      SIGSTORE_ROOT_FILE: file("fulcio.pem"),
      SIGSTORE_REKOR_PUBLIC_KEY: file("rekor.pub"),
      SIGSTORE_CT_LOG_PUBLIC_KEY_FILE: file("ctlog.pub"),
      SIGSTORE_TSA_CERTIFICATE_FILE: file("tsa.pem"),
    };
    const made = await cosign(3, "generate-key-pair", "--output-key-prefix", "own");
    expect(made).toMatchObject({ code: 0 });
  });
  afterAll(async () => {
    await sigstore?.stop();
    await registry?.stop();
    folder.cleanup();
  });

  it.each([
    ["an e-mail address", alice, "alice@example.com", undefined],
    ["a workflow", githubClaims(), workflow, githubIssuer],
  ])("cosign 2 signs keyless as %s and verifies it", async (_name, claims, identity, issuer) => {
    const image = await newImage();
    const { fulcio, rekor, issuer: own } = sigstore.urls;
    const services = ["--fulcio-url", fulcio, "--rekor-url", rekor, "--identity-token", token(claims)];
    expect(await cosign(2, "sign", "--yes", ...services, image)).toMatchObject({ code: 0 });
    expect(await cosign(2, "verify", ...who(identity, issuer ?? own), image)).toMatchObject({ code: 0 });
    expect(await cosign(2, "verify", ...who("mallory@example.com", own), image)).not.toMatchObject({ code: 0 });
    expect(await trust(...who(identity, issuer ?? own), image)).toMatchObject({ code: 0 });
    expect(await trust(...who("mallory@example.com", own), image)).toMatchObject({ code: 1 });
  });

  it("cosign 2 attests with a timestamp and a key in the log", async () => {
    const image = await newImage();
    writeFileSync(file("predicate.json"), "{}");
    const { fulcio, rekor, tsa, issuer } = sigstore.urls;
    const timestamps = ["--timestamp-server-url", `${tsa}/api/v1/timestamp`];
    const keyless = ["--fulcio-url", fulcio, "--rekor-url", rekor, "--identity-token", token(alice), ...timestamps];
    const predicate = ["--type", "custom", "--predicate", "predicate.json"];
    expect(await cosign(2, "attest", "--yes", ...keyless, ...predicate, image)).toMatchObject({ code: 0 });
    const chain = ["--timestamp-certificate-chain", "tsa.pem"];
    const verified = ["verify-attestation", "--type", "custom", ...who("alice@example.com", issuer), ...chain, image];
    expect(await cosign(2, ...verified)).toMatchObject({ code: 0 });
    const custom = ["--type", "custom", ...who("alice@example.com", issuer), image];
    expect(await trust(...custom)).toMatchObject({ code: 0 });
    const withKey = ["sign", "--yes", "--key", "own.key", "--rekor-url", rekor, ...timestamps, image];
    expect(await cosign(2, ...withKey)).toMatchObject({ code: 0 });
    expect(await cosign(2, "verify", "--key", "own.pub", ...chain, image)).toMatchObject({ code: 0 });
    expect(await trust("--key", "own.pub", image)).toMatchObject({ code: 0 });
  });

  it.each([
    ["Rekor v1", { logs: [1], timestamps: false }],
    ["Rekor v1 and a timestamp", { logs: [1], timestamps: true }],
    ["Rekor v2 and a timestamp", { logs: [2], timestamps: true }],
  ] as const)("cosign 3 signs keyless with %s and verifies it", async (_name, options) => {
    const image = await newImage();
    const config = signingConfig("keyless.json", options);
    const sign = ["--signing-config", config, "--trusted-root", "root.json", "--identity-token", token(alice)];
    expect(await cosign(3, "sign", "--yes", ...sign, image)).toMatchObject({ code: 0 });
    const verify = (identity: string) =>
      cosign(3, "verify", "--trusted-root", "root.json", ...who(identity, sigstore.urls.issuer), image);
    expect(await verify("alice@example.com")).toMatchObject({ code: 0 });
    expect(await verify("mallory@example.com")).not.toMatchObject({ code: 0 });
    const { issuer } = sigstore.urls;
    expect(await trust(...who("alice@example.com", issuer), image)).toMatchObject({ code: 0 });
    expect(await trust(...who("mallory@example.com", issuer), image)).toMatchObject({ code: 1 });
  });

  it.each([1, 2] as const)("cosign 3 logs a key in Rekor v%d and verifies it", async (version) => {
    const image = await newImage();
    const config = signingConfig("key.json", { logs: [version], timestamps: version === 1, keyless: false });
    const sign = ["--key", "own.key", "--signing-config", config, "--trusted-root", "root.json"];
    expect(await cosign(3, "sign", "--yes", ...sign, image)).toMatchObject({ code: 0 });
    const verified = await cosign(3, "verify", "--key", "own.pub", "--trusted-root", "root.json", image);
    expect(verified).toMatchObject({ code: 0 });
    expect(await trust("--key", "own.pub", image)).toMatchObject({ code: 0 });
  });

  it.each([
    ["Rekor v1", { logs: [1], timestamps: true }],
    ["Rekor v2", { logs: [2], timestamps: true }],
  ] as const)("cosign 3 signs a file and attests with %s", async (_name, options) => {
    const config = signingConfig("keyless.json", options);
    const sign = ["--signing-config", config, "--trusted-root", "root.json", "--identity-token", token(githubClaims())];
    const identity = who(workflow, githubIssuer);
    writeFileSync(file("data.txt"), `data for ${options.logs[0]}`);
    const blob = ["--bundle", "data.bundle.json", "data.txt"];
    expect(await cosign(3, "sign-blob", "--yes", ...sign, ...blob)).toMatchObject({ code: 0 });
    const root = ["--trusted-root", "root.json"];
    expect(await cosign(3, "verify-blob", ...root, ...identity, ...blob)).toMatchObject({ code: 0 });
    const image = await newImage();
    writeFileSync(file("predicate.json"), "{}");
    const predicate = ["--type", "custom", "--predicate", "predicate.json"];
    expect(await cosign(3, "attest", "--yes", ...sign, ...predicate, image)).toMatchObject({ code: 0 });
    const verified = await cosign(3, "verify-attestation", "--type", "custom", ...root, ...identity, image);
    expect(verified).toMatchObject({ code: 0 });
    expect(await trust("--type", "custom", ...identity, image)).toMatchObject({ code: 0 });
    expect(await trust("--type", "custom", "--github-repo", "acme/app", image)).toMatchObject({ code: 0 });
    expect(await trust("--type", "custom", "--github-repo", "acme/other", image)).toMatchObject({ code: 1 });
  });

  it("cosign 3 signs and verifies with what its TUF repository says, and so do we", async () => {
    const image = await newImage();
    writeFileSync(file("tuf-root.json"), sigstore.tuf.root);
    const home = { ...env, TUF_ROOT: file("tuf"), XDG_CONFIG_HOME: file("config") };
    const fresh = Object.fromEntries(Object.entries(home).filter(([name]) => !name.startsWith("SIGSTORE_")));
    const cosignByTuf = (...args: string[]) => run(requirePeer("cosign3"), args, { env: fresh, cwd: folder.path });
    const initialized = await cosignByTuf("initialize", "--mirror", sigstore.urls.tuf, "--root", "tuf-root.json");
    expect(initialized).toMatchObject({ code: 0 });
    const signed = await cosignByTuf("sign", "--yes", "--identity-token", token(alice), image);
    expect(signed).toMatchObject({ code: 0 });
    const identity = who("alice@example.com", sigstore.urls.issuer);
    expect(await cosignByTuf("verify", ...identity, image)).toMatchObject({ code: 0 });
    const mirror = ["--tuf-root", "tuf-root.json", "--mirror", sigstore.urls.tuf];
    const ours = { env: home, folder: folder.path };
    expect(await runTrust(["root", "add", "test-root", ...mirror], ours)).toMatchObject({ code: 0 });
    const verified = await runTrust(["verify", "--trusted-root", "test-root", ...identity, image], ours);
    expect(verified).toMatchObject({ code: 0 });
  });

  it("refuses a proof of possession by another key, and a token that it did not sign", async () => {
    const keyless = (identityToken: string) => ({
      method: "POST",
      headers: { authorization: `Bearer ${identityToken}` },
      body: JSON.stringify({
        publicKeyRequest: {
          publicKey: {
            algorithm: "ECDSA",
            content: sigstore.world.ctlog.publicKey.export({ type: "spki", format: "pem" }),
          },
          proofOfPossession: Buffer.from("not a proof").toString("base64"),
        },
      }),
    });
    const url = `${sigstore.urls.fulcio}/api/v2/signingCert`;
    expect(await fetch(url, keyless(sigstore.identityToken(alice)))).toMatchObject({ status: 400 });
    expect(await fetch(url, keyless(`${sigstore.identityToken(alice)}x`))).toMatchObject({ status: 401 });
  });
});
