import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { createHttpRegistry } from "../src/oci/http-registry.ts";
import { parseReference } from "../src/oci/reference.ts";
import { startRegistry } from "../src/registry/server.ts";
import { pushImage, tinyImage } from "./support/images.ts";
import { run, tempDir } from "./support/process.ts";

const MiB = 2 ** 20;
const limit = 600 * MiB;
const main = join(import.meta.dirname, "../src/cli/main.ts");
const tell = 'process.on("exit",()=>process.stderr.write("maxRSS="+process.resourceUsage().maxRSS+"\\n"))';

it("attests to an SBOM of 64 MiB, verifies it, with less than 600 MB of memory", {
  timeout: 180_000,
}, async () => {
  const folder = tempDir("attest-memory");
  onTestFinished(folder.cleanup);
  const server = await startRegistry({ storage: join(folder.path, "registry"), listen: "127.0.0.1:0" });
  onTestFinished(() => server.close());
  const image = `${new URL(server.url).host}/big:1`;
  await pushImage(createHttpRegistry({}), parseReference(image), tinyImage(image));
  const entries = Array.from({ length: 240_000 }, (_, i) => ({
    SPDXID: `SPDXRef-${i}`,
    name: `package-${i}`,
    downloadLocation: "NOASSERTION",
    licenseConcluded: "MIT OR Apache-2.0",
    checksums: [{ algorithm: "SHA256", checksumValue: "ab".repeat(32) }],
    versionInfo: `1.2.${i} ${"x".repeat(60)}`,
  }));
  const sbom = JSON.stringify({ spdxVersion: "SPDX-2.3", SPDXID: "SPDXRef-DOCUMENT", name: "big", packages: entries });
  expect(sbom.length).toBeGreaterThan(64 * MiB);
  writeFileSync(join(folder.path, "sbom.json"), sbom);

  const env = { TRUST_PASSWORD: "pw", HOME: folder.path };
  const trust = async (...args: string[]) => {
    const node = ["--import", `data:text/javascript,${encodeURIComponent(tell)}`, main, ...args];
    const result = await run(process.execPath, node, { env, cwd: folder.path, timeoutMs: 120_000 });
    expect(result, result.stderr.slice(0, 2000)).toMatchObject({ code: 0 });
    expect(Number(/maxRSS=(\d+)/.exec(result.stderr)?.[1]) * 1024).toBeLessThan(limit);
    return result.stdout;
  };
  await trust("key", "generate");
  for (const format of ["bundle", "cosign"]) {
    await trust(
      "attest",
      "--key",
      "trust.key",
      "--type",
      "spdxjson",
      "--predicate",
      "sbom.json",
      "--format",
      format,
      image,
    );
    expect(await trust("verify", "--key", "trust.pub", "--type", "spdxjson", image)).toContain("allow, trusted");
  }
});
