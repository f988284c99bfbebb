import { TrustError } from "../errors.ts";
import { readBody } from "../oci/body.ts";
import type { ConnectionSettings } from "../oci/connections.ts";
import { createTransport, type RequestEvent, type Timeouts } from "../oci/transport.ts";
import { type Answer, maxTufBytes, unreadable } from "./tuf-answer.ts";

/** How mirrors on the web are spoken to. Whatever is left out has a default. */
export interface WebSettings extends Pick<ConnectionSettings, "ca" | "proxyEnv"> {
  readonly userAgent?: string | undefined;
  /** Hears of each request that went over the wire. */
  readonly onRequest?: ((event: RequestEvent) => void) | undefined;
}

export interface WebMirror {
  /** A file of the repository. Throws `TRUST_ROOT_UNREACHABLE`, `TLS_FAILED`. */
  get(path: string): Promise<Answer>;
  close(): void;
}

const timeouts: Timeouts = { connect: 10_000, idle: 15_000, body: 60_000 };
const maxRedirects = 3;

/** Reads a repository from the web: bounded, without credentials; redirects are followed, since TUF signs all it says. */
export function openWebMirror(mirror: URL, settings: WebSettings, signal: AbortSignal | undefined): WebMirror {
  const { ca, proxyEnv, onRequest, userAgent = "trust" } = settings;
  const transport = createTransport({ ca, proxyEnv, onRequest, timeouts, maxConcurrent: 4 });
  const base = mirror.href.replace(/\/+$/, "");
  const headers = { "User-Agent": userAgent, "Accept-Encoding": "identity", Accept: "*/*" };

  const follow = async (url: URL, left: number): Promise<Answer> => {
    const response = await transport.send({ method: "GET", url, headers, signal });
    const body = await readBody(response, { maxBytes: maxTufBytes, maxMs: timeouts.body }, "the answer of the mirror");
    const { status } = response;
    const { location } = response.headers;
    if (status === 200) return { status, body };
    // Some object stores say 403 of what is not there.
    if (status === 404 || status === 403) return { status: 404 };
    const next = location !== undefined && URL.canParse(location, url.href) ? new URL(location, url) : undefined;
    if (left > 0 && status >= 300 && status < 400 && next !== undefined && /^https?:$/.test(next.protocol))
      return follow(next, left - 1);
    throw unreadable(mirror, `${url.host}${url.pathname}: status ${status}`);
  };
  return {
    async get(path) {
      const url = new URL(`${base}/${path}`);
      try {
        return await follow(url, maxRedirects);
      } catch (error) {
        if (!(error instanceof TrustError)) throw error;
        if (error.code === "TRUST_ROOT_UNREACHABLE" || error.code === "TLS_FAILED") throw error;
        throw unreadable(mirror, error.found ?? error.message, error);
      }
    },
    close: transport.close,
  };
}
