import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { pushBlob, sha } from "../support/client.ts";
import { stage } from "../support/server.ts";

describe("blobs", () => {
  it("are served whole, with their digest, size and entity tag", async () => {
    const { client } = await stage();
    const bytes = randomBytes(300_000);
    const digest = await pushBlob(client, "a", bytes);
    const got = await client("GET", `/v2/a/blobs/${digest}`);
    expect(got.status).toBe(200);
    expect(got.body.equals(bytes)).toBe(true);
    expect(got.headers).toMatchObject({
      "docker-content-digest": digest,
      etag: `"${digest}"`,
      "content-length": "300000",
      "content-type": "application/octet-stream",
      "accept-ranges": "bytes",
      "x-content-type-options": "nosniff",
    });
    const head = await client("HEAD", `/v2/a/blobs/${digest}`);
    expect([head.status, head.headers["content-length"], head.body.length]).toEqual([200, "300000", 0]);
    const same = await client("GET", `/v2/a/blobs/${digest}`, { headers: { "if-none-match": `"${digest}"` } });
    expect([same.status, same.body.length]).toEqual([304, 0]);
  });

  it("may be empty", async () => {
    const { client } = await stage();
    const digest = await pushBlob(client, "a", "");
    const got = await client("GET", `/v2/a/blobs/${digest}`);
    expect([got.status, got.headers["content-length"], got.body.length]).toEqual([200, "0", 0]);
    expect((await client("GET", `/v2/a/blobs/${digest}`, { headers: { range: "bytes=0-" } })).status).toBe(416);
  });

  it("are served in ranges", async () => {
    const { client } = await stage();
    const bytes = randomBytes(2048);
    const digest = await pushBlob(client, "a", bytes);
    const get = (range: string, more: Record<string, string> = {}) =>
      client("GET", `/v2/a/blobs/${digest}`, { headers: { range, ...more } });
    const part = await get("bytes=500-1499");
    expect([part.status, part.headers["content-range"]]).toEqual([206, "bytes 500-1499/2048"]);
    expect(part.headers["content-length"]).toBe("1000");
    expect(part.body.equals(bytes.subarray(500, 1500))).toBe(true);
    expect((await get("bytes=2000-5000")).body.equals(bytes.subarray(2000))).toBe(true);
    expect((await get("bytes=-500")).body.equals(bytes.subarray(1548))).toBe(true);
    const beyond = await get("bytes=5000-10000");
    expect([beyond.status, beyond.code, beyond.headers["content-range"]]).toEqual([
      416,
      "SIZE_INVALID",
      "bytes */2048",
    ]);
    expect((await get("bytes=0-1,4-5")).status).toBe(200);
    expect((await get("bytes=0-1", { "if-range": `"${digest}"` })).status).toBe(206);
    expect((await get("bytes=0-1", { "if-range": '"else"' })).status).toBe(200);
  });

  it("can be gone on with after a break: the parts make the whole", async () => {
    const { client } = await stage();
    const bytes = randomBytes(100_000);
    const digest = await pushBlob(client, "a", bytes);
    const parts: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += 30_000) {
      const answer = await client("GET", `/v2/a/blobs/${digest}`, { headers: { range: `bytes=${at}-${at + 29_999}` } });
      parts.push(answer.body);
    }
    expect(sha(Buffer.concat(parts))).toBe(digest);
  });

  it("are there only for the repositories they were pushed to", async () => {
    const { client } = await stage();
    const digest = await pushBlob(client, "a", "mine");
    for (const method of ["GET", "HEAD", "DELETE"]) {
      expect((await client(method, `/v2/b/blobs/${digest}`)).status).toBe(404);
      expect((await client(method, `/v2/a/b/blobs/${digest}`)).status).toBe(404);
    }
    expect((await client("GET", `/v2/b/blobs/${digest}`)).code).toBe("BLOB_UNKNOWN");
    expect((await client("GET", `/v2/a/blobs/${digest}`)).status).toBe(200);
  });

  it("are deleted from one repository and stay in others", async () => {
    const { client } = await stage();
    const digest = await pushBlob(client, "a", "both");
    await pushBlob(client, "b", "both");
    expect((await client("DELETE", `/v2/a/blobs/${digest}`)).status).toBe(202);
    expect((await client("HEAD", `/v2/a/blobs/${digest}`)).status).toBe(404);
    expect((await client("DELETE", `/v2/a/blobs/${digest}`)).code).toBe("BLOB_UNKNOWN");
    expect((await client("GET", `/v2/b/blobs/${digest}`)).body.toString()).toBe("both");
    await pushBlob(client, "a", "both");
    expect((await client("HEAD", `/v2/a/blobs/${digest}`)).status).toBe(200);
  });

  it("have no other methods", async () => {
    const { client } = await stage();
    const answer = await client("PUT", `/v2/a/blobs/${sha("x")}`, { body: "x" });
    expect([answer.status, answer.code, answer.headers.allow]).toEqual([405, "UNSUPPORTED", "GET, HEAD, DELETE"]);
  });
});
