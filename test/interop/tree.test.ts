import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createHttpRegistry } from "../../src/oci/http-registry.ts";
import { parseReference } from "../../src/oci/reference.ts";
import type { ImageTree, TreeItem } from "../../src/tree.ts";
import { runTrust } from "../support/cli.ts";
import { pushImage, tinyImage } from "../support/images.ts";
import { describePeers, requirePeer, startDockerRegistry } from "../support/peers.ts";
import { run, tempDir } from "../support/process.ts";

const password = "test-password";

describePeers(["cosign2", "cosign3", "oras", "docker-registry"], "the tree of what real tools attach", () => {
  const folder = tempDir("interop-tree");
  const env = { TRUST_PASSWORD: password, COSIGN_PASSWORD: password, HOME: folder.path, DOCKER_CONFIG: folder.path };
  const client = createHttpRegistry();
  let registry: { host: string; stop(): Promise<void> };
  let image = "";

  const trust = (...args: string[]) => runTrust(args, { env, folder: folder.path });
  async function peer(name: string, more: Readonly<Record<string, string>>, ...args: string[]) {
    const ended = await run(requirePeer(name), args, { env: { ...env, ...more }, cwd: folder.path });
    expect(ended.code, ended.stderr).toBe(0);
  }
  async function treeOf(...flags: string[]): Promise<ImageTree> {
    const { code, stdout, stderr } = await trust("tree", ...flags, "--output", "json", image);
    expect(code, stderr).toBe(0);
    const [tree] = JSON.parse(stdout) as ImageTree[];
    if (tree === undefined) throw new Error("no tree");
    return tree;
  }
  const lines = (items: readonly TreeItem[]) =>
    items.map(({ kind, place, judgement }) => `${kind} ${place} ${judgement.state}`).sort();

  beforeAll(async () => {
    registry = await startDockerRegistry({});
    const repository = `${registry.host}/tree/app`;
    const digest = await pushImage(client, parseReference(`${repository}:1`), tinyImage(repository));
    image = `${repository}@${digest}`;
    for (const name of ["own", "other"]) await trust("key", "generate", "--output-prefix", name);
    writeFileSync(join(folder.path, "predicate.json"), '{"built":"here"}');
    writeFileSync(join(folder.path, "sbom.json"), '{"spdxVersion":"SPDX-2.3"}');
    const signing = (key: string) => ["--key", `${key}.key`, "--tlog-upload=false", "--yes"];
    const attesting = ["--predicate", "predicate.json", "--type", "https://example.com/built/v1"];
    await peer("cosign2", {}, "sign", ...signing("own"), image);
    await peer("cosign2", {}, "sign", ...signing("other"), image);
    await peer("cosign3", {}, "sign", "--use-signing-config=false", ...signing("own"), image);
    await peer("cosign2", {}, "attest", ...signing("own"), ...attesting, image);
    await peer("cosign3", {}, "attest", "--use-signing-config=false", ...signing("own"), ...attesting, image);
    await peer(
      "cosign2",
      {},
      "attach",
      "sbom",
      "--sbom",
      "sbom.json",
      "--type",
      "spdx",
      "--input-format",
      "json",
      image,
    );
    const experimental = { COSIGN_EXPERIMENTAL: "1" };
    await peer("cosign2", experimental, "sign", "--registry-referrers-mode", "oci-1-1", ...signing("own"), image);
    await peer(
      "oras",
      {},
      "attach",
      "--plain-http",
      "--artifact-type",
      "application/vnd.example.scan",
      image,
      "sbom.json",
    );
  }, 120_000);
  afterAll(async () => {
    client.close();
    await registry?.stop();
    folder.cleanup();
  });

  it("has every shape, each once, and judges each", async () => {
    const tree = await treeOf("--key", "own.pub");
    expect(tree.complete).toBe(true);
    expect(lines(tree.attached)).toEqual([
      "attestation att-tag valid",
      "attestation fallback-tag valid",
      "other fallback-tag unsigned",
      "sbom sbom-tag unsigned",
      "signature fallback-tag valid",
      // cosign 2 takes along what is under the .sig tag, there as much as here.
      "signature oci-1-1 untrusted",
      "signature oci-1-1 valid",
      "signature sig-tag untrusted",
      "signature sig-tag valid",
    ]);
  });

  it("is as much a tree without trust, and after it was saved into a layout", async () => {
    const tree = await treeOf();
    expect(new Set(tree.attached.filter(({ isSigned }) => isSigned).map(({ judgement }) => judgement.state))).toEqual(
      new Set(["not-judged"]),
    );
    expect((await trust("save", image, "saved")).code).toBe(0);
    const { stdout } = await trust("tree", "--key", "own.pub", "--output", "jsonl", "oci-layout:saved");
    const { attached } = JSON.parse(stdout) as ImageTree;
    expect(attached.map(({ digest }) => digest).sort()).toEqual(tree.attached.map(({ digest }) => digest).sort());
  });

  it("can be looked into: each artifact by the digest of its manifest and of its blob", async () => {
    for (const { digest, evidence, kind } of (await treeOf()).attached) {
      const repository = image.replace(/@.*/, "");
      for (const each of evidence === undefined ? [digest] : [digest, evidence]) {
        const { code, stdout, stderr } = await trust("inspect", "--output", "json", `${repository}@${each}`);
        expect(code, `${kind} ${stderr}`).toBe(0);
        expect(JSON.parse(stdout)).toMatchObject([{ digest: each }]);
      }
    }
  });
});
