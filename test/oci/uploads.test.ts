import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { describe, expect, test } from "vitest";
import { createHttpRegistry, type HttpRegistryOptions } from "../../src/oci/http-registry.ts";
import { parseRepository } from "../../src/oci/reference.ts";
import { type BlobContent, blobOf } from "../../src/oci/registry.ts";
import { type MemoryRegistry, type MemoryRegistryOptions, serveRegistry } from "./memory-registry.ts";
import { sendError, serve } from "./server.ts";

const options: HttpRegistryOptions = {
  retry: { base: 1, maxPause: 2 },
  uploads: { chunkedFrom: 10_000, chunkSize: 30_000 },
};
const registry = createHttpRegistry(options);
const content = Buffer.alloc(100_000, "abcdefghijklmnopqrstuvwxyz");
const digest = `sha256:${createHash("sha256").update(content).digest("hex")}` as const;
const small = content.subarray(0, 5_000);
const smallDigest = `sha256:${createHash("sha256").update(small).digest("hex")}` as const;

/** The content in pieces of another size than the chunks; counts how often it was opened. */
function streamed(bytes = content): BlobContent & { opened: number } {
  const blob = {
    digest: bytes === content ? digest : smallDigest,
    size: bytes.length,
    opened: 0,
    async *open() {
      blob.opened += 1;
      for (let at = 0; at < bytes.length; at += 7_777) yield bytes.subarray(at, at + 7_777);
    },
  };
  return blob;
}

const nameAt = ({ host }: { host: string }) => parseRepository(`${host}/app`);
const stored = ({ blobs }: MemoryRegistry, of = digest) => blobs.get(`app/${of}`);
const methods = ({ requests }: { requests: readonly string[] }) => requests.map((line) => line.split(" ")[0]);

/** A registry that treats the requests of one method specially, each counted from 1. */
function serveFaulty(
  method: string,
  fault: (count: number, request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>,
  more: MemoryRegistryOptions = {},
): Promise<MemoryRegistry> {
  let count = 0;
  return serveRegistry({
    ...more,
    intercept: (request, response, path) =>
      request.method === method && path.includes("/blobs/") ? fault(++count, request, response) : false,
  });
}

/** Takes so many bytes of the body, then cuts the connection. */
async function cutAfter(bytes: number, request: IncomingMessage): Promise<true> {
  let seen = 0;
  for await (const piece of request) {
    seen += (piece as Buffer).length;
    if (seen >= bytes) break;
  }
  request.socket.destroy();
  return true;
}

describe("a small blob", () => {
  test("goes up in one piece, with its digest beside what the Location holds", async () => {
    const running = await serveRegistry();
    await registry.pushBlob(nameAt(running), streamed(small));
    expect(stored(running, smallDigest)).toEqual(small);
    expect(methods(running)).toEqual(["HEAD", "POST", "PUT"]);
    expect(running.requests[2]).toContain("_state=secret&digest=sha256%3A");
  });

  test("is sent again from the start when the connection breaks", async () => {
    const running = await serveFaulty("PUT", (count, request) => (count < 3 ? cutAfter(100, request) : false));
    const blob = streamed(small);
    await registry.pushBlob(nameAt(running), blob);
    expect(stored(running, smallDigest)).toEqual(small);
    expect(blob.opened).toBe(3);
  });

  test("is not sent again when only the answer was lost", async () => {
    const running = await serveFaulty("PUT", async (_count, request) => {
      for await (const _ of request);
      running.blobs.set(`app/${smallDigest}`, small);
      request.socket.destroy();
      return true;
    });
    const blob = streamed(small);
    await registry.pushBlob(nameAt(running), blob);
    expect(blob.opened).toBe(1);
  });

  test("waits when the registry is busy", async () => {
    const running = await serveFaulty("PUT", (count, request, response) => {
      if (count > 2) return false;
      request.resume();
      sendError(response, 429, "TOOMANYREQUESTS");
      return true;
    });
    await registry.pushBlob(nameAt(running), streamed(small));
    expect(methods(running)).toEqual(["HEAD", "POST", "PUT", "PUT", "PUT"]);
  });

  test("of other content than named is refused by the registry, and that is final", async () => {
    const running = await serveRegistry();
    await expect(registry.pushBlob(nameAt(running), { ...streamed(small), digest })).rejects.toMatchObject({
      code: "REGISTRY_REFUSED",
      message: expect.stringContaining("DIGEST_INVALID"),
    });
    expect(methods(running)).toEqual(["HEAD", "POST", "PUT"]);
  });

  test("whose source fails is not stored, and the source's error is told", async () => {
    const running = await serveRegistry();
    const failing = {
      ...streamed(small),
      async *open() {
        yield small.subarray(0, 10);
        throw new Error("source failed");
      },
    };
    await expect(registry.pushBlob(nameAt(running), failing)).rejects.toThrow("source failed");
    expect(running.blobs.size).toBe(0);
  });

  test("is given up on a registry that never works", async () => {
    const running = await serveFaulty("PUT", (_count, request) => cutAfter(1, request));
    await expect(registry.pushBlob(nameAt(running), streamed(small))).rejects.toMatchObject({
      code: "REGISTRY_UNREACHABLE",
    });
    expect(methods(running).filter((method) => method === "PUT")).toHaveLength(5);
  });
});

describe("a large blob", () => {
  test("goes up in chunks with their ranges", async () => {
    const ranges: (string | undefined)[] = [];
    const running = await serveFaulty("PATCH", (_count, request) => {
      ranges.push(request.headers["content-range"]);
      return false;
    });
    const blob = streamed();
    await registry.pushBlob(nameAt(running), blob);
    expect(stored(running)).toEqual(content);
    expect(ranges).toEqual(["0-29999", "30000-59999", "60000-89999", "90000-99999"]);
    expect(blob.opened).toBe(1);
  });

  test("goes on from where the registry has it when the connection breaks in a chunk", async () => {
    const ranges: (string | undefined)[] = [];
    const running = await serveRegistry({
      intercept: async (request, _response, path) => {
        if (request.method !== "PATCH") return false;
        ranges.push(request.headers["content-range"]);
        // The registry keeps what arrived, as its own handler would.
        if (ranges.length === 2) request.on("data", () => request.socket.destroy());
        return path === "";
      },
    });
    const blob = streamed();
    await registry.pushBlob(nameAt(running), blob);
    expect(stored(running)).toEqual(content);
    // Nothing is kept: what is sent again is read again.
    expect(blob.opened).toBe(2);
    expect(ranges.length).toBeGreaterThan(4);
    expect(methods(running)).toContain("GET");
  });

  test("starts anew when the registry has forgotten the upload", async () => {
    const running = await serveFaulty("PATCH", (count, request, response) => {
      if (count !== 2) return false;
      request.resume();
      sendError(response, 404, "BLOB_UPLOAD_UNKNOWN");
      return true;
    });
    const blob = streamed();
    await registry.pushBlob(nameAt(running), blob);
    expect(stored(running)).toEqual(content);
    expect(blob.opened).toBe(2);
  });

  test("goes up in one piece where the registry takes no chunks", async () => {
    const running = await serveFaulty("PATCH", (_count, request, response) => {
      request.resume();
      sendError(response, 405, "UNSUPPORTED");
      return true;
    });
    await registry.pushBlob(nameAt(running), streamed());
    expect(stored(running)).toEqual(content);
    expect(methods(running).filter((method) => method === "PATCH")).toHaveLength(1);
  });

  test("has chunks as large as the registry asks for", async () => {
    const running = await serveFaulty("POST", (_count, _request, response) => {
      response.setHeader("OCI-Chunk-Min-Length", "50000");
      return false;
    });
    await registry.pushBlob(nameAt(running), streamed());
    expect(methods(running).filter((method) => method === "PATCH")).toHaveLength(2);
    expect(stored(running)).toEqual(content);
  });

  test("that the registry claims to have more of than it was sent goes up again from the start", async () => {
    let cut = false;
    const cutting = await serveRegistry({
      intercept: (request, response, path) => {
        if (request.method === "PATCH" && !cut) {
          cut = true;
          request.socket.destroy();
          return true;
        }
        if (request.method === "GET" && path.includes("/uploads/")) {
          response.writeHead(204, { Range: "0-99999999" }).end();
          return true;
        }
        return false;
      },
    });
    const blob = streamed();
    await registry.pushBlob(nameAt(cutting), blob);
    expect(stored(cutting)).toEqual(content);
    expect(blob.opened).toBe(2);
  });
});

describe("where to", () => {
  const startingAt = (location: string | undefined) =>
    serve((request, response) => {
      if (request.method === "HEAD") return response.writeHead(404).end();
      return response.writeHead(202, location === undefined ? {} : { Location: location }).end();
    });

  test.each([[undefined], ["http://[bad"], ["ftp://host/x"], ["file:///etc"]])(
    "the Location %s is no place to upload to",
    async (location) => {
      const running = await startingAt(location);
      await expect(registry.pushBlob(nameAt(running), streamed(small))).rejects.toMatchObject({
        code: "REGISTRY_ERROR",
      });
    },
  );

  test("another host over plain HTTP is refused", async () => {
    const running = await startingAt("http://registry.example.com/upload");
    await expect(registry.pushBlob(nameAt(running), streamed(small))).rejects.toMatchObject({
      code: "INSECURE_TRANSPORT_REFUSED",
    });
  });

  test("another host gets the content, but no credentials", async () => {
    const seen: (string | undefined)[] = [];
    const store = await serve(async (request, response) => {
      seen.push(request.headers.authorization);
      for await (const _ of request);
      response.writeHead(201).end();
    });
    const running = await serve((request, response) => {
      if (request.headers.authorization === undefined)
        return sendError(response, 401, "UNAUTHORIZED", { "WWW-Authenticate": "Basic" });
      if (request.method === "HEAD") return response.writeHead(404).end();
      return response.writeHead(202, { Location: `${store.origin}/upload?signature=x` }).end();
    });
    const credentials = { credentialsFor: async () => ({ username: "bob", password: "secret" }) };
    await createHttpRegistry({ ...options, credentials }).pushBlob(nameAt(running), streamed(small));
    expect(seen).toEqual([undefined]);
    expect(store.requests).toEqual([`PUT /upload?signature=x&digest=${encodeURIComponent(smallDigest)}`]);
  });
});

describe("mounting", () => {
  test("takes the blob from another repository, else it is sent", async () => {
    const running = await serveRegistry();
    running.blobs.set(`base/${smallDigest}`, small);
    await registry.pushBlob(nameAt(running), streamed(small), { from: "base" });
    expect(methods(running)).toEqual(["HEAD", "POST"]);
    expect(stored(running, smallDigest)).toEqual(small);
    running.blobs.clear();
    await registry.pushBlob(nameAt(running), streamed(small), { from: "base" });
    expect(stored(running, smallDigest)).toEqual(small);
  });
});

test("nothing is sent where the blob is there", async () => {
  const running = await serveRegistry();
  await registry.pushBlob(nameAt(running), blobOf(small, smallDigest));
  const blob = streamed(small);
  await registry.pushBlob(nameAt(running), blob);
  expect(blob.opened).toBe(0);
});
