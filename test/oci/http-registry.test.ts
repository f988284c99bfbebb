import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { digestOf } from "../../src/crypto/digest.ts";
import { createHttpRegistry, type HttpRegistryOptions } from "../../src/oci/http-registry.ts";
import { mediaTypes } from "../../src/oci/manifest.ts";
import { parseReference, parseRepository } from "../../src/oci/reference.ts";
import type { RequestEvent } from "../../src/oci/transport.ts";
import { descriptorOf, makeImage, push } from "./artifacts.ts";
import { serveRegistry } from "./memory-registry.ts";
import { collect, listen, sendError, sendJson, serve } from "./server.ts";
import { createAuthority } from "./tls.ts";

const image = makeImage("one");
const blob = image.blobs[0] ?? Buffer.of();
const blobDescriptor = descriptorOf(blob, "x");
const fast = { retry: { base: 1, maxPause: 2, maxRetryAfter: 50 } } satisfies HttpRegistryOptions;
const registry = createHttpRegistry({ ...fast, retry: { ...fast.retry, attempts: 2 } });
const at = (host: string) => parseReference(`${host}/app:v1`);
const atDigest = (host: string) => parseReference(`${host}/app@${image.descriptor.digest}`);

type Headers = Record<string, string | number>;

function sendManifest(request: IncomingMessage, response: ServerResponse, headers: Headers = {}, bytes = image.bytes) {
  const common = { "Content-Type": image.mediaType, "Docker-Content-Digest": image.descriptor.digest };
  const all = { ...common, "Content-Length": bytes.length, ...headers };
  response.writeHead(200, Object.fromEntries(Object.entries(all).filter(([, value]) => value !== "")));
  response.end(request.method === "HEAD" ? undefined : bytes);
}

/** A registry that answers every request for a manifest with these headers and bytes. */
const serveManifest = (headers: Headers = {}, bytes = image.bytes) =>
  serve((request, response) => sendManifest(request, response, headers, bytes));

describe("a manifest", () => {
  test("is asked for with every media type it can have", async () => {
    let accept = "";
    const { host } = await serve((request, response) => {
      accept = request.headers.accept ?? "";
      sendManifest(request, response);
    });
    await registry.resolve(at(host));
    expect(accept.split(", ").sort()).toEqual(
      [mediaTypes.dockerList, mediaTypes.dockerManifest, mediaTypes.imageIndex, mediaTypes.imageManifest].sort(),
    );
  });

  test("is resolved by one HEAD", async () => {
    const { host, requests } = await serveManifest();
    expect(await registry.resolve(at(host))).toEqual(image.descriptor);
    expect(requests).toEqual(["HEAD /v2/app/manifests/v1"]);
  });

  test.each<[string, Headers]>([
    ["digest", { "Docker-Content-Digest": "" }],
    ["readable digest", { "Docker-Content-Digest": "sha256:nonsense" }],
    ["media type", { "Content-Type": "" }],
    ["media type of a manifest", { "Content-Type": "application/json; charset=utf-8" }],
  ])("whose HEAD has no %s is fetched and looked at", async (_what, headers) => {
    const { host, requests } = await serveManifest(headers);
    expect(await registry.resolve(at(host))).toEqual(image.descriptor);
    expect(requests).toEqual(["HEAD /v2/app/manifests/v1", "GET /v2/app/manifests/v1"]);
  });

  test("of a registry without HEAD is fetched", async () => {
    const { host } = await serve((request, response) =>
      request.method === "HEAD" ? response.writeHead(405).end() : sendManifest(request, response),
    );
    expect(await registry.resolve(at(host))).toEqual(image.descriptor);
  });

  test("that is another one than the digest says is refused, by HEAD and by GET", async () => {
    const other = makeImage("two");
    const { host } = await serveManifest({ "Docker-Content-Digest": other.descriptor.digest }, other.bytes);
    const mismatch = { code: "CONTENT_MISMATCH", category: "untrusted", expected: image.descriptor.digest };
    await expect(registry.resolve(atDigest(host))).rejects.toMatchObject(mismatch);
    await expect(registry.fetchManifest(at(host), image.descriptor.digest)).rejects.toMatchObject(mismatch);
  });

  test("of other bytes under the right header is refused", async () => {
    const { host } = await serveManifest({}, makeImage("two").bytes);
    for (const reference of ["v1", image.descriptor.digest])
      await expect(registry.fetchManifest(at(host), reference)).rejects.toMatchObject({ code: "CONTENT_MISMATCH" });
  });

  test("without a digest header is hashed", async () => {
    const { host } = await serveManifest({ "Docker-Content-Digest": "" });
    expect((await registry.fetchManifest(at(host), "v1")).descriptor).toEqual(image.descriptor);
  });

  test("with a sha512 digest is checked by it", async () => {
    const digest = digestOf(image.bytes, "sha512");
    const { host } = await serveManifest({ "Docker-Content-Digest": digest });
    expect((await registry.fetchManifest(at(host), "v1")).descriptor.digest).toBe(digest);
    expect((await registry.fetchManifest(at(host), digest)).descriptor.digest).toBe(digest);
    const other = digestOf(Buffer.from("x"), "sha512");
    await expect(registry.fetchManifest(at(host), other)).rejects.toMatchObject({ code: "CONTENT_MISMATCH" });
  });

  test("that is no manifest is refused", async () => {
    for (const text of ["<html>", "null", "[]", '{"mediaType":"x/y"}', "{}"]) {
      const bytes = Buffer.from(text);
      const { host } = await serveManifest({ "Content-Type": "text/plain", "Docker-Content-Digest": "" }, bytes);
      await expect(registry.fetchManifest(at(host), "v1")).rejects.toMatchObject({ code: "MANIFEST_INVALID" });
    }
  });

  test("of more than 4 MiB is not read, whether it says so or not", async () => {
    const huge = Buffer.alloc(4 * 1024 * 1024 + 1, " ");
    const { host } = await serveManifest({}, huge);
    await expect(registry.fetchManifest(at(host), "v1")).rejects.toMatchObject({ code: "CONTENT_TOO_LARGE" });
    const { host: silent } = await serve((_request, response) => {
      response.writeHead(200, { "Content-Type": image.mediaType });
      response.end(huge);
    });
    await expect(registry.fetchManifest(at(silent), "v1")).rejects.toMatchObject({ code: "CONTENT_TOO_LARGE" });
    await expect(registry.pushManifest(at(host), { bytes: huge, mediaType: image.mediaType })).rejects.toMatchObject({
      code: "CONTENT_TOO_LARGE",
    });
  });

  test("compressed on the way is refused", async () => {
    const { host } = await serveManifest({ "Content-Encoding": "gzip" }, Buffer.from("1f8b", "hex"));
    await expect(registry.fetchManifest(at(host), "v1")).rejects.toMatchObject({ code: "CONTENT_MISMATCH" });
  });

  test("whose push is answered with another digest was not stored", async () => {
    const { host } = await serve((_request, response) =>
      response.writeHead(201, { "Docker-Content-Digest": digestOf(Buffer.from("x")) }).end(),
    );
    await expect(registry.pushManifest(at(host), image)).rejects.toMatchObject({ code: "CONTENT_MISMATCH" });
  });

  test("that was changed meanwhile is not overwritten where If-Match is honoured", async () => {
    const running = await serveRegistry({ ifMatch: "honoured" });
    const name = parseRepository(`${running.host}/app`);
    await push(registry, name, image, "v1");
    const { etag } = await registry.fetchManifest(name, "v1");
    const two = makeImage("two");
    await push(registry, name, two, "v1");
    await expect(registry.pushManifest(name, { ...image, tag: "v1" }, { ifMatch: etag })).rejects.toMatchObject({
      code: "UPDATE_CONFLICT",
    });
    const now = await registry.fetchManifest(name, "v1");
    await registry.pushManifest(name, { ...image, tag: "v1" }, { ifMatch: now.etag });
    expect((await registry.resolve(at(running.host))).digest).toBe(image.descriptor.digest);
  });

  test.each([["1.2.3.4.5"], ["a.0x"]])("is not asked of %s, which is no host", async (host) => {
    await expect(registry.resolve(at(host))).rejects.toMatchObject({ code: "REFERENCE_INVALID", category: "usage" });
  });

  test.each([["../../x"], ["v1/../v2"], ["v1?x=y"], ["a b"], [""], [`sha256:${"A".repeat(64)}`]])(
    "cannot be asked for as %j",
    async (reference) => {
      const { host, requests } = await serveManifest();
      await expect(registry.fetchManifest(at(host), reference)).rejects.toMatchObject({ code: "REFERENCE_INVALID" });
      const name = { registry: host, repository: reference };
      await expect(registry.fetchManifest(name, "v1")).rejects.toMatchObject({ code: "REFERENCE_INVALID" });
      expect(requests).toEqual([]);
    },
  );
});

describe("a blob", () => {
  const serveBlob = (bytes: Buffer, headers: Headers = {}) =>
    serve((_request, response) => response.writeHead(200, { "Content-Length": bytes.length, ...headers }).end(bytes));

  test("of other bytes is refused, in one piece and streamed", async () => {
    for (const bytes of [Buffer.alloc(blob.length), blob.subarray(1), Buffer.concat([blob, blob])]) {
      const { host } = await serveBlob(bytes);
      const mismatch = { code: "CONTENT_MISMATCH" };
      await expect(registry.fetchBlob(at(host), blobDescriptor, 1e6)).rejects.toMatchObject(mismatch);
      await expect(collect(registry.streamBlob(at(host), blobDescriptor))).rejects.toMatchObject(mismatch);
    }
  });

  test("beyond the caller's limit is not asked for", async () => {
    const { host, requests } = await serveBlob(blob);
    await expect(registry.fetchBlob(at(host), blobDescriptor, blob.length - 1)).rejects.toMatchObject({
      code: "CONTENT_TOO_LARGE",
    });
    expect(requests).toEqual([]);
  });

  test("that never ends is cut at its size", async () => {
    const { host } = await serve((_request, response) => {
      const write = () => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536)));
      };
      response.on("drain", write);
      write();
    });
    await expect(registry.fetchBlob(at(host), blobDescriptor, 1e6)).rejects.toMatchObject({ code: "CONTENT_MISMATCH" });
    await expect(collect(registry.streamBlob(at(host), blobDescriptor))).rejects.toMatchObject({
      code: "CONTENT_MISMATCH",
    });
  });

  test("comes whole although the connection breaks, and only the rest is asked for again", async () => {
    const content = Buffer.alloc(1_000_000, "abcdefghij");
    const descriptor = descriptorOf(content, "x");
    const ranges: (string | undefined)[] = [];
    const { host } = await serve((request, response) => {
      ranges.push(request.headers.range);
      const start = Number(/\d+/.exec(request.headers.range ?? "0")?.[0]);
      const range = start > 0 ? { "Content-Range": `bytes ${start}-${content.length - 1}/${content.length}` } : {};
      response.writeHead(start > 0 ? 206 : 200, { "Content-Length": content.length - start, ...range });
      response.write(content.subarray(start, start + 300_000), () => {
        if (start + 300_000 >= content.length) response.end();
        else response.destroy();
      });
    });
    const pieces = await collect(createHttpRegistry(fast).streamBlob(at(host), descriptor));
    expect(Buffer.concat(pieces).equals(content)).toBe(true);
    expect(ranges[0]).toBeUndefined();
    expect(ranges.length).toBeGreaterThan(2);
  });

  test("comes whole also from a registry that sends all of it again, and never from one that sends another part", async () => {
    const content = Buffer.alloc(100_000, "abcdefghij");
    const descriptor = descriptorOf(content, "x");
    let tries = 0;
    const { host } = await serve((_request, response) => {
      response.writeHead(200, { "Content-Length": content.length });
      const isFirst = tries++ === 0;
      response.write(content.subarray(0, isFirst ? 40_000 : undefined), () =>
        isFirst ? response.destroy() : response.end(),
      );
    });
    const pieces = await collect(createHttpRegistry(fast).streamBlob(at(host), descriptor));
    expect(Buffer.concat(pieces).equals(content)).toBe(true);
    const { host: wrong } = await serve((request, response) => {
      if (request.headers.range === undefined) {
        response.writeHead(200, { "Content-Length": content.length });
        response.write(content.subarray(0, 40_000), () => response.destroy());
        return;
      }
      response.writeHead(206, { "Content-Range": `bytes 5-${content.length - 1}/${content.length}` });
      response.end(content.subarray(5));
    });
    await expect(collect(registry.streamBlob(at(wrong), descriptor))).rejects.toMatchObject({ code: "REGISTRY_ERROR" });
  });
});

describe("listings", () => {
  test("of tags go over all pages and end", async () => {
    const running = await serveRegistry({ pageSize: 2 });
    const name = parseRepository(`${running.host}/app`);
    for (const tag of ["a", "b", "c", "d", "e"]) await push(registry, name, image, tag);
    expect(await collect(registry.listTags(name))).toEqual(["a", "b", "c", "d", "e"]);
  });

  test("of a repository without tags are empty", async () => {
    const { host } = await serve((_request, response) => sendJson(response, 200, { name: "app", tags: null }));
    expect(await collect(registry.listTags(at(host)))).toEqual([]);
  });

  const linking = (link: string) =>
    serve((_request, response) => sendJson(response, 200, { tags: ["v1"], repositories: ["app"] }, { Link: link }));

  test.each([
    ["itself", '</v2/app/tags/list?n=1000>; rel="next"'],
    ["another host", '<https://elsewhere.example.com/v2/app/tags/list>; rel="next"'],
    ["another host without scheme", '<//elsewhere.example.com/v2/x>; rel="next"'],
    ["another part of the registry", '</admin>; rel="next"'],
    ["no URL", '<http://[>; rel="next"'],
  ])("that continue at %s are refused", async (_what, link) => {
    const { host, requests } = await linking(link);
    await expect(collect(registry.listTags(at(host)))).rejects.toMatchObject({ code: "REGISTRY_ERROR" });
    expect(requests).toHaveLength(1);
  });

  test("that never end are ended", async () => {
    let page = 0;
    const { host } = await serve((_request, response) =>
      sendJson(response, 200, { tags: ["v1"] }, { Link: `</v2/app/tags/list?last=${page++}>; rel="next"` }),
    );
    await expect(collect(registry.listTags(at(host)))).rejects.toMatchObject({ code: "CONTENT_TOO_LARGE" });
  });

  test.each([["<html>"], ['{"tags":"v1"}'], ['{"tags":["../x"]}'], ['{"tags":[5]}'], ["[]"]])(
    "that say %s are refused",
    async (body) => {
      const { host } = await serve((_request, response) => response.end(body));
      await expect(collect(registry.listTags(at(host)))).rejects.toMatchObject({ code: "REGISTRY_ERROR" });
    },
  );

  test("of more than 4 MiB a page are refused", async () => {
    const { host } = await serve((_request, response) => sendJson(response, 200, { tags: ["x".repeat(2 ** 22)] }));
    await expect(collect(registry.listTags(at(host)))).rejects.toMatchObject({ code: "CONTENT_TOO_LARGE" });
  });
});

describe("the list of repositories", () => {
  test("is asked for with credentials at once, as some registries show strangers less without a word", async () => {
    const { host } = await serve((request, response) => {
      const isBob = request.headers.authorization === `Basic ${Buffer.from("bob:secret").toString("base64")}`;
      sendJson(response, 200, { repositories: isBob ? ["private", "public"] : ["public"] });
    });
    const credentials = { credentialsFor: async () => ({ username: "bob", password: "secret" }) };
    expect(await collect(createHttpRegistry({ credentials }).listRepositories(host))).toEqual(["private", "public"]);
    expect(await collect(registry.listRepositories(host))).toEqual(["public"]);
  });

  test("is asked for without credentials where they would not stay secret", async () => {
    const proxy = await serve((request, response) => {
      expect(request.headers.authorization).toBeUndefined();
      sendJson(response, 200, { repositories: ["public"] });
    });
    const credentials = { credentialsFor: async () => ({ username: "bob", password: "secret" }) };
    const open = createHttpRegistry({ credentials, plainHttp: true, proxyEnv: { http_proxy: proxy.origin } });
    expect(await collect(open.listRepositories("registry.example.com"))).toEqual(["public"]);
  });
});

describe("failures", () => {
  test.each([
    [400, "REGISTRY_REFUSED", "config"],
    [401, "AUTHENTICATION_REQUIRED", "config"],
    [403, "AUTHORIZATION_DENIED", "config"],
    [404, "IMAGE_NOT_FOUND", "untrusted"],
    [418, "REGISTRY_REFUSED", "config"],
    [429, "REGISTRY_ERROR", "unavailable"],
    [500, "REGISTRY_ERROR", "unavailable"],
    [503, "REGISTRY_ERROR", "unavailable"],
    [599, "REGISTRY_ERROR", "unavailable"],
    [204, "REGISTRY_ERROR", "unavailable"],
  ])("the answer %i is %s", async (status, code, category) => {
    const { host } = await serve((_request, response) => sendError(response, status, "SOME_CODE"));
    const error = { code, category, message: expect.stringContaining(`${host}/app`) };
    await expect(registry.fetchManifest(at(host), "v1")).rejects.toMatchObject(error);
  });

  test("tell the registry's own words, cleaned and short", async () => {
    const { host } = await serve((_request, response) =>
      sendJson(response, 403, {
        errors: [{ code: "DENIED", message: `no\u001b[31m \u202eright\r\nto do that ${"x".repeat(5000)}` }],
      }),
    );
    const error = await registry.fetchManifest(at(host), "v1").catch((thrown: unknown) => thrown as Error);
    const { message } = error as Error;
    expect(message).toContain("DENIED: no [31m right to do that x");
    expect(message.length).toBeLessThan(600);
    expect(message).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  });

  test.each([["an endless body"], ["no body"], ["JSON of another kind"]])("with %s are told, too", async (kind) => {
    const { host } = await serve((_request, response) => {
      response.writeHead(400);
      if (kind === "no body") return response.end();
      if (kind === "JSON of another kind") return response.end('{"errors":[null,5,{"code":7}]}');
      const timer = setInterval(() => response.write("x".repeat(50_000)), 1);
      return response.on("close", () => clearInterval(timer));
    });
    await expect(registry.fetchManifest(at(host), "v1")).rejects.toMatchObject({ code: "REGISTRY_REFUSED" });
  });

  test("that may pass are tried again, within bounds", async () => {
    let failures = 3;
    const { host, requests } = await serve((request, response) =>
      failures-- > 0 ? sendError(response, 503, "UNAVAILABLE") : sendManifest(request, response),
    );
    const events: RequestEvent[] = [];
    const patient = createHttpRegistry({ ...fast, onRequest: (event) => events.push(event) });
    expect(await patient.resolve(at(host))).toEqual(image.descriptor);
    expect(events.map(({ status }) => status)).toEqual([503, 503, 503, 200]);
    failures = 100;
    requests.length = 0;
    await expect(patient.resolve(at(host))).rejects.toMatchObject({ code: "REGISTRY_ERROR" });
    expect(requests).toHaveLength(4);
  });

  test("a Retry-After in seconds and as a date is waited for, up to the limit", async () => {
    const started = performance.now();
    for (const value of ["1", new Date(Date.now() + 3_600_000).toUTCString()]) {
      let first = true;
      const { host } = await serve((request, response) => {
        if (!first) return sendManifest(request, response);
        first = false;
        return sendError(response, 429, "TOOMANYREQUESTS", { "Retry-After": value });
      });
      await createHttpRegistry({ retry: { base: 1, maxRetryAfter: 60 } }).resolve(at(host));
    }
    expect(performance.now() - started).toBeGreaterThanOrEqual(115);
    expect(performance.now() - started).toBeLessThan(2_000);
  });

  test("a deadline ends the pauses", async () => {
    const { host } = await serve((_request, response) => sendError(response, 429, "X", { "Retry-After": "30" }));
    const started = performance.now();
    await expect(createHttpRegistry().resolve(at(host), { signal: AbortSignal.timeout(60) })).rejects.toMatchObject({
      code: "DEADLINE_EXCEEDED",
      category: "unavailable",
    });
    expect(performance.now() - started).toBeLessThan(1_000);
  });

  test("a connection that is cut is mended, in the head and in the body", async () => {
    let requests = 0;
    const server = createServer((socket: Socket) => {
      socket.on("error", () => {});
      socket.once("data", () => {
        const head = `HTTP/1.1 200 OK\r\nContent-Type: ${image.mediaType}\r\nContent-Length: ${image.bytes.length}\r\n\r\n`;
        requests += 1;
        if (requests === 1) socket.resetAndDestroy();
        else if (requests === 2) socket.end(head + image.bytes.toString().slice(0, 50));
        else socket.end(head + image.bytes);
      });
    });
    const { host } = await listen(server);
    // Both schemes of a name with a port: the cut might have meant TLS, so one more connection is made.
    const patient = createHttpRegistry({ ...fast, retry: { ...fast.retry, attempts: 6 } });
    expect((await patient.fetchManifest(at(host), "v1")).bytes).toEqual(image.bytes);
  });
});

describe("redirects", () => {
  test("of content are followed, those of a push are not", async () => {
    const other = await serve((request, response) => sendManifest(request, response));
    const { host } = await serve((request, response) =>
      response.writeHead(307, { Location: `${other.origin}${request.url}` }).end(),
    );
    expect((await registry.fetchManifest(at(host), "v1")).bytes).toEqual(image.bytes);
    await expect(registry.pushManifest(at(host), image)).rejects.toMatchObject({ code: "REGISTRY_ERROR" });
    expect(other.requests).toEqual(["GET /v2/app/manifests/v1"]);
  });

  test("that go in circles end", async () => {
    const { host, requests } = await serve((_request, response) =>
      response.writeHead(302, { Location: `/v2/${requests.length}` }).end(),
    );
    await expect(registry.resolve(at(host))).rejects.toMatchObject({ code: "REGISTRY_ERROR" });
    expect(requests).toHaveLength(6);
  });

  test.each([
    [""],
    ["file:///etc/passwd"],
    ["http://[bad"],
    ["http://user:pw@127.0.0.1/"],
    ["http://registry.example.com/"],
  ])("to %j are not followed", async (location) => {
    const { host } = await serve((_request, response) => response.writeHead(302, { Location: location }).end());
    await expect(registry.resolve(at(host))).rejects.toMatchObject({
      code: expect.stringMatching(/^REGISTRY_(?:ERROR|REFUSED)$|^INSECURE_TRANSPORT_REFUSED$/),
    });
  });

  test("from HTTPS to HTTP are refused, also on this machine", async () => {
    const authority = createAuthority();
    const plain = await serve((request, response) => sendManifest(request, response));
    const { host } = await serve(
      (request, response) => response.writeHead(302, { Location: `${plain.origin}${request.url}` }).end(),
      authority.issue("localhost", ["127.0.0.1"]),
    );
    await expect(createHttpRegistry({ ca: authority.cert }).resolve(at(host))).rejects.toMatchObject({
      code: "INSECURE_TRANSPORT_REFUSED",
    });
    expect(plain.requests).toEqual([]);
  });

  test("to a refused address are not followed", async () => {
    const other = await serve((request, response) => sendManifest(request, response));
    const { host } = await serve((_request, response) =>
      response.writeHead(302, { Location: other.origin.replace("127.0.0.1", "127.0.0.2") }).end(),
    );
    const careful = createHttpRegistry({ allowAddress: (address) => address === "127.0.0.1" });
    await expect(careful.resolve(at(host))).rejects.toMatchObject({ code: "REGISTRY_NOT_ALLOWED" });
    expect(other.requests).toEqual([]);
  });
});

describe("the scheme", () => {
  test("of a registry on this machine is found out: HTTP first, HTTPS where only that answers", async () => {
    const authority = createAuthority();
    const { host, requests } = await serve(
      (request, response) => sendManifest(request, response),
      authority.issue("localhost", ["127.0.0.1"]),
    );
    const trusting = createHttpRegistry({ ...fast, ca: authority.cert });
    expect(await trusting.resolve(at(host))).toEqual(image.descriptor);
    await expect(createHttpRegistry(fast).resolve(at(host))).rejects.toMatchObject({ code: "TLS_FAILED" });
    expect(requests).toHaveLength(1);
  });

  test("is HTTP on this machine although a certificate authority was given", async () => {
    const { host } = await serveManifest();
    const registry = createHttpRegistry({ ca: createAuthority().cert });
    expect(await registry.resolve(at(host))).toEqual(image.descriptor);
  });

  test("is never HTTP where that was forbidden", async () => {
    const { host, requests } = await serveManifest();
    await expect(createHttpRegistry({ plainHttp: false }).resolve(at(host))).rejects.toMatchObject({
      code: "INSECURE_TRANSPORT_REFUSED",
    });
    expect(requests).toEqual([]);
  });

  test("of a registry that answers 400 to everything stays HTTP", async () => {
    const { host } = await serve((_request, response) => sendError(response, 400, "UNSUPPORTED"));
    await expect(registry.fetchManifest(at(host), "v1")).rejects.toMatchObject({
      code: "REGISTRY_REFUSED",
      message: expect.stringContaining("UNSUPPORTED"),
    });
  });

  test("of a registry on another machine is HTTPS, unless plain HTTP was asked for", async () => {
    const asked: string[] = [];
    const proxy = await serve((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      sendManifest(request, response);
    });
    const proxyEnv = { http_proxy: proxy.origin, https_proxy: proxy.origin };
    const ref = parseReference("registry.example.com/app:v1");
    await expect(createHttpRegistry({ ...fast, proxyEnv }).resolve(ref)).rejects.toMatchObject({
      category: "unavailable",
    });
    expect(asked).toEqual([]);
    await createHttpRegistry({ plainHttp: true, proxyEnv }).resolve(ref);
    expect(asked).toEqual(["HEAD http://registry.example.com/v2/app/manifests/v1"]);
  });
});
