import { createHash, randomBytes } from "node:crypto";
import { get } from "node:http";
import { describe, expect, it, onTestFinished } from "vitest";
import { startChild } from "./support/child.ts";
import { clientOf } from "./support/client.ts";
import { testFolder } from "./support/server.ts";

const MiB = 2 ** 20;
const size = 512 * MiB;
const piece = randomBytes(MiB);

function digest(): string {
  const hash = createHash("sha256");
  for (let sent = 0; sent < size; sent += piece.length) hash.update(piece);
  return `sha256:${hash.digest("hex")}`;
}

async function* content() {
  for (let sent = 0; sent < size; sent += piece.length) yield piece;
}

/** Reads with pauses, so that the sender is always ahead. */
async function download(url: string): Promise<string> {
  const hash = createHash("sha256");
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  get(url, (response) => {
    let seen = 0;
    response.on("data", (chunk: Buffer) => {
      hash.update(chunk);
      seen += chunk.length;
      if (seen < 64 * MiB) return;
      seen = 0;
      response.pause();
      setTimeout(() => response.resume(), 20);
    });
    response.on("end", resolve);
    response.on("error", reject);
  }).on("error", reject);
  await promise;
  return `sha256:${hash.digest("hex")}`;
}

describe("memory", () => {
  it("stays flat while a layer of 512 MiB comes in and goes out", async () => {
    const server = await startChild(testFolder());
    onTestFinished(() => server.kill());
    const client = clientOf(server.url);
    const wanted = digest();
    const before = await server.memory();
    const headers = { "content-length": String(size) };
    const pushed = await client("POST", `/v2/a/blobs/uploads/?digest=${wanted}`, { body: content(), headers });
    expect(pushed.status).toBe(201);
    expect(await download(`${server.url}/v2/a/blobs/${wanted}`)).toBe(wanted);
    const { peak } = await server.memory();
    expect((peak - before.peak) / MiB).toBeLessThan(160);
  }, 120_000);
});
