import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createHttpRegistry } from "../../src/oci/http-registry.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { runTrust } from "../support/cli.ts";
import { pushImage, tinyImage } from "../support/images.ts";
import { describePeers, type RunningRegistry, requirePeer, startDockerRegistry } from "../support/peers.ts";
import { run, tempDir } from "../support/process.ts";

describePeers(["skopeo", "docker-registry"], "names inside signatures, both ways with containers/image", () => {
  const folder = tempDir("identity");
  const env = { TRUST_PASSWORD: "p", HOME: folder.path, DOCKER_CONFIG: folder.path };
  let registry: RunningRegistry;
  let images = 0;

  const trust = (...args: string[]) => runTrust(args, { env, folder: folder.path });
  const skopeo = (...args: string[]) => run(requirePeer("skopeo"), args, { env, cwd: folder.path });
  const newImage = async () => {
    const image = `${registry.host}/identity/app${images++}:1`;
    const digest = await pushImage(createHttpRegistry({}), parseReference(image), tinyImage(image));
    return { tagged: image, pinned: `${image.slice(0, -2)}@${digest}` };
  };
  /** Pulls under a policy with the default `signedIdentity`, matchRepoDigestOrExact. */
  const skopeoAccepts = async (image: string) => {
    const requirement = { type: "sigstoreSigned", keyPath: join(folder.path, "own.pub") };
    const policy = { default: [{ type: "reject" }], transports: { docker: { [registry.host]: [requirement] } } };
    writeFileSync(join(folder.path, "policy.json"), JSON.stringify(policy));
    const out = tempDir("pulled");
    const source = ["--src-tls-verify=false", `docker://${image}`, `dir:${join(out.path, "out")}`];
    const { code } = await skopeo("--registries.d", "registries.d", "--policy", "policy.json", "copy", ...source);
    out.cleanup();
    return code === 0;
  };
  const policyFile = (signedIdentity: string) => {
    const name = `${signedIdentity}.yaml`;
    writeFileSync(
      join(folder.path, name),
      `apiVersion: imagetrust.dev/v1alpha1
kind: ClusterTrustPolicy
metadata: { name: identity }
spec:
  images: [{ glob: "**" }]
  signedIdentity: ${signedIdentity}
  authorities: [{ name: own, key: { file: own.pub } }]
`,
    );
    return name;
  };

  beforeAll(async () => {
    registry = await startDockerRegistry();
    expect((await trust("key", "generate", "--output-prefix", "own")).code).toBe(0);
    mkdirSync(join(folder.path, "registries.d"));
    const attachments = "default-docker: { use-sigstore-attachments: true }\n";
    writeFileSync(join(folder.path, "registries.d", "default.yaml"), attachments);
    writeFileSync(join(folder.path, "passphrase"), "p");
  });
  afterAll(async () => {
    await registry?.stop();
    folder.cleanup();
  });

  it("ours pass the default policy with --identity, by tag and by digest, and only then", async () => {
    const { tagged, pinned } = await newImage();
    expect((await trust("sign", "--key", "own.key", "--format", "cosign", tagged)).code).toBe(0);
    expect(await skopeoAccepts(tagged)).toBe(false);
    expect(await skopeoAccepts(pinned)).toBe(false);
    expect((await trust("sign", "--key", "own.key", "--format", "cosign", "--identity", tagged, tagged)).code).toBe(0);
    expect(await skopeoAccepts(tagged)).toBe(true);
    expect(await skopeoAccepts(pinned)).toBe(true);
  });

  it("ours with expiry and bound tag are read as well", async () => {
    const { tagged } = await newImage();
    const flags = ["--format", "cosign", "--identity", tagged, "--expires", "30d", "--bind-tag"];
    expect((await trust("sign", "--key", "own.key", ...flags, tagged)).code).toBe(0);
    expect(await skopeoAccepts(tagged)).toBe(true);
    for (const wanted of ["any", "repository", "exact"])
      expect((await trust("verify", "--policy", policyFile(wanted), tagged)).code).toBe(0);
  });

  it("what skopeo signs verifies here, by its name too", async () => {
    const { tagged } = await newImage();
    const signed = tagged.replace("/identity/", "/signed/");
    const { code, stderr } = await skopeo(
      ...["--insecure-policy", "--registries.d", "registries.d", "copy", "--src-tls-verify=false"],
      ...["--dest-tls-verify=false", "--sign-by-sigstore-private-key", "own.key"],
      ...["--sign-passphrase-file", "passphrase", `docker://${tagged}`, `docker://${signed}`],
    );
    expect(code, stderr).toBe(0);
    expect((await trust("verify", "--key", "own.pub", signed)).code).toBe(0);
    for (const wanted of ["any", "repository", "exact"])
      expect((await trust("verify", "--policy", policyFile(wanted), signed)).code).toBe(0);
    const other = signed.replace(/:1$/, ":2");
    const renamed = await skopeo(
      "--insecure-policy",
      "copy",
      "--src-tls-verify=false",
      "--dest-tls-verify=false",
      `docker://${signed}`,
      `docker://${other}`,
    );
    expect(renamed.code).toBe(0);
    expect((await trust("verify", "--policy", policyFile("repository"), other)).code).toBe(0);
    expect((await trust("verify", "--policy", policyFile("exact"), other)).code).toBe(1);
  });
});
