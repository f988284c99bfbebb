import { TrustError } from "../errors.ts";
import { discard } from "./body.ts";
import { isLoopbackHost, type PlainHttp } from "./endpoint.ts";
import type { HttpRequest, HttpResponse, Transport } from "./transport.ts";

const maxRedirects = 5;
const statuses = new Set([301, 302, 303, 307, 308]);

/** How a request is sent on where the registry says so. */
export interface RedirectRules {
  readonly plainHttp: PlainHttp;
  /** Sent to the first origin only: what authorizes there is nobody else's. */
  readonly ownHeaders: Readonly<Record<string, string>>;
}

/**
 * Sends a request and follows redirects of GET and HEAD, at most 5. Authorization and client certificate go to the first
 * origin only; nothing leads from HTTPS to HTTP. Throws `REGISTRY_ERROR`, `INSECURE_TRANSPORT_REFUSED`.
 */
export async function sendFollowing(
  transport: Transport,
  request: HttpRequest,
  rules: RedirectRules,
): Promise<HttpResponse> {
  let { url } = request;
  for (let hops = 0; ; hops++) {
    const isFirstOrigin = url.origin === request.url.origin;
    const headers = isFirstOrigin ? { ...request.headers, ...rules.ownHeaders } : request.headers;
    const withClientCertificate = isFirstOrigin && request.withClientCertificate === true;
    const response = await transport.send({ ...request, url, headers, withClientCertificate });
    const mayFollow = request.method === "GET" || request.method === "HEAD";
    if (!mayFollow || !statuses.has(response.status)) return response;
    await discard(response);
    if (hops === maxRedirects) throw badRedirect(url, `more than ${maxRedirects} redirects`);
    url = targetOf(response, rules.plainHttp);
  }
}

function targetOf({ headers, url: from }: HttpResponse, plainHttp: PlainHttp): URL {
  const location = headers.location;
  const url = location === undefined ? null : URL.parse(location, from.href);
  if (url === null || !/^https?:$/.test(url.protocol)) throw badRedirect(from, "a redirect without a usable Location");
  requireTransport(from, url, plainHttp);
  url.hash = "";
  return url;
}

/**
 * Refuses a step to plain HTTP: always from HTTPS, else to hosts that are not this machine, unless the user asked for
 * plain HTTP. Throws `INSECURE_TRANSPORT_REFUSED`.
 */
export function requireTransport(from: URL, to: URL, plainHttp: PlainHttp): void {
  if (to.protocol === "https:") return;
  if (from.protocol === "http:" && (plainHttp === true || isLoopbackHost(to.host))) return;
  throw new TrustError("INSECURE_TRANSPORT_REFUSED", `${from.host} leads to ${to.host} over plain HTTP`, {
    expected: "HTTPS",
    found: `http://${to.host}`,
    hint: "Have the operators of the registry correct its external address",
  });
}

function badRedirect(url: URL, found: string): TrustError {
  return new TrustError("REGISTRY_ERROR", `${url.host} redirects in a way that cannot be followed`, {
    expected: `at most ${maxRedirects} redirects to http or https`,
    found,
  });
}
