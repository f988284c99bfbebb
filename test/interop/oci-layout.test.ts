import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createHttpRegistry, type HttpRegistry } from "../../src/oci/http-registry.ts";
import { openLayout, openLayoutTar } from "../../src/oci/layout.ts";
import { parseManifest } from "../../src/oci/manifest.ts";
import { parseReference, parseRepository, referrersTag } from "../../src/oci/reference.ts";
import { attachReferrer } from "../../src/oci/referrers.ts";
import { makeImage, makeReferrer, push } from "../oci/artifacts.ts";
import { describePeers, type RunningRegistry, requirePeer, startDockerRegistry } from "../support/peers.ts";
import { run, tempDir } from "../support/process.ts";

const image = makeImage("one");

describePeers(["docker-registry", "skopeo", "oras", "crane", "cosign2", "cosign3"], "layouts and archives", () => {
  let running: RunningRegistry;
  let registry: HttpRegistry;
  const folder = tempDir("oci-layout");
  const at = (file: string) => join(folder.path, file);
  const ref = () => `${running.host}/app:v1`;

  async function peer(name: string, args: readonly string[], env: Record<string, string> = {}) {
    const result = await run(requirePeer(name), args, { cwd: folder.path, env });
    expect(result, result.stderr).toMatchObject({ code: 0 });
    return result.stdout;
  }

  beforeAll(async () => {
    running = await startDockerRegistry();
    registry = createHttpRegistry();
    const app = parseRepository(`${running.host}/app`);
    await push(registry, app, image, "v1");
    const referrer = makeReferrer(image.descriptor, "signer");
    await push(registry, app, referrer);
    await attachReferrer(registry, app, referrer, image.descriptor.digest);
  });
  afterAll(async () => {
    registry.close();
    await running.stop();
    folder.cleanup();
  });

  test("of skopeo are read, the folder and the archive", async () => {
    for (const [transport, file] of [
      ["oci", "sk"],
      ["oci-archive", "sk.tar"],
    ] as const) {
      await peer("skopeo", [
        "--insecure-policy",
        "copy",
        "--preserve-digests",
        "--src-tls-verify=false",
        `docker://${ref()}`,
        `${transport}:${file}:v1`,
      ]);
      const layout = transport === "oci" ? await openLayout(at(file)) : await openLayoutTar(at(file));
      expect((await layout.resolve(parseReference(ref()))).digest).toBe(image.descriptor.digest);
      await layout.close();
    }
  });

  test("of oras are read with their referrers", async () => {
    await peer("oras", ["copy", "-r", "--from-plain-http", "--to-oci-layout", ref(), "or:v1"]);
    const layout = await openLayout(at("or"));
    const { descriptors } = await layout.listReferrers(parseReference(ref()), image.descriptor.digest, 20);
    expect(descriptors.map(({ artifactType }) => artifactType)).toEqual(["application/vnd.test.signature"]);
  });

  test("of crane, which have no names, are read", async () => {
    await peer("crane", ["pull", "--format=oci", ref(), "cr"]);
    const layout = await openLayout(at("cr"));
    expect((await layout.resolve(parseReference(ref()))).digest).toBe(image.descriptor.digest);
    expect(await layout.images()).toHaveLength(1);
  });

  test("of cosign save have their signatures where a verifier looks", async () => {
    const env = { COSIGN_PASSWORD: "x" };
    const pinned = `${running.host}/app@${image.descriptor.digest}`;
    await peer("cosign2", ["generate-key-pair"], env);
    await peer("cosign2", ["sign", "-y", "--key", "cosign.key", "--tlog-upload=false", pinned], env);
    await peer(
      "cosign3",
      ["sign", "-y", "--key", "cosign.key", "--use-signing-config=false", "--tlog-upload=false", pinned],
      env,
    );
    await peer("cosign3", ["save", "--dir", "saved", pinned], env);
    const layout = await openLayout(at("saved"));
    const name = parseRepository(`${running.host}/app`);
    const { digest } = image.descriptor;
    expect((await layout.resolve(parseReference(pinned))).digest).toBe(digest);
    const { bytes, descriptor } = await layout.fetchManifest(name, `${referrersTag(digest)}.sig`);
    expect(parseManifest(bytes, descriptor.mediaType)).toMatchObject({
      layers: [{ mediaType: expect.stringContaining("simplesigning") }],
    });
    const { descriptors } = await layout.listReferrers(name, digest, 20);
    expect(descriptors.map(({ artifactType }) => artifactType).join()).toContain("sigstore.bundle");
  });

  test("of ours are read by skopeo and oras", async () => {
    const layout = await openLayout(at("ours"), { create: true });
    const name = parseRepository("registry.example.com/app");
    await push(layout, name, image, "v1");
    await push(layout, name, makeReferrer(image.descriptor, "signer"));
    const skopeo = await peer("skopeo", ["inspect", "--raw", "oci:ours:v1"]);
    expect(JSON.parse(skopeo)).toEqual(JSON.parse(image.bytes.toString()));
    const oras = await peer("oras", ["discover", "--oci-layout", "--format", "json", "ours:v1"]);
    expect(oras).toContain("application/vnd.test.signature");
  });
});
