import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { digestOf } from "../../src/crypto/digest.ts";
import { formatPublicKey } from "../../src/crypto/public-key.ts";
import { createHttpRegistry } from "../../src/oci/http-registry.ts";
import { mediaTypes } from "../../src/oci/manifest.ts";
import { mapLimit } from "../../src/oci/parallel.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { blobOf } from "../../src/oci/registry.ts";
import { startRegistry } from "../../src/registry/server.ts";
import { carriers } from "../hostile/carriers.ts";
import { runTrust } from "../support/cli.ts";
import { pushImage, tinyImage } from "../support/images.ts";
import { tempDir } from "../support/process.ts";
import { newSigner } from "../support/signers.ts";

const folder = tempDir("many-referrers");
const client = createHttpRegistry({});
const signer = newSigner();
let server: Awaited<ReturnType<typeof startRegistry>>;

beforeAll(async () => {
  server = await startRegistry({ storage: join(folder.path, "storage"), listen: "127.0.0.1:0" });
  writeFileSync(join(folder.path, "own.pub"), formatPublicKey(signer.publicKey));
});
afterAll(async () => {
  client.close();
  await server.close();
  folder.cleanup();
}, 300_000);

const verify = (...flags: string[]) => runTrust(["verify", "--key", "own.pub", ...flags], { folder: folder.path });

it("ten thousand referrers cost bounded requests, and hide nothing in other places", { timeout: 300_000 }, async () => {
  const text = `${new URL(server.url).host}/hostile/app:1`;
  const image = parseReference(text);
  const { descriptor: subject, ...built } = tinyImage(text);
  await pushImage(client, image, { descriptor: subject, ...built });
  const empty = Buffer.from("{}");
  await client.pushBlob(image, blobOf(empty, digestOf(empty)));
  const config = { mediaType: mediaTypes.empty, digest: digestOf(empty), size: empty.length };
  const { mediaType } = subject;
  await mapLimit(Array.from({ length: 10_000 }), 16, async (_, i) => {
    const junk = { artifactType: "application/x-junk", annotations: { number: String(i) } };
    const manifest = { schemaVersion: 2, mediaType, config, layers: [], subject, ...junk };
    await client.pushManifest(image, { bytes: Buffer.from(JSON.stringify(manifest)), mediaType });
  });
  const { code, stdout } = await verify("--output", "json", text);
  expect(code).toBe(1);
  expect(stdout).toContain("EVIDENCE_INCOMPLETE");
  const sigTag = carriers["a .sig tag"];
  if (sigTag === undefined) throw new Error("no such shape");
  await sigTag.place(client, image, subject, [await sigTag.make({ subject, signer })]);
  const verified = await verify("--verbose", text);
  expect(verified.code).toBe(0);
  const gets = verified.stderr.split("\n").filter((line) => line.startsWith("GET ")).length;
  expect(gets).toBeGreaterThan(100);
  expect(gets).toBeLessThan(500);
});
