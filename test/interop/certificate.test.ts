import { createPrivateKey } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { formatKeyFile } from "../../src/keys/keyfile.ts";
import { createHttpRegistry } from "../../src/oci/http-registry.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { runTrust } from "../support/cli.ts";
import { pushImage, tinyImage } from "../support/images.ts";
import { describePeers, type RunningRegistry, requirePeer, startDockerRegistry } from "../support/peers.ts";
import { run, tempDir } from "../support/process.ts";
import {
  ecKey,
  email,
  extension,
  type Issued,
  issueAuthority,
  issueLeaf,
  pemOf,
  rsaKey,
  san,
} from "../support/x509.ts";

const identity = "signer@example.com";
const issuer = "https://issuer.example.com";
const password = "test-password";

describePeers(["cosign2", "cosign3", "skopeo", "docker-registry"], "our signatures with a certificate", () => {
  const folder = tempDir("interop-certificate");
  const env = { TRUST_PASSWORD: password, COSIGN_PASSWORD: password, HOME: folder.path, DOCKER_CONFIG: folder.path };
  let registry: RunningRegistry;
  let images = 0;

  const trust = (...args: string[]) => runTrust(args, { env, folder: folder.path });
  const cosign = (version: 2 | 3, ...args: string[]) =>
    run(requirePeer(`cosign${version}`), args, { env, cwd: folder.path });
  const write = (name: string, content: string) => writeFileSync(join(folder.path, name), content);
  const newImage = async (): Promise<string> => {
    const image = `${registry.host}/interop/certified${images++}:1`;
    await pushImage(createHttpRegistry({}), parseReference(image), tinyImage(image));
    return image;
  };
  const identified = ["--certificate-identity", identity, "--certificate-oidc-issuer", issuer];
  const ownPki = ["--insecure-ignore-tlog", "--insecure-ignore-sct"];

  /** A root, an intermediate, and a certificate that cosign reads an issuer in, for a key in a file. */
  const issuePki = async (name: string, key = ecKey()) => {
    const notBefore = Date.now() - 3_600_000;
    const validity = { notBefore, notAfter: notBefore + 86_400_000 };
    const root = issueAuthority(`${name} root`, validity);
    const intermediate = issueAuthority(`${name} intermediate`, { ...validity, issuer: root });
    // Not DER, as Fulcio has it.
    const oidcIssuer = extension("1.3.6.1.4.1.57264.1.1", Buffer.from(issuer));
    const names = [san([email(identity)]), oidcIssuer];
    const leaf = issueLeaf(intermediate, { ...validity, key, subject: name, extensions: names });
    const pem = key.privateKey.export({ type: "pkcs8", format: "pem" });
    write(`${name}.key`, await formatKeyFile(createPrivateKey(pem), Buffer.from(password)));
    write(`${name}.crt`, pemOf(leaf));
    write(`${name}.chain.crt`, pemOf(intermediate, root));
    write(`${name}.root.crt`, pemOf(root));
    write(`${name}.root.json`, trustedRoot(intermediate, root, notBefore));
    return ["--key", `${name}.key`, "--cert", `${name}.crt`, "--cert-chain", `${name}.chain.crt`];
  };

  const trustedRoot = (intermediate: Issued, root: Issued, start: number) =>
    JSON.stringify({
      mediaType: "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
      certificateAuthorities: [
        {
          subject: { organization: "test", commonName: "test" },
          uri: "https://ca.example.com",
          certChain: {
            certificates: [intermediate, root].map(({ der }) => ({ rawBytes: der.toString("base64") })),
          },
          validFor: { start: new Date(start).toISOString() },
        },
      ],
    });

  const skopeoAccepts = async (image: string, name: string, subjectEmail = identity) => {
    const pki = { caRootsPath: join(folder.path, `${name}.root.crt`), subjectEmail };
    const requirement = { type: "sigstoreSigned", pki, signedIdentity: { type: "matchRepository" } };
    const repository = image.slice(0, image.lastIndexOf(":"));
    const policy = { default: [{ type: "reject" }], transports: { docker: { [repository]: [requirement] } } };
    write("policy.json", JSON.stringify(policy));
    const scratch = tempDir("registries-d");
    writeFileSync(join(scratch.path, "default.yaml"), "default-docker: { use-sigstore-attachments: true }\n");
    const args = ["--registries.d", scratch.path, "--policy", "policy.json", "copy", "--src-tls-verify=false"];
    const to = `dir:${join(scratch.path, "out")}`;
    const result = await run(requirePeer("skopeo"), [...args, `docker://${image}`, to], { env, cwd: folder.path });
    scratch.cleanup();
    return result;
  };

  beforeAll(async () => {
    registry = await startDockerRegistry({});
  });
  afterAll(async () => {
    await registry?.stop();
    folder.cleanup();
  });

  it.each([
    ["ec", ecKey()],
    ["rsa", rsaKey()],
  ] as const)("under .sig are accepted by cosign 2, cosign 3 and skopeo (%s)", async (name, key) => {
    const flags = await issuePki(name, key);
    await issuePki(`${name}-other`);
    const image = await newImage();
    expect(await trust("sign", ...flags, "--format", "cosign", image)).toMatchObject({ code: 0 });
    for (const version of [2, 3] as const) {
      const verify = (chain: string, ...who: string[]) =>
        cosign(version, "verify", "--certificate-chain", chain, ...who, ...ownPki, image);
      expect(await verify(`${name}.chain.crt`, ...identified)).toMatchObject({ code: 0 });
      expect((await verify(`${name}-other.chain.crt`, ...identified)).code).not.toBe(0);
    }
    const ours = (who: string) =>
      trust("verify", "--ca-roots", `${name}.root.crt`, "--certificate-identity", who, image);
    expect(await ours(identity)).toMatchObject({ code: 0 });
    expect(await ours("somebody@example.com")).toMatchObject({ code: 1 });
    expect(await skopeoAccepts(image, name)).toMatchObject({ code: 0 });
    expect((await skopeoAccepts(image, `${name}-other`)).code).not.toBe(0);
    expect((await skopeoAccepts(image, name, "somebody@example.com")).code).not.toBe(0);
  });

  it("as bundles are accepted by cosign 3, and by cosign 2 as far as it reads bundles", async () => {
    const flags = await issuePki("bundle");
    await issuePki("stranger");
    const image = await newImage();
    expect(await trust("sign", ...flags, image)).toMatchObject({ code: 0 });
    const verify = (root: string) => cosign(3, "verify", "--trusted-root", root, ...identified, ...ownPki, image);
    expect(await verify("bundle.root.json")).toMatchObject({ code: 0 });
    expect((await verify("stranger.root.json")).code).not.toBe(0);
    // A bundle holds the certificate of the signer alone.
    const ours = (name: string) => {
      const roots = ["--ca-roots", `${name}.root.crt`, "--ca-intermediates", `${name}.chain.crt`];
      return trust("verify", ...roots, "--certificate-identity", identity, image);
    };
    expect(await ours("bundle")).toMatchObject({ code: 0 });
    expect(await ours("stranger")).toMatchObject({ code: 1 });
  });

  it("of statements are accepted in both forms", async () => {
    const flags = await issuePki("attested");
    write("predicate.json", '{"tests":"passed"}');
    const attest = (image: string, ...more: string[]) =>
      trust(
        "attest",
        ...flags,
        "--type",
        "https://example.com/tests/v1",
        "--predicate",
        "predicate.json",
        ...more,
        image,
      );
    const type = ["--type", "https://example.com/tests/v1"];
    const [bundled, tagged] = [await newImage(), await newImage()];
    expect(await attest(bundled)).toMatchObject({ code: 0 });
    expect(await attest(tagged, "--format", "cosign")).toMatchObject({ code: 0 });
    const byRoot = ["--trusted-root", "attested.root.json", ...identified, ...ownPki];
    expect(await cosign(3, "verify-attestation", ...type, ...byRoot, bundled)).toMatchObject({ code: 0 });
    const byChain = ["--certificate-chain", "attested.chain.crt", ...identified, ...ownPki];
    for (const version of [2, 3] as const)
      expect(await cosign(version, "verify-attestation", ...type, ...byChain, tagged)).toMatchObject({ code: 0 });
  });

  it("of files are accepted by cosign 3", async () => {
    const flags = await issuePki("blob");
    write("blob.txt", "content");
    expect(await trust("sign-blob", ...flags, "--bundle", "blob.json", "blob.txt")).toMatchObject({ code: 0 });
    const verify = (file: string) =>
      cosign(
        3,
        "verify-blob",
        "--bundle",
        "blob.json",
        "--trusted-root",
        "blob.root.json",
        ...identified,
        ...ownPki,
        file,
      );
    expect(await verify("blob.txt")).toMatchObject({ code: 0 });
    write("other.txt", "other content");
    expect((await verify("other.txt")).code).not.toBe(0);
  });
});
