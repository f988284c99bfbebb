import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createHttpRegistry, type HttpRegistry } from "../../src/oci/http-registry.ts";
import { parseRepository, referrersTag } from "../../src/oci/reference.ts";
import { listReferrers } from "../../src/oci/referrers.ts";
import { makeImage, push } from "../oci/artifacts.ts";
import { describePeers, type RunningRegistry, startDockerRegistry } from "../support/peers.ts";
import { run } from "../support/process.ts";

const writers = 16;
const writer = join(import.meta.dirname, "oci-writer.ts");

describePeers(["docker-registry"], "16 processes that sign one image at once on docker-registry 2.8.3", () => {
  let running: RunningRegistry;
  let registry: HttpRegistry;
  beforeAll(async () => {
    running = await startDockerRegistry();
    registry = createHttpRegistry();
  });
  afterAll(async () => {
    registry.close();
    await running.stop();
  });

  async function writeAtOnce(repository: string, form: "index" | "layers") {
    const image = makeImage(repository);
    const name = parseRepository(`${running.host}/${repository}`);
    await push(registry, name, image, "v1");
    const subject = JSON.stringify(image.descriptor);
    const results = await Promise.all(
      Array.from({ length: writers }, (_, i) =>
        run(process.execPath, [writer, running.host, repository, subject, String(i), form]),
      ),
    );
    for (const result of results) expect(result).toMatchObject({ code: 0, stderr: "" });
    return { name, subject: image.descriptor.digest };
  }

  test("leave 16 referrers, each with its artifact type and annotations", async () => {
    for (const round of [1, 2]) {
      const { name, subject } = await writeAtOnce(`index${round}`, "index");
      const { descriptors, complete } = await listReferrers(registry, name, subject, { maxPages: 20 });
      expect(complete).toBe(true);
      expect(descriptors.map(({ annotations }) => Number(annotations?.["text"])).sort((a, b) => a - b)).toEqual(
        Array.from({ length: writers }, (_, i) => i),
      );
      expect(new Set(descriptors.map(({ artifactType }) => artifactType))).toEqual(
        new Set(["application/vnd.test.signature"]),
      );
      for (const { digest } of descriptors) await registry.fetchManifest(name, digest);
    }
  });

  test("leave 16 layers under the .sig tag, and a config that belongs to them", async () => {
    for (const round of [1, 2]) {
      const { name, subject } = await writeAtOnce(`layers${round}`, "layers");
      const { bytes } = await registry.fetchManifest(name, `${referrersTag(subject)}.sig`);
      const manifest = JSON.parse(bytes.toString("utf8"));
      const signers = manifest.layers.map(
        (layer: { annotations: Record<string, string> }) => layer.annotations["dev.cosignproject.cosign/signature"],
      );
      expect(new Set(signers)).toEqual(new Set(Array.from({ length: writers }, (_, i) => `signer ${i}`)));
      expect(signers).toHaveLength(writers);
      const config = JSON.parse(String(await registry.fetchBlob(name, manifest.config, 100_000)));
      expect(config.rootfs.diff_ids).toEqual(manifest.layers.map((layer: { digest: string }) => layer.digest));
      expect(config.history).toHaveLength(writers);
    }
  });
});
