import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createHttpRegistry } from "../../src/oci/http-registry.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { runTrust } from "../support/cli.ts";
import { pushIndex, pushPlatforms } from "../support/index-images.ts";
import { describePeers, type RunningRegistry, requirePeer, startDockerRegistry } from "../support/peers.ts";
import { run, tempDir } from "../support/process.ts";

const platforms = ["linux/amd64", "linux/arm64", "unknown/unknown"];

describePeers(["cosign2", "cosign3", "skopeo", "docker-registry"], "images for several platforms, both ways", () => {
  const folder = tempDir("platforms");
  const env = { TRUST_PASSWORD: "p", COSIGN_PASSWORD: "p", HOME: folder.path, DOCKER_CONFIG: folder.path };
  let registry: RunningRegistry;
  let images = 0;

  const trust = (...args: string[]) => runTrust(args, { env, folder: folder.path });
  const cosign = (version: 2 | 3, ...args: string[]) =>
    run(requirePeer(`cosign${version}`), args, { env, cwd: folder.path });
  const newIndex = async () => {
    const tagged = `${registry.host}/platforms/app${images++}:1`;
    const ref = parseReference(tagged);
    const client = createHttpRegistry({});
    const entries = await pushPlatforms(client, ref, tagged, platforms);
    const index = await pushIndex(client, ref, entries);
    const at = (digest: string) => `${tagged.slice(0, -2)}@${digest}`;
    return { tagged, all: [index, ...Object.values(entries)].map(({ digest }) => at(digest)) };
  };

  beforeAll(async () => {
    registry = await startDockerRegistry();
    expect((await trust("key", "generate", "--output-prefix", "own")).code).toBe(0);
    mkdirSync(join(folder.path, "registries.d"));
    const attachments = "default-docker: { use-sigstore-attachments: true }\n";
    writeFileSync(join(folder.path, "registries.d", "default.yaml"), attachments);
    const requirement = { type: "sigstoreSigned", keyPath: join(folder.path, "own.pub") };
    const policy = { default: [{ type: "reject" }], transports: { docker: { [registry.host]: [requirement] } } };
    writeFileSync(join(folder.path, "policy.json"), JSON.stringify(policy));
    writeFileSync(
      join(folder.path, "each.yaml"),
      `apiVersion: imagetrust.dev/v1alpha1
kind: ClusterTrustPolicy
metadata: { name: each }
spec:
  images: [{ glob: "**" }]
  platforms: each
  authorities: [{ name: own, key: { file: own.pub } }]
`,
    );
  });
  afterAll(async () => {
    await registry?.stop();
    folder.cleanup();
  });

  it.each([2, 3] as const)(
    "what cosign %i signs recursively is accepted as a tree, and on each platform",
    async (version) => {
      const { tagged } = await newIndex();
      const flags = ["--tlog-upload=false", ...(version === 3 ? ["--use-signing-config=false"] : []), "--yes"];
      const signed = await cosign(version, "sign", "-r", "--key", "own.key", ...flags, tagged);
      expect(signed).toMatchObject({ code: 0 });
      const verified = await trust("verify", "--key", "own.pub", "--recursive", "--output", "json", tagged);
      expect(verified.code, verified.stdout).toBe(0);
      expect(JSON.parse(verified.stdout)).toMatchObject([
        { children: [{ platform: "linux/amd64" }, { platform: "linux/arm64" }] },
      ]);
      expect((await trust("verify", "--policy", "each.yaml", tagged)).code).toBe(0);
      expect((await trust("verify", "--key", "own.pub", "--platform", "linux/arm64", tagged)).code).toBe(0);
    },
  );

  it("what we sign recursively is accepted by cosign on every digest, attestation manifests too", async () => {
    const { tagged, all } = await newIndex();
    const signed = await trust("sign", "--key", "own.key", "--format", "bundle", "--format", "cosign", "-r", tagged);
    expect(signed.code, signed.stderr).toBe(0);
    for (const image of all)
      for (const version of [2, 3] as const) {
        const verified = await cosign(version, "verify", "--key", "own.pub", "--insecure-ignore-tlog", image);
        expect(verified).toMatchObject({ code: 0 });
      }
  });

  it("what we sign for the index alone is refused by skopeo, and with --recursive accepted, one platform or all", async () => {
    const { tagged } = await newIndex();
    const pull = async (...flags: string[]) => {
      const out = tempDir("pulled");
      const source = ["--src-tls-verify=false", `docker://${tagged}`, `dir:${join(out.path, "out")}`];
      const head = ["--override-os", "linux", "--override-arch", "amd64", "--registries.d", "registries.d"];
      const args = [...head, "--policy", "policy.json", "copy", ...flags, ...source];
      const { code } = await run(requirePeer("skopeo"), args, { env, cwd: folder.path });
      out.cleanup();
      return code === 0;
    };
    const sign = (...flags: string[]) =>
      trust("sign", "--key", "own.key", "--format", "cosign", "--identity", tagged, ...flags, tagged);
    expect((await sign()).code).toBe(0);
    expect([await pull(), await pull("--all")]).toEqual([false, false]);
    expect((await sign("--platform", "linux/amd64")).code).toBe(0);
    expect([await pull(), await pull("--all")]).toEqual([true, false]);
    expect((await sign("--recursive")).code).toBe(0);
    expect([await pull(), await pull("--all")]).toEqual([true, true]);
  });
});
