import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { digestOf } from "../src/crypto/digest.ts";
import { createHttpRegistry } from "../src/oci/http-registry.ts";
import { mediaTypes } from "../src/oci/manifest.ts";
import { parseReference } from "../src/oci/reference.ts";
import { blobOf } from "../src/oci/registry.ts";
import { startRegistry } from "../src/registry/server.ts";
import { run, tempDir } from "./support/process.ts";

const MiB = 2 ** 20;
/** From the sources Node alone takes 90 MiB of these; the image is larger than all of it. */
const limit = 170 * MiB;
const main = join(import.meta.dirname, "../src/cli/main.ts");
const tell = 'process.on("exit",()=>process.stderr.write("maxRSS="+process.resourceUsage().maxRSS+"\\n"))';

it("copies, saves and loads an image that is larger than the memory it takes", { timeout: 180_000 }, async () => {
  const folder = tempDir("copy-memory");
  onTestFinished(folder.cleanup);
  const server = await startRegistry({ storage: join(folder.path, "registry"), listen: "127.0.0.1:0" });
  onTestFinished(() => server.close());
  const { host } = new URL(server.url);
  const image = parseReference(`${host}/big:1`);
  const registry = createHttpRegistry();
  const push = async (bytes: Buffer, mediaType: string) => {
    const digest = digestOf(bytes);
    await registry.pushBlob(image, blobOf(bytes, digest));
    return { mediaType, digest, size: bytes.length };
  };
  const layers = [];
  for (const size of [80, 60, 40, 20]) layers.push(await push(randomBytes(size * MiB), mediaTypes.imageLayerGzip));
  const config = await push(Buffer.from("{}"), mediaTypes.imageConfig);
  const manifest = { schemaVersion: 2, mediaType: mediaTypes.imageManifest, config, layers };
  await registry.pushManifest(image, {
    bytes: Buffer.from(JSON.stringify(manifest)),
    mediaType: manifest.mediaType,
    tag: "1",
  });
  registry.close();

  const trust = async (...args: string[]) => {
    const node = ["--import", `data:text/javascript,${encodeURIComponent(tell)}`, main, ...args];
    const result = await run(process.execPath, node, {
      env: { HOME: folder.path },
      cwd: folder.path,
      timeoutMs: 120_000,
    });
    expect(result, result.stderr.slice(0, 2000)).toMatchObject({ code: 0 });
    expect(Number(/maxRSS=(\d+)/.exec(result.stderr)?.[1]) * 1024, args[0]).toBeLessThan(limit);
  };
  await trust("save", `${host}/big:1`, "saved.tar");
  await trust("load", "saved.tar", `${host}/loaded:1`);
  // Another name of the same registry, so that nothing is linked.
  await trust("copy", `${host}/big:1`, `${host.replace("127.0.0.1", "localhost")}/copied:1`);
});
