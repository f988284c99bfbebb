import { timingSafeEqual } from "node:crypto";
import type { ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { getBuiltinModule } from "node:process";
import { TrustError } from "../errors.ts";
import { raceSignal } from "../oci/waiting.ts";

/** A server on this machine that waits for one redirect. */
export interface Redirect extends AsyncDisposable {
  /** Where the provider is to send the browser. */
  readonly uri: string;
  /** The code, once it comes. Throws `SIGNING_SERVICE_REFUSED`, `DEADLINE_EXCEEDED`. */
  code(): Promise<string>;
}

const path = "/auth/callback";
const maxCode = 4096;

/**
 * Listens on loopback, on a port that is free, for the redirect that carries `state` (RFC 8252 §7.3, §8.9); requests without
 * it are turned away, and change nothing.
 */
export async function listenForCode(
  state: string,
  patience: number,
  signal: AbortSignal | undefined,
): Promise<Redirect> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  // Whoever never asks for the code is not to be told of a rejection by the process.
  promise.catch(() => undefined);
  const server = getBuiltinModule("node:http").createServer((request, response) => {
    const url = URL.parse(request.url ?? "", "http://127.0.0.1");
    if (request.method !== "GET" || url?.pathname !== path || !isSame(url.searchParams.get("state") ?? "", state))
      return answer(response, 400, "This is not the answer that was waited for.");
    const code = url.searchParams.get("code") ?? "";
    if (code !== "" && code.length <= maxCode) {
      answer(response, 200, "You are signed in. You can close this page.");
      return resolve(code);
    }
    answer(response, 200, "You are not signed in. You can close this page.");
    const error = url.searchParams.get("error") ?? "";
    reject(notSignedIn(/^[a-z_]{1,60}$/.test(error) ? error : "neither a code nor an error"));
  });
  const listening = Promise.withResolvers<void>();
  server.once("error", listening.reject);
  server.listen(0, "127.0.0.1", listening.resolve);
  await listening.promise;
  const timer = setTimeout(() => reject(notSignedIn(`nothing within ${patience / 1000} s`)), patience);
  return {
    // The name, because providers that compare the address with a list have it by name.
    uri: `http://localhost:${(server.address() as AddressInfo).port}${path}`,
    code: () => raceSignal(promise, signal, "the wait for a person to sign in"),
    async [Symbol.asyncDispose]() {
      clearTimeout(timer);
      server.close();
      server.closeAllConnections();
    },
  };
}

function isSame(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}

function answer(response: ServerResponse, status: number, text: string): void {
  const headers = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'",
    "Cache-Control": "no-store",
    Connection: "close",
  };
  response.writeHead(status, headers).end(`<!doctype html><title>trust</title><p>${text}</p>\n`);
}

function notSignedIn(found: string): TrustError {
  return new TrustError("SIGNING_SERVICE_REFUSED", "the identity provider did not sign you in", {
    expected: "a redirect with a code",
    found,
  });
}
