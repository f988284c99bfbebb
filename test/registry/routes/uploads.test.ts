import { randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Client, pushBlob, sha } from "../support/client.ts";
import { configFile, stage, testFolder } from "../support/server.ts";

async function begin(client: Client, repository = "a"): Promise<string> {
  const answer = await client("POST", `/v2/${repository}/blobs/uploads/`, { headers: { "content-length": "0" } });
  expect(answer.status).toBe(202);
  expect(answer.headers["docker-upload-uuid"]).toMatch(/^[0-9a-f-]{36}$/);
  return answer.headers.location ?? "";
}

const chunk = (start: number, bytes: Buffer) => ({
  body: bytes,
  headers: { "content-range": `${start}-${start + bytes.length - 1}` },
});

describe.each(["sha256", "sha512"] as const)("pushing a blob, %s", (algorithm) => {
  const bytes = randomBytes(3000);
  const digest = sha(bytes, algorithm);
  const check = async (client: Client) => {
    const got = await client("GET", `/v2/a/blobs/${digest}`);
    expect(got.body.equals(bytes)).toBe(true);
    expect(got.headers["docker-content-digest"]).toBe(digest);
  };

  it("with one POST", async () => {
    const { client } = await stage();
    const answer = await client("POST", `/v2/a/blobs/uploads/?digest=${digest}`, { body: bytes });
    expect([answer.status, answer.headers.location]).toEqual([201, `/v2/a/blobs/${digest}`]);
    expect(answer.headers["docker-content-digest"]).toBe(digest);
    await check(client);
  });

  it("with POST and PUT", async () => {
    const { client } = await stage();
    const answer = await client("PUT", `${await begin(client)}?digest=${digest}`, { body: bytes });
    expect([answer.status, answer.headers.location]).toEqual([201, `/v2/a/blobs/${digest}`]);
    await check(client);
  });

  it("as a stream of unknown length", async () => {
    const { client } = await stage();
    const location = await begin(client);
    async function* stream() {
      yield bytes.subarray(0, 1);
      yield bytes.subarray(1);
    }
    const patched = await client("PATCH", location, { body: stream() });
    expect([patched.status, patched.headers.range]).toEqual([202, "0-2999"]);
    expect((await client("PUT", `${location}?digest=${digest}`)).status).toBe(201);
    await check(client);
  });

  it.each([false, true])("in chunks, the last one with PUT: %s", async (lastWithPut) => {
    const { client } = await stage();
    let location = await begin(client);
    for (const start of [0, 1000]) {
      const answer = await client("PATCH", location, chunk(start, bytes.subarray(start, start + 1000)));
      expect([answer.status, answer.headers.range]).toEqual([202, `0-${start + 999}`]);
      location = answer.headers.location ?? "";
    }
    const last = chunk(2000, bytes.subarray(2000));
    if (!lastWithPut) expect((await client("PATCH", location, last)).status).toBe(202);
    const answer = await client("PUT", `${location}?digest=${digest}`, lastWithPut ? last : {});
    expect(answer.status).toBe(201);
    await check(client);
  });

  it("refuses content of another digest, and leaves nothing", async () => {
    const { client, storage } = await stage();
    const wrong = sha("else", algorithm);
    const one = await client("POST", `/v2/a/blobs/uploads/?digest=${wrong}`, { body: bytes });
    expect([one.status, one.code]).toEqual([400, "DIGEST_INVALID"]);
    const location = await begin(client);
    const two = await client("PUT", `${location}?digest=${wrong}`, { body: bytes });
    expect([two.status, two.code]).toEqual([400, "DIGEST_INVALID"]);
    expect((await client("GET", location)).status).toBe(404);
    expect((await client("HEAD", `/v2/a/blobs/${wrong}`)).status).toBe(404);
    expect(readdirSync(join(storage, "uploads"))).toEqual([]);
    expect(readdirSync(join(storage, "blobs"))).toEqual([]);
  });
});

describe("an upload", () => {
  it("refuses chunks out of order with 416, says where it stands, and can be gone on with", async () => {
    const { client } = await stage();
    const bytes = randomBytes(3000);
    const location = await begin(client);
    const early = await client("PATCH", location, chunk(1000, bytes.subarray(1000, 2000)));
    expect([early.status, early.code, early.headers.range]).toEqual([416, "BLOB_UPLOAD_INVALID", "0-0"]);
    await client("PATCH", location, chunk(0, bytes.subarray(0, 1000)));
    for (const method of ["PATCH", "PUT"]) {
      const again = await client(method, `${location}?digest=${sha(bytes)}`, chunk(0, bytes.subarray(0, 1000)));
      expect([again.status, again.headers.range, again.headers.location]).toEqual([416, "0-999", location]);
    }
    const status = await client("GET", location);
    expect([status.status, status.headers.range, status.headers.location]).toEqual([204, "0-999", location]);
    await client("PATCH", location, chunk(1000, bytes.subarray(1000)));
    expect((await client("PUT", `${location}?digest=${sha(bytes)}`)).status).toBe(201);
  });

  it.each(["x-y", "5-1", "0-"])("refuses the range %s", async (range) => {
    const { client } = await stage();
    const answer = await client("PATCH", await begin(client), { body: "x", headers: { "content-range": range } });
    expect(answer.status).toBe(416);
  });

  it("undoes a chunk that is longer or shorter than its range", async () => {
    const { client } = await stage();
    const location = await begin(client);
    await client("PATCH", location, { body: "start" });
    for (const body of ["123456", "1234"]) {
      const answer = await client("PATCH", location, { body, headers: { "content-range": "5-9" } });
      expect([answer.status, answer.code]).toEqual([400, "SIZE_INVALID"]);
      expect((await client("GET", location)).headers.range).toBe("0-4");
    }
    expect((await client("PUT", `${location}?digest=${sha("start!")}`, { body: "!" })).status).toBe(201);
  });

  it("keeps what came when the connection broke, and goes on from there", async () => {
    const { client, url } = await stage();
    const bytes = randomBytes(3 * 1024 * 1024);
    const location = await begin(client);
    const broken = request(url + location, { method: "PATCH", headers: { "content-length": bytes.length } });
    broken.on("error", () => {});
    await new Promise<void>((resolve) => broken.write(bytes.subarray(0, 2 * 1024 * 1024), () => resolve()));
    await expect.poll(async () => (await client("GET", location)).headers.range).toMatch(/^0-1\d{6}$/);
    broken.destroy();
    await expect.poll(async () => (await client("GET", location)).headers.range).toBe("0-2097151");
    await client("PATCH", location, chunk(2 * 1024 * 1024, bytes.subarray(2 * 1024 * 1024)));
    expect((await client("PUT", `${location}?digest=${sha(bytes)}`)).status).toBe(201);
  });

  it("goes to the client that comes last, when a connection hangs", async () => {
    const { client, url } = await stage();
    const location = await begin(client);
    const hanging = request(url + location, { method: "PATCH", headers: { "content-length": 100 } });
    let ended = false;
    hanging.on("error", () => {
      ended = true;
    });
    hanging.write("abc");
    await expect
      .poll(async () => {
        expect((await client("PATCH", location, { body: "" })).status).toBe(202);
        return ended;
      })
      .toBe(true);
    // What had not been read when it was interrupted does not count.
    const { range } = (await client("GET", location)).headers;
    const body = range === "0-2" ? "def" : "abcdef";
    expect((await client("PUT", `${location}?digest=${sha("abcdef")}`, { body })).status).toBe(201);
  });

  it("outlives the registry", async () => {
    const folder = testFolder();
    const first = await stage({ folder });
    const location = await begin(first.client);
    await first.client("PATCH", location, { body: "before " });
    await first.close();
    const { client } = await stage({ folder });
    expect((await client("GET", location)).headers.range).toBe("0-6");
    const digest = sha("before and after");
    expect((await client("PUT", `${location}?digest=${digest}`, { body: "and after" })).status).toBe(201);
    expect((await client("GET", `/v2/a/blobs/${digest}`)).body.toString()).toBe("before and after");
  });

  it("is removed when it is cancelled, and known to its own repository only", async () => {
    const { client, storage } = await stage();
    const location = await begin(client, "a");
    expect((await client("GET", location.replace("/a/", "/b/"))).code).toBe("BLOB_UPLOAD_UNKNOWN");
    expect((await client("DELETE", location.replace("/a/", "/b/"))).status).toBe(404);
    expect((await client("DELETE", location)).status).toBe(204);
    for (const method of ["GET", "PATCH", "DELETE"]) expect((await client(method, location)).status).toBe(404);
    expect((await client("PUT", `${location}?digest=${sha("")}`)).code).toBe("BLOB_UPLOAD_UNKNOWN");
    expect(readdirSync(join(storage, "uploads"))).toEqual([]);
  });

  it.each(["..", "x", "%2e%2e%2f%2e%2e", "0".repeat(36), "a/../../b"])("has no name like %s", async (id) => {
    const { client } = await stage();
    const answer = await client("PATCH", `/v2/a/blobs/uploads/${id}`, { body: "x" });
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.status).toBeLessThan(500);
  });

  it("needs a digest to end, and a good one", async () => {
    const { client } = await stage();
    const location = await begin(client);
    expect((await client("PUT", location, { body: "x" })).code).toBe("DIGEST_INVALID");
    expect((await client("PUT", `${location}?digest=md5:00`, { body: "x" })).code).toBe("DIGEST_INVALID");
    expect((await client("POST", "/v2/a/blobs/uploads/?digest=x", { body: "x" })).code).toBe("DIGEST_INVALID");
    expect((await client("GET", location)).status).toBe(204);
  });

  it("is no larger than the limit", async () => {
    const folder = testFolder();
    const { client, storage } = await stage({ folder, config: configFile(folder, { limits: { blob: "1MiB" } }) });
    const bytes = Buffer.alloc(1024 * 1024 + 1);
    const one = await client("POST", `/v2/a/blobs/uploads/?digest=${sha(bytes)}`, { body: bytes });
    expect([one.status, one.code]).toEqual([413, "SIZE_INVALID"]);
    expect(readdirSync(join(storage, "uploads"))).toEqual([]);
    const full = bytes.subarray(1);
    expect((await client("POST", `/v2/a/blobs/uploads/?digest=${sha(full)}`, { body: full })).status).toBe(201);
  });

  it("leaves nothing of a single POST that broke off", async () => {
    const { storage, host } = await stage();
    const [name = "", port = ""] = host.split(":");
    const socket = connect(Number(port), name);
    socket.write(
      `POST /v2/a/blobs/uploads/?digest=${sha("x")} HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 100\r\n\r\nabc`,
    );
    await expect.poll(() => readdirSync(join(storage, "uploads"))).toHaveLength(1);
    socket.destroy();
    await expect.poll(() => readdirSync(join(storage, "uploads"))).toEqual([]);
  });

  it("is swept away at the start when it was left alone for long", async () => {
    const folder = testFolder();
    const first = await stage({ folder });
    const location = await begin(first.client);
    await first.close();
    const config = configFile(folder, { limits: { uploads: "1ms" } });
    const { client, storage } = await stage({ folder, config });
    expect((await client("GET", location)).status).toBe(404);
    expect(readdirSync(join(storage, "uploads"))).toEqual([]);
  });
});

describe("mounting a blob", () => {
  it("links it without its bytes", async () => {
    const { client } = await stage();
    const digest = await pushBlob(client, "a", "shared");
    const answer = await client("POST", `/v2/b/blobs/uploads/?mount=${digest}&from=a`);
    expect([answer.status, answer.headers.location]).toEqual([201, `/v2/b/blobs/${digest}`]);
    expect((await client("GET", `/v2/b/blobs/${digest}`)).body.toString()).toBe("shared");
  });

  it("begins an upload where the source has not got it", async () => {
    const { client } = await stage();
    const digest = await pushBlob(client, "a", "shared");
    for (const query of [`mount=${digest}&from=c`, `mount=${sha("no")}&from=a`, `mount=${digest}&from=..%2Fa`]) {
      const answer = await client("POST", `/v2/b/blobs/uploads/?${query}`);
      expect(answer.status).toBe(202);
      expect((await client("HEAD", `/v2/b/blobs/${digest}`)).status).toBe(404);
    }
    expect((await client("POST", "/v2/b/blobs/uploads/?mount=x&from=a")).code).toBe("DIGEST_INVALID");
  });

  it("finds a repository that has it, where none is named", async () => {
    const { client } = await stage();
    const first = await client("POST", `/v2/b/blobs/uploads/?mount=${sha("later")}`);
    expect(first.status).toBe(202);
    await pushBlob(client, "a", "later");
    expect((await client("POST", `/v2/b/blobs/uploads/?mount=${sha("later")}`)).status).toBe(201);
    expect((await client("GET", `/v2/b/blobs/${sha("later")}`)).body.toString()).toBe("later");
    expect((await client("GET", "/v2/_catalog")).json()).toEqual({ repositories: [] });
  });
});
