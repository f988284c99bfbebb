import { mkdirSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseListen, urlOf } from "../../src/registry/listen.ts";
import { startRegistry } from "../../src/registry/server.ts";
import { createAuthority } from "../oci/tls.ts";
import { codeOfRejection } from "../support/errors.ts";
import { clientOf, pushImage, sha } from "./support/client.ts";
import { configFile, stage, testFolder, usersFile } from "./support/server.ts";

const authority = createAuthority();

/** The files of a certificate for 127.0.0.1. */
function certificate(folder: string): { tlsCert: string; tlsKey: string } {
  const [tlsCert, tlsKey] = [join(folder, "tls.crt"), join(folder, "tls.key")];
  const { cert, key } = authority.issue("localhost", ["127.0.0.1", "localhost"]);
  writeFileSync(tlsCert, cert);
  writeFileSync(tlsKey, key);
  return { tlsCert, tlsKey };
}

describe("listening", () => {
  it.each([
    ["127.0.0.1:5000", { host: "127.0.0.1", address: "127.0.0.1", port: 5000, loopback: true }],
    ["[::1]:0", { host: "::1", address: "::1", port: 0, loopback: true }],
    ["127.9.9.9:1", { host: "127.9.9.9", address: "127.9.9.9", port: 1, loopback: true }],
    [":8443", { host: "", address: "::", port: 8443, loopback: false }],
    ["0.0.0.0:80", { host: "0.0.0.0", address: "0.0.0.0", port: 80, loopback: false }],
    ["10.1.2.3:80", { host: "10.1.2.3", address: "10.1.2.3", port: 80, loopback: false }],
    ["[::ffff:10.0.0.1]:80", { host: "::ffff:10.0.0.1", address: "::ffff:10.0.0.1", port: 80, loopback: false }],
  ])("reads %s", async (text, expected) => {
    expect(await parseListen(text)).toEqual(expected);
  });

  it("finds out that localhost is loopback", async () => {
    expect((await parseListen("localhost:1")).loopback).toBe(true);
  });

  it.each([
    "5000",
    "127.0.0.1",
    "127.0.0.1:",
    "127.0.0.1:65536",
    "::1:5000",
    "a b:1",
    "http://x:1",
    "no.such.host.invalid:1",
  ])("refuses %s", async (text) => {
    expect(await codeOfRejection(parseListen(text))).toBe("CONFIG_INVALID");
  });

  it("gives a URL that leads there", async () => {
    expect(urlOf(await parseListen("[::1]:0"), 80, "http")).toBe("http://[::1]:80");
    expect(urlOf(await parseListen(":0"), 80, "https")).toBe("https://localhost:80");
  });
});

describe("starting", () => {
  it("refuses to be reached by others without users or without TLS", async () => {
    const folder = testFolder();
    const tls = certificate(folder);
    const users = usersFile(folder, "dev");
    const config = configFile(folder, { rights: [{ repositories: ["**"], users: ["anonymous"], allow: ["pull"] }] });
    const storage = join(folder, "storage");
    for (const listen of ["0.0.0.0:0", ":0", "[::]:0"]) {
      for (const options of [{}, { users }, tls, { ...tls, config }, { config }])
        expect(await codeOfRejection(startRegistry({ storage, listen, ...options }))).toBe("CONFIG_INVALID");
    }
  });

  it("serves all interfaces with users and TLS", async () => {
    const folder = testFolder();
    const tls = certificate(folder);
    const { url } = await stage({ folder, listen: "0.0.0.0:0", users: usersFile(folder, "dev"), ...tls });
    expect(url).toMatch(/^https:/);
    const client = clientOf(url.replace("0.0.0.0", "127.0.0.1"), { ca: authority.cert, user: "dev:secret of dev" });
    await pushImage(client, "a", "v1");
    expect((await client("GET", "/v2/a/tags/list")).status).toBe(200);
  });

  it("refuses TLS files that do not go together", async () => {
    const folder = testFolder();
    const { tlsCert, tlsKey } = certificate(folder);
    const storage = join(folder, "storage");
    const broken = join(folder, "broken");
    writeFileSync(broken, "x");
    const start = (more: object) => codeOfRejection(startRegistry({ storage, listen: "127.0.0.1:0", ...more }));
    expect(await start({ tlsCert })).toBe("CONFIG_INVALID");
    expect(await start({ tlsKey })).toBe("CONFIG_INVALID");
    expect(await start({ tlsCert: broken, tlsKey })).toBe("CONFIG_INVALID");
    expect(await start({ tlsCert, tlsKey: join(folder, "none") })).toBe("FILE_NOT_FOUND");
  });

  it("refuses a storage that another registry has open, or that is something else", async () => {
    const { storage, folder } = await stage();
    const start = (path: string) => codeOfRejection(startRegistry({ storage: path, listen: "127.0.0.1:0" }));
    expect(await start(storage)).toBe("CONFIG_INVALID");
    const other = join(folder, "other");
    mkdirSync(other);
    writeFileSync(join(other, "version"), "something 7\n");
    expect(await start(other)).toBe("CONFIG_INVALID");
    writeFileSync(join(folder, "file"), "");
    expect(await start(join(folder, "file"))).toBe("FILE_UNWRITABLE");
  });

  it("makes a storage folder that only its owner can read", async () => {
    const { storage } = await stage();
    expect(statSync(storage).mode & 0o777).toBe(0o700);
  });

  it("keeps what it stores from others also in a folder that was there before", async () => {
    const folder = testFolder();
    const storage = join(folder, "storage");
    mkdirSync(storage, { mode: 0o755 });
    await stage({ folder });
    for (const name of ["blobs", "repositories", "uploads", "tmp"])
      expect(statSync(join(storage, name)).mode & 0o777).toBe(0o700);
  });

  it("lets go of the storage when it cannot listen", async () => {
    const { url, folder } = await stage();
    const storage = join(folder, "second");
    const listen = new URL(url).host;
    expect(await codeOfRejection(startRegistry({ storage, listen }))).toBe("CONFIG_INVALID");
    const server = await startRegistry({ storage, listen: "127.0.0.1:0" });
    await server.close();
  });

  it("reports a wrong users file or configuration", async () => {
    const folder = testFolder();
    const storage = join(folder, "storage");
    const start = (more: object) => codeOfRejection(startRegistry({ storage, listen: "127.0.0.1:0", ...more }));
    expect(await start({ users: join(folder, "none") })).toBe("FILE_NOT_FOUND");
    expect(await start({ config: join(folder, "none") })).toBe("FILE_NOT_FOUND");
    expect(await start({ config: configFile(folder, "x: 1") })).toBe("CONFIG_INVALID");
  });

  it("closes to others when the configuration has rights but there are no users", async () => {
    const folder = testFolder();
    const config = configFile(folder, { rights: [{ repositories: ["**"], users: ["anonymous"], allow: ["pull"] }] });
    const { client } = await stage({ folder, config });
    expect((await client("POST", "/v2/a/blobs/uploads/")).status).toBe(401);
    expect((await client("GET", "/v2/_catalog")).status).toBe(200);
  });
});

describe("ending", () => {
  it("lets an upload that is under way finish, takes no other, and can be told twice", async () => {
    const { client, url, close } = await stage();
    const bytes = Buffer.from("the whole blob");
    let proceed = () => {};
    const waiting = new Promise<void>((resolve) => {
      proceed = resolve;
    });
    async function* slow() {
      yield bytes.subarray(0, 5);
      await waiting;
      yield bytes.subarray(5);
    }
    const path = `/v2/a/blobs/uploads/?digest=${sha(bytes)}`;
    const upload = client("POST", path, { body: slow(), headers: { "content-length": String(bytes.length) } });
    await expect.poll(async () => (await client("GET", "/v2/")).status).toBe(200);
    const closed = close();
    await expect
      .poll(() =>
        client("GET", "/v2/").then(
          () => "open",
          () => "closed",
        ),
      )
      .toBe("closed");
    proceed();
    expect((await upload).status).toBe(201);
    await Promise.all([closed, close()]);
    await expect(clientOf(url)("GET", "/v2/")).rejects.toThrow();
  });

  it("gives up on a request that does not end", async () => {
    const { host, close } = await stage({ drainMs: 100 });
    const socket = connect(Number(host.split(":")[1]), "127.0.0.1");
    socket.write(`POST /v2/a/blobs/uploads/?digest=${sha("x")} HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 9\r\n\r\n`);
    const gone = new Promise((resolve) =>
      socket
        .on("close", resolve)
        .on("error", () => {})
        .resume(),
    );
    await new Promise((resolve) => setTimeout(resolve, 50));
    await close();
    await gone;
  });
});

describe("bad requests", () => {
  it("get an OCI error and leave the connection usable", async () => {
    const { host, client } = await stage();
    const socket = connect(Number(host.split(":")[1]), "127.0.0.1");
    let text = "";
    socket.on("data", (data) => {
      text += data.toString();
    });
    socket.write(`PUT /v2/BAD/manifests/x HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 5\r\n\r\nhello`);
    await expect.poll(() => text).toContain("NAME_INVALID");
    socket.write(`GET /v2/ HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    await expect.poll(() => text).toContain("200 OK");
    socket.destroy();
    expect((await client("PUT", "/v2/a/manifests/x", { body: "x", headers: { "content-type": ";;;" } })).status).toBe(
      415,
    );
    expect((await client("GET", "/v2/a/manifests/x?%zz=%zz")).status).toBe(404);
  });

  it("end with their connection when a body is refused and keeps coming", async () => {
    const folder = testFolder();
    const { host } = await stage({ folder, users: usersFile(folder, "dev") });
    const socket = connect(Number(host.split(":")[1]), "127.0.0.1");
    let text = "";
    socket.on("data", (data) => {
      text += data.toString();
    });
    const closed = new Promise((resolve) => socket.on("close", resolve).on("error", () => {}));
    socket.write(`PATCH /v2/a/blobs/uploads/x HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 99999999\r\n\r\n`);
    const drip = setInterval(() => socket.write("x"), 100);
    await closed;
    clearInterval(drip);
    expect(text).toContain("401 Unauthorized");
  });
});
