import { TrustError } from "../errors.ts";

const maxUrlLength = 8 * 1024;

/**
 * The next page that a `Link` header names with `rel="next"` (RFC 8288), as a path after `/v2/` on the same registry.
 * Nothing where there is none. Throws `REGISTRY_ERROR` where it leads to another host or out of the API.
 */
export function nextPage(header: string | string[] | undefined, current: URL): string | undefined {
  const text = Array.isArray(header) ? header.join(", ") : (header ?? "");
  for (const [, target = "", parameters = ""] of text.slice(0, maxUrlLength).matchAll(/<([^<>]*)>([^<]*)/g)) {
    if (!/;\s*rel\s*=\s*(?:"(?:[^"]*\s)?next(?:\s[^"]*)?"|next(?=[\s;,]|$))/i.test(parameters)) continue;
    const url = URL.parse(target, current.href);
    // A registry behind a proxy may name itself with http: only the path is followed.
    if (url === null || url.host !== current.host || !url.pathname.startsWith("/v2/"))
      throw new TrustError("REGISTRY_ERROR", `${current.host} continues a listing elsewhere`, {
        expected: `a page on ${current.host}`,
        found: target.slice(0, 200),
      });
    return url.pathname.slice("/v2/".length) + url.search;
  }
  return undefined;
}
