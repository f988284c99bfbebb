import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { readBody } from "../../src/oci/body.ts";
import {
  createTransport,
  defaultTimeouts,
  type RequestEvent,
  type TransportSettings,
} from "../../src/oci/transport.ts";
import { collect, listen, readAll, serve } from "./server.ts";

const transportWith = (settings: Partial<TransportSettings> = {}) =>
  createTransport({ timeouts: defaultTimeouts, maxConcurrent: 16, ...settings });
const transport = transportWith();
const timeouts = { connect: 200, idle: 150, body: 300 };

/** A server that answers with exactly these bytes, then does as told. */
async function serveRaw(text: string, after: (socket: Socket) => void = (socket) => socket.end()): Promise<URL> {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => socket.write(text, () => after(socket)));
  });
  const { host } = await listen(server);
  return new URL(`http://${host}/`);
}

const get = (url: URL | string, more: { signal?: AbortSignal } = {}) =>
  transport.send({ method: "GET", url: new URL(url), headers: {}, ...more });

describe("answers", () => {
  test("come with status, headers and body, and are counted without secrets in the query", async () => {
    const events: RequestEvent[] = [];
    const { origin } = await serve((_request, response) => response.writeHead(201, { "X-A": "b" }).end("body"));
    const response = await transportWith({ onRequest: (event) => events.push(event) }).send({
      method: "GET",
      url: new URL(`${origin}/p?token=secret&n=5`),
      headers: {},
    });
    expect(response.status).toBe(201);
    expect(response.headers["x-a"]).toBe("b");
    expect(Buffer.concat(await collect(response.body)).toString()).toBe("body");
    expect(events).toEqual([{ method: "GET", url: `${origin}/p?n=5`, status: 201, ms: expect.any(Number) }]);
  });

  test("reuse one connection, also after a HEAD", async () => {
    const sockets = new Set<unknown>();
    const { origin } = await serve((request, response) => {
      sockets.add(request.socket);
      response.setHeader("Content-Length", 4);
      response.end(request.method === "HEAD" ? undefined : "body");
    });
    for (const method of ["HEAD", "GET", "HEAD", "GET"]) {
      const { body } = await transport.send({ method, url: new URL(origin), headers: {} });
      await collect(body);
    }
    expect(sockets.size).toBe(1);
  });

  test("that end early are a broken connection", async () => {
    const url = await serveRaw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort");
    const { body } = await get(url);
    await expect(collect(body)).rejects.toMatchObject({ code: "REGISTRY_UNREACHABLE" });
  });

  test("that are not HTTP are refused", async () => {
    await expect(get(await serveRaw("SSH-2.0-OpenSSH\r\n"))).rejects.toMatchObject({ code: "REGISTRY_UNREACHABLE" });
  });

  test("with endless headers are refused", async () => {
    const url = await serveRaw(`HTTP/1.1 200 OK\r\nX: ${"x".repeat(100_000)}`, () => {});
    await expect(get(url)).rejects.toMatchObject({ code: "REGISTRY_UNREACHABLE" });
  });
});

describe("time", () => {
  test("a connection that is refused is unreachable", async () => {
    const { origin, stop } = await serve(() => {});
    await stop();
    await expect(get(origin)).rejects.toMatchObject({
      code: "REGISTRY_UNREACHABLE",
      found: expect.stringContaining("ECONNREFUSED"),
    });
  });

  test("a server that never answers is given up", async () => {
    const { origin } = await serve(() => {});
    const slow = transportWith({ timeouts });
    await expect(slow.send({ method: "GET", url: new URL(origin), headers: {} })).rejects.toMatchObject({
      code: "REGISTRY_UNREACHABLE",
    });
  });

  test("a body that stops is given up", async () => {
    const { origin } = await serve((_request, response) => void response.writeHead(200).write("start"));
    const { body } = await transportWith({ timeouts }).send({ method: "GET", url: new URL(origin), headers: {} });
    await expect(collect(body)).rejects.toMatchObject({ code: "REGISTRY_UNREACHABLE" });
  });

  test("a body that drips for ever is given up", async () => {
    const { origin } = await serve((_request, response) => {
      const timer = setInterval(() => response.write("x"), 20);
      response.on("close", () => clearInterval(timer));
    });
    const response = await transportWith({ timeouts }).send({ method: "GET", url: new URL(origin), headers: {} });
    await expect(readBody(response, { maxBytes: 1_000_000, maxMs: timeouts.body }, "it")).rejects.toMatchObject({
      code: "REGISTRY_UNREACHABLE",
    });
  });

  test("an abort before, during and after the answer's head says that the time is up", async () => {
    const { origin } = await serve((request, response) => {
      if (request.url === "/body") response.writeHead(200).write("start");
    });
    const reached = { code: "DEADLINE_EXCEEDED", category: "unavailable" };
    await expect(get(origin, { signal: AbortSignal.abort() })).rejects.toMatchObject(reached);
    await expect(get(origin, { signal: AbortSignal.timeout(50) })).rejects.toMatchObject(reached);
    const { body } = await get(`${origin}/body`, { signal: AbortSignal.timeout(50) });
    await expect(collect(body)).rejects.toMatchObject(reached);
  });

  test("leaves no listeners on a signal that lives on", async () => {
    const { origin } = await serve((_request, response) => response.end("x"));
    const controller = new AbortController();
    const added: string[] = [];
    const { addEventListener, removeEventListener } = controller.signal;
    controller.signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
      added.push("added");
      addEventListener.apply(controller.signal, args);
    };
    controller.signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
      added.pop();
      removeEventListener.apply(controller.signal, args);
    };
    for (let i = 0; i < 3; i++) await collect((await get(origin, { signal: controller.signal })).body);
    expect(added).toEqual([]);
  });
});

describe("bounds", () => {
  test("a body with too large a length is not read", async () => {
    const { origin } = await serve((_request, response) => {
      response.writeHead(200, { "Content-Length": 1e12 });
      response.write("x");
    });
    const limits = { maxBytes: 10, maxMs: 1000 };
    await expect(readBody(await get(origin), limits, "it")).rejects.toMatchObject({ code: "CONTENT_TOO_LARGE" });
  });

  test("an endless body is cut at the limit", async () => {
    let closed = false;
    const { origin } = await serve((_request, response) => {
      const write = () => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536)));
      };
      response.on("drain", write);
      response.on("close", () => {
        closed = true;
      });
      write();
    });
    const limits = { maxBytes: 1_000_000, maxMs: 5000 };
    await expect(readBody(await get(origin), limits, "it")).rejects.toMatchObject({ code: "CONTENT_TOO_LARGE" });
    await expect.poll(() => closed).toBe(true);
  });

  test("only so many requests wait for one host at once", async () => {
    let [now, most] = [0, 0];
    const { origin } = await serve(async (_request, response) => {
      most = Math.max(most, ++now);
      await new Promise((resolve) => setTimeout(resolve, 10));
      now--;
      response.end();
    });
    const narrow = transportWith({ maxConcurrent: 3 });
    const request = { method: "GET", url: new URL(origin), headers: {} };
    await Promise.all(Array.from({ length: 12 }, async () => collect((await narrow.send(request)).body)));
    expect(most).toBe(3);
  });
});

describe("sending", () => {
  const put = (url: URL | string, body: Parameters<typeof transport.send>[0]["body"]) =>
    transport.send({ method: "PUT", url: new URL(url), headers: {}, body });

  test("bytes and streams arrive with their length", async () => {
    const seen: [string | undefined, number][] = [];
    const { origin } = await serve(async (request, response) => {
      seen.push([request.headers["content-length"], (await readAll(request)).length]);
      response.end();
    });
    await collect((await put(origin, Buffer.alloc(10))).body);
    const stream = {
      size: 3_000_000,
      async *open() {
        for (let i = 0; i < 30; i++) yield Buffer.alloc(100_000);
      },
    };
    await collect((await put(origin, stream)).body);
    expect(seen).toEqual([
      ["10", 10],
      ["3000000", 3_000_000],
    ]);
  });

  test("a stream of another length than it said is not sent to its end", async () => {
    const { origin } = await serve(
      async (request, response) => void response.end(String((await readAll(request)).length)),
    );
    for (const size of [5, 15]) {
      const stream = {
        size,
        async *open() {
          yield Buffer.alloc(10);
        },
      };
      await expect(put(origin, stream)).rejects.toMatchObject({ code: "CONTENT_MISMATCH" });
    }
  });

  test("a source that fails keeps its error, and the server sees no whole request", async () => {
    let whole = false;
    const { origin } = await serve(async (request) => {
      await readAll(request).catch(() => {});
      whole = request.complete;
    });
    const stream = {
      size: 10,
      async *open() {
        yield Buffer.alloc(5);
        throw new Error("source failed");
      },
    };
    await expect(put(origin, stream)).rejects.toThrow("source failed");
    expect(whole).toBe(false);
  });

  test("a refusal before the end of a stream is the answer, and the source is closed", async () => {
    let closed = false;
    const { origin } = await serve((_request, response) => void response.writeHead(413).end("no"));
    const stream = {
      size: 1e9,
      async *open() {
        try {
          for (;;) yield Buffer.alloc(65_536);
        } finally {
          closed = true;
        }
      },
    };
    const response = await put(origin, stream);
    expect(response.status).toBe(413);
    expect(Buffer.concat(await collect(response.body)).toString()).toBe("no");
    await expect.poll(() => closed).toBe(true);
  });

  test("a source that stands still is given up with the request", async () => {
    const { origin } = await serve(() => {});
    const stream = {
      size: 10,
      async *open() {
        yield Buffer.alloc(1);
        await new Promise(() => {});
      },
    };
    const slow = transportWith({ timeouts });
    await expect(slow.send({ method: "PUT", url: new URL(origin), headers: {}, body: stream })).rejects.toMatchObject({
      code: "REGISTRY_UNREACHABLE",
    });
  });

  test("a URL with a user is refused: it would become an Authorization header", async () => {
    const { host, requests } = await serve((_request, response) => response.end());
    await expect(get(`http://user:secret@${host}/`)).rejects.toMatchObject({ code: "REGISTRY_REFUSED" });
    expect(requests).toEqual([]);
  });
});

describe("idle connections", () => {
  test("close when asked", async () => {
    let socket: Socket | undefined;
    const { origin } = await serve((request, response) => {
      socket = request.socket;
      response.end();
    });
    const own = transportWith();
    await collect((await own.send({ method: "GET", url: new URL(origin), headers: {} })).body);
    own.close();
    if (socket?.destroyed === false) await once(socket, "close");
    expect(socket?.destroyed).toBe(true);
  });
});
