import { RegistryError } from "./errors.ts";

interface RequestOrigin {
  readonly host?: string | undefined;
  readonly origin?: string | undefined;
}

/**
 * Refuses what a web page of somebody else makes a browser send. An `Origin` must be the registry's own; where everybody on
 * loopback has all rights, the `Host` must be a loopback name as well, because a page can make its own name point here.
 * Throws `DENIED` (403).
 */
export function refuseForeignPages({ host, origin }: RequestOrigin, loopbackOnly: boolean): void {
  if (origin !== undefined && hostOf(origin) !== host?.toLowerCase())
    throw new RegistryError(403, "DENIED", "requests from web pages of another origin are refused");
  if (loopbackOnly && !isLoopbackName(host))
    throw new RegistryError(403, "DENIED", "without users this registry answers under loopback names only", {
      detail: { expected: "localhost, 127.0.0.1 or [::1]" },
    });
}

function hostOf(origin: string): string | undefined {
  return /^https?:\/\/([^/]+)$/i.exec(origin)?.[1]?.toLowerCase();
}

function isLoopbackName(host: string | undefined): boolean {
  const name = /^(.*?)(?::\d{1,5})?$/.exec(host?.toLowerCase() ?? "")?.[1] ?? "";
  return name === "[::1]" || /^(?:[a-z0-9-]+\.)*localhost$/.test(name) || /^127(?:\.\d{1,3}){3}$/.test(name);
}
