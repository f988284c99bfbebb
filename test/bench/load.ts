import { performance } from "node:perf_hooks";
import { connect, type TLSSocket } from "node:tls";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

/** What to send, over how many kept-alive connections at a time, and for how long. */
export interface Load {
  readonly port: number;
  /** PEM. */
  readonly ca: string;
  readonly path: string;
  readonly body: string;
  readonly connections: number;
  readonly milliseconds: number;
}

export interface LoadResult {
  readonly requests: number;
  /** Requests per second. */
  readonly perSecond: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** The body of the last answer. */
  readonly lastAnswer: string;
}

/**
 * Puts load on a server from a thread of its own: each connection sends the next request when the answer to the last one
 * is there. Throws where an answer is not 200.
 */
export function putLoad(load: Load): Promise<LoadResult> {
  const worker = new Worker(new URL(import.meta.url), { workerData: load });
  const { promise, resolve, reject } = Promise.withResolvers<LoadResult>();
  worker.once("message", resolve);
  worker.once("error", reject);
  return promise.finally(() => void worker.terminate());
}

async function run(load: Load): Promise<LoadResult> {
  const { body, path, connections, milliseconds } = load;
  const length = Buffer.byteLength(body);
  const head = `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`;
  const request = Buffer.from(head + body);
  const latencies: number[] = [];
  const start = performance.now();
  const answers = await Promise.all(
    Array.from({ length: connections }, () => runConnection(load, request, start + milliseconds, latencies)),
  );
  const seconds = (performance.now() - start) / 1000;
  const sorted = Float64Array.from(latencies).sort();
  const quantile = (q: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0;
  return {
    requests: latencies.length,
    perSecond: latencies.length / seconds,
    p50: quantile(0.5),
    p99: quantile(0.99),
    lastAnswer: answers.at(-1) ?? "",
  };
}

async function runConnection(load: Load, request: Buffer, until: number, latencies: number[]): Promise<string> {
  const socket = connect({ port: load.port, host: "127.0.0.1", servername: "localhost", ca: load.ca });
  const reader = readAnswers(socket);
  await new Promise((done, fail) => socket.once("secureConnect", done).once("error", fail));
  let answer = "";
  while (performance.now() < until) {
    const sent = performance.now();
    socket.write(request);
    answer = await reader();
    latencies.push(performance.now() - sent);
  }
  socket.destroy();
  return answer;
}

/** Reads one answer after the other; as little as HTTP/1.1 allows, so that the load costs less than the server. */
function readAnswers(socket: TLSSocket): () => Promise<string> {
  let waiting = Promise.withResolvers<string>();
  // The end of the load is no error, and nobody waits then.
  const fail = (error: Error) => {
    waiting.promise.catch(() => undefined);
    waiting.reject(error);
  };
  let chunks: Buffer[] = [];
  let missing = -1;
  socket.on("error", fail);
  socket.on("close", () => fail(new Error("the server closed the connection")));
  socket.on("data", (chunk: Buffer) => {
    chunks.push(chunk);
    if (missing < 0) {
      const start = Buffer.concat(chunks);
      const end = start.indexOf("\r\n\r\n");
      if (end < 0) return;
      const head = start.toString("latin1", 0, end);
      if (!head.startsWith("HTTP/1.1 200 ")) return fail(new Error(head));
      missing = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1]) + end + 4 - start.length;
      chunks = [start.subarray(end + 4)];
    } else missing -= chunk.length;
    if (missing > 0) return;
    const { resolve } = waiting;
    waiting = Promise.withResolvers<string>();
    const answer = chunks;
    chunks = [];
    missing = -1;
    resolve(Buffer.concat(answer).toString());
  });
  return () => waiting.promise;
}

if (!isMainThread && parentPort !== null) parentPort.postMessage(await run(workerData as Load));
