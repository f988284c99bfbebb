import http from "node:http";
import https from "node:https";

export interface PostTarget {
  readonly url: string;
  readonly headers: Readonly<Record<string, readonly string[]>>;
  /** Milliseconds. */
  readonly timeout: number;
}

/** Posts a body. Gives nothing when it was accepted (2xx), else what went wrong, without the URL, which may hold secrets. */
export interface Poster {
  (contentType: string, body: string, signal: AbortSignal): Promise<string | undefined>;
  close(): void;
}

/** Posts to one URL over connections that are kept. Redirects are not followed: they would carry the headers away. */
export function createPoster({ url, headers, timeout }: PostTarget): Poster {
  const client = url.startsWith("https:") ? https : http;
  const agent = new client.Agent({ keepAlive: true, maxSockets: 1 });

  function post(contentType: string, body: string, signal: AbortSignal): Promise<string | undefined> {
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    const request = client.request(url, {
      method: "POST",
      agent,
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeout)]),
      headers: { ...headers, "content-type": contentType, "content-length": Buffer.byteLength(body) },
    });
    request.on("response", (response) => {
      const { statusCode = 0 } = response;
      response.on("error", () => {});
      response.resume();
      resolve(statusCode >= 200 && statusCode < 300 ? undefined : `answers ${statusCode}`);
    });
    request.on("error", (error) => resolve(`cannot be reached (${describe(error)})`));
    request.end(body);
    return promise;
  }
  return Object.assign(post, { close: () => agent.destroy() });
}

function describe(error: Error): string {
  return "code" in error ? String(error.code) : error.name;
}
