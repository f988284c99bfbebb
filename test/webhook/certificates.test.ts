import { X509Certificate } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { connect } from "node:tls";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ServingCertificate } from "../../webhook/certificate-files.ts";
import { followCertificate, openCertificates } from "../../webhook/certificates.ts";
import { createMetrics } from "../../webhook/metrics.ts";
import { codeOf, codeOfRejection } from "../support/errors.ts";
import { run, tempDir } from "../support/process.ts";

const day = 24 * 3600 * 1000;
const hosts = ["localhost", "127.0.0.1", "::1", "trust-webhook.trust.svc"];
const start = Date.UTC(2026, 10, 20);

let folder: ReturnType<typeof tempDir>;
let now: number;
const at = (name: string) => join(folder.path, name);
const readAll = () =>
  Object.fromEntries(readdirSync(folder.path).map((name) => [name, readFileSync(at(name), "utf8")]));
const open = (options: { hosts?: readonly string[] } = {}) =>
  openCertificates({ certDir: folder.path, hosts, now: () => now, ...options });

beforeEach(() => {
  folder = tempDir("trust-certificates");
  now = start;
});
afterEach(() => folder.cleanup());

/** What `openssl verify` says of the serving certificate at the time of the test, against a CA certificate. */
function opensslVerify(caFile: string) {
  const time = ["-attime", `${Math.floor(now / 1000)}`];
  return run("openssl", ["verify", "-x509_strict", "-purpose", "sslserver", ...time, "-CAfile", caFile, at("tls.crt")]);
}

describe("a folder of our own", () => {
  it("gets a CA and a serving certificate that openssl accepts", async () => {
    const serving = await open()();
    expect(readdirSync(folder.path).toSorted()).toEqual(["ca.crt", "ca.key", "tls.crt", "tls.key"]);
    expect(serving).toMatchObject({ cert: readAll()["tls.crt"], key: readAll()["tls.key"], expires: start + 90 * day });
    expect(await opensslVerify(at("ca.crt"))).toMatchObject({ code: 0 });
    const names = new X509Certificate(serving.cert).subjectAltName;
    for (const host of ["DNS:localhost", "IP Address:127.0.0.1", "DNS:trust-webhook.trust.svc"])
      expect(names).toContain(host);
  });

  it("keeps the keys to the owner", async () => {
    await open()();
    expect(statSync(at("ca.key")).mode & 0o777).toBe(0o600);
    expect(statSync(at("tls.key")).mode & 0o777).toBe(0o600);
  });

  it("is made where it is missing", async () => {
    rmSync(folder.path, { recursive: true });
    await open()();
    expect(existsSync(at("tls.crt"))).toBe(true);
  });

  it("is used again while it is good", async () => {
    await open()();
    const before = readAll();
    now += 30 * day;
    expect((await open()()).cert).toBe(before["tls.crt"]);
    expect(readAll()).toEqual(before);
  });

  it("gets a new certificate of the same CA before the old one expires", async () => {
    const source = open();
    await source();
    const before = readAll();
    now += 61 * day;
    const renewed = await source();
    expect(renewed).toMatchObject({ cert: readAll()["tls.crt"], expires: now + 90 * day });
    expect(renewed.cert).not.toBe(before["tls.crt"]);
    expect(renewed.key).not.toBe(before["tls.key"]);
    expect(readAll()).toMatchObject({ "ca.crt": before["ca.crt"], "ca.key": before["ca.key"] });
    expect(await opensslVerify(at("ca.crt"))).toMatchObject({ code: 0 });
  });

  it("renews the CA under the same key, so that who trusts the old one trusts what the new one issues", async () => {
    const source = open();
    await source();
    const before = readAll();
    now += 3500 * day;
    await source();
    expect(readAll()["ca.key"]).toBe(before["ca.key"]);
    expect(readAll()["ca.crt"]).not.toBe(before["ca.crt"]);
    writeFileSync(at("old-ca.crt"), before["ca.crt"] ?? "");
    expect(await opensslVerify(at("old-ca.crt"))).toMatchObject({ code: 0 });
    expect(await opensslVerify(at("ca.crt"))).toMatchObject({ code: 0 });
  });

  it("gets a new certificate for other names", async () => {
    const before = await open()();
    const after = await open({ hosts: [...hosts, "webhook.example.com"] })();
    expect(after.cert).not.toBe(before.cert);
    expect(new X509Certificate(after.cert).checkHost("webhook.example.com")).toBeDefined();
  });

  it.each([
    ["tls.crt", ""],
    ["tls.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"],
    ["ca.crt", "half a certif"],
  ])("repairs a %s that an interrupted write left behind", async (name, content) => {
    await open()();
    writeFileSync(at(name), content);
    await open()();
    expect(await opensslVerify(at("ca.crt"))).toMatchObject({ code: 0 });
  });

  it("repairs a certificate without its key", async () => {
    await open()();
    rmSync(at("tls.key"));
    await open()();
    expect(await opensslVerify(at("ca.crt"))).toMatchObject({ code: 0 });
  });

  it("is shared by processes that start at the same time", async () => {
    const made = await Promise.all(Array.from({ length: 8 }, () => open()()));
    const ca = new X509Certificate(readFileSync(at("ca.crt"))).publicKey;
    for (const { cert } of made) expect(new X509Certificate(cert).verify(ca)).toBe(true);
  });

  it("does not replace a CA key that cannot be read", async () => {
    await open()();
    writeFileSync(at("ca.key"), "what?");
    expect(await codeOfRejection(open()())).toBe("KEY_INVALID");
    expect(readAll()["ca.key"]).toBe("what?");
  });

  it("does not replace somebody else's CA", async () => {
    writeFileSync(at("ca.crt"), "theirs");
    expect(await codeOfRejection(open()())).toBe("CONFIG_INVALID");
    expect(readAll()).toEqual({ "ca.crt": "theirs" });
  });

  it("tells when it cannot be made", async () => {
    writeFileSync(at("file"), "");
    const source = openCertificates({ certDir: join(at("file"), "below"), hosts, now: () => now });
    expect(await codeOfRejection(source())).toBe("FILE_UNWRITABLE");
  });
});

describe("files of somebody else", () => {
  async function given() {
    const made = tempDir("trust-given");
    await openCertificates({ certDir: made.path, hosts, now: () => now })();
    for (const name of ["ca.crt", "tls.crt", "tls.key"]) writeFileSync(at(name), readFileSync(join(made.path, name)));
    made.cleanup();
  }

  it("are served from a folder that has no CA key, and never written", async () => {
    await given();
    const before = readAll();
    now += 1000 * day;
    expect(await open()()).toEqual({ cert: before["tls.crt"], key: before["tls.key"], expires: start + 90 * day });
    expect(readAll()).toEqual(before);
  });

  it("are read again when they change", async () => {
    await given();
    const source = openCertificates({ tlsCert: at("tls.crt"), tlsKey: at("tls.key"), hosts, now: () => now });
    const before = await source();
    await given();
    expect((await source()).cert).not.toBe(before.cert);
  });

  it("are refused when they do not belong together", async () => {
    await given();
    const key = readFileSync(at("tls.key"));
    await given();
    writeFileSync(at("tls.key"), key);
    expect(await codeOfRejection(open()())).toBe("CONFIG_INVALID");
  });

  it.each([
    ["tls.crt", "CONFIG_INVALID"],
    ["tls.key", "KEY_INVALID"],
  ])("are refused when %s cannot be read as what it should be", async (name, code) => {
    await given();
    writeFileSync(at(name), "-----BEGIN SECRET-----");
    const error = await open()().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code });
    expect(JSON.stringify(error)).not.toContain("SECRET");
  });

  it("are refused when they are missing", async () => {
    const source = openCertificates({ tlsCert: at("a.crt"), tlsKey: at("a.key"), hosts, now: () => now });
    expect(await codeOfRejection(source())).toBe("FILE_NOT_FOUND");
  });
});

describe("openCertificates", () => {
  it("wants a folder, or a certificate and its key", () => {
    const now = () => start;
    for (const options of [{}, { tlsCert: "a" }, { tlsKey: "a" }, { tlsCert: "a", tlsKey: "b", certDir: "c" }])
      expect(codeOf(() => openCertificates({ ...options, hosts, now }))).toBe("CONFIG_INVALID");
  });
});

describe("followCertificate", () => {
  async function serve(first: ServingCertificate) {
    const server = createServer({ key: first.key, cert: first.cert });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    const { port } = server.address() as AddressInfo;
    const served = async () => {
      const socket = connect({ port, host: "127.0.0.1", servername: "localhost", ca: readAll()["ca.crt"] });
      await new Promise((done, fail) => socket.once("secureConnect", done).once("error", fail));
      const { raw } = socket.getPeerCertificate();
      socket.destroy();
      return new X509Certificate(raw).toString();
    };
    return { server, served };
  }

  it("serves a renewed certificate without a restart, and the last good one while there is none", async () => {
    now = Date.now() - 61 * day;
    const source = open();
    const first = await source();
    const { server, served } = await serve(first);
    const messages: string[] = [];
    const note = (_fields: object, message: string) => void messages.push(message);
    const log = { info: note, warn: note, error: note };
    const follower = followCertificate({ source, first, server, metrics: createMetrics(), log });
    try {
      await follower.check();
      expect(await served()).toBe(first.cert);
      expect(messages).toEqual([]);

      now = Date.now();
      await follower.check();
      const renewed = readAll()["tls.crt"];
      expect(renewed).not.toBe(first.cert);
      expect(await served()).toBe(renewed);

      writeFileSync(at("ca.key"), "broken");
      await follower.check();
      expect(await served()).toBe(renewed);
      expect(messages).toHaveLength(2);
    } finally {
      follower.close();
      server.close();
    }
  });
});
