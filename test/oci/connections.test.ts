import { createServer } from "node:http";
import { connect as connectTo } from "node:net";
import { beforeAll, describe, expect, test } from "vitest";
import { createLocalAddressFilter } from "../../src/oci/address.ts";
import type { ConnectionSettings } from "../../src/oci/connections.ts";
import { createTransport, defaultTimeouts } from "../../src/oci/transport.ts";
import { collect, listen, serve } from "./server.ts";
import { createAuthority, type TestAuthority, type TestCertificate } from "./tls.ts";

let authority: TestAuthority;
let server: TestCertificate;
beforeAll(() => {
  authority = createAuthority();
  server = authority.issue("localhost", ["localhost", "127.0.0.1"]);
});

async function status(url: string, settings: ConnectionSettings, withClientCertificate = true): Promise<number> {
  const transport = createTransport({ ...settings, timeouts: defaultTimeouts, maxConcurrent: 4 });
  try {
    const response = await transport.send({ method: "GET", url: new URL(url), headers: {}, withClientCertificate });
    await collect(response.body);
    return response.status;
  } finally {
    transport.close();
  }
}

describe("TLS", () => {
  test("a certificate of an unknown authority is refused, of a given one accepted", async () => {
    const { origin } = await serve((_request, response) => response.end(), server);
    await expect(status(origin, {})).rejects.toMatchObject({ code: "TLS_FAILED", category: "config" });
    expect(await status(origin, { ca: authority.cert })).toBe(200);
  });

  test("a certificate for another name is refused", async () => {
    const other = authority.issue("other", ["other.example.com"]);
    const { origin } = await serve((_request, response) => response.end(), other);
    await expect(status(origin, { ca: authority.cert })).rejects.toMatchObject({ code: "TLS_FAILED" });
  });

  test("a server that speaks plain HTTP is not spoken to", async () => {
    const { host, requests } = await serve((_request, response) => response.end());
    await expect(status(`https://${host}/`, {})).rejects.toMatchObject({ code: "INSECURE_TRANSPORT_REFUSED" });
    expect(requests).toEqual([]);
  });

  test("a client certificate is shown where it is meant to be, and nowhere else", async () => {
    const tls = { ...server, ca: authority.cert, requestCert: true };
    const { origin } = await serve((_request, response) => response.end(), tls);
    const client = authority.issue("client");
    const settings = { ca: authority.cert, clientCert: client.cert, clientKey: client.key };
    expect(await status(origin, settings)).toBe(200);
    await expect(status(origin, settings, false)).rejects.toMatchObject({ code: expect.stringMatching(/TLS|UNREACH/) });
  });
});

describe("addresses", () => {
  const settings = { allowAddress: createLocalAddressFilter() };

  test.each([
    ["an address"],
    ["localhost"],
    ["2130706433"],
    ["0x7f.1"],
    ["0"],
    ["[::ffff:127.0.0.1]"],
    ["[::1]"],
    ["[::]"],
  ])("%s of this machine is refused before anything is sent", async (name) => {
    const { host, requests } = await serve((_request, response) => response.end());
    const target = name === "an address" ? host : host.replace("127.0.0.1", name);
    await expect(status(`http://${target}/`, settings)).rejects.toMatchObject({
      code: "REGISTRY_NOT_ALLOWED",
      category: "config",
    });
    expect(requests).toEqual([]);
  });

  test("a name is refused by what it resolves to, when it is connected to", async () => {
    const asked: string[] = [];
    const allowAddress = (address: string) => {
      asked.push(address);
      return address !== "127.0.0.1" && address !== "::1";
    };
    const { host, requests } = await serve((_request, response) => response.end());
    const allowFirst = {
      allowAddress: (address: string) =>
        asked.length === 0 && address === "127.0.0.1" ? asked.push(address) > 0 : allowAddress(address),
    };
    await expect(status(`http://${host.replace("127.0.0.1", "localhost")}/`, allowFirst)).rejects.toMatchObject({
      code: "REGISTRY_NOT_ALLOWED",
    });
    expect(asked.length).toBeGreaterThan(1);
    expect(requests).toEqual([]);
  });

  test("what is allowed is connected to", async () => {
    const { origin } = await serve((_request, response) => response.end());
    expect(await status(origin, { allowAddress: () => true })).toBe(200);
    expect(await status(origin.replace("127.0.0.1", "localhost"), { allowAddress: () => true })).toBe(200);
  });
});

describe("proxies", () => {
  /** A proxy that tunnels everything to one server. */
  async function serveProxy(target: string) {
    const asked: string[] = [];
    const proxy = await serve((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      response.end("from the proxy");
    });
    return { ...proxy, asked, target };
  }

  test("a plain request goes through the proxy, one to this machine does not", async () => {
    const proxy = await serveProxy("");
    const proxyEnv = { http_proxy: proxy.origin };
    expect(await status("http://registry.example.com/v2/", { proxyEnv })).toBe(200);
    expect(proxy.asked).toEqual(["GET http://registry.example.com/v2/"]);
    const own = await serve((_request, response) => response.writeHead(204).end());
    expect(await status(own.origin, { proxyEnv })).toBe(204);
  });

  test("NO_PROXY names what is asked directly", async () => {
    const proxy = await serveProxy("");
    const proxyEnv = { HTTP_PROXY: proxy.origin, NO_PROXY: "registry.invalid" };
    await expect(status("http://registry.invalid/", { proxyEnv })).rejects.toMatchObject({
      code: "REGISTRY_UNREACHABLE",
    });
    expect(proxy.asked).toEqual([]);
  });

  test("HTTPS goes through a tunnel and is checked end to end", async () => {
    const named = authority.issue("registry.example.com", ["registry.example.com"]);
    const target = await serve((_request, response) => response.writeHead(204).end(), named);
    const asked: (string | undefined)[] = [];
    const proxy = createServer().on("connect", (request, socket) => {
      asked.push(request.url);
      const [host, port] = target.host.split(":");
      const upstream = connectTo(Number(port), host, () => {
        socket.write("HTTP/1.1 200 OK\r\n\r\n");
        socket.pipe(upstream).pipe(socket);
      });
      for (const end of [socket, upstream]) end.on("error", () => {});
    });
    const { host } = await listen(proxy);
    const proxyEnv = { https_proxy: `http://${host}` };
    expect(await status("https://registry.example.com/v2/", { proxyEnv, ca: authority.cert })).toBe(204);
    await expect(status("https://registry.example.com/v2/", { proxyEnv })).rejects.toMatchObject({
      code: "TLS_FAILED",
    });
    expect(asked).toEqual(["registry.example.com:443", "registry.example.com:443"]);
  });

  test("behind a proxy addresses in names are refused, too", async () => {
    const proxy = await serveProxy("");
    const settings = { proxyEnv: { http_proxy: proxy.origin }, allowAddress: createLocalAddressFilter() };
    await expect(status("http://169.254.169.254/latest", settings)).rejects.toMatchObject({
      code: "REGISTRY_NOT_ALLOWED",
    });
    expect(await status("http://registry.invalid/", settings)).toBe(200);
    expect(proxy.asked).toEqual(["GET http://registry.invalid/"]);
  });
});
