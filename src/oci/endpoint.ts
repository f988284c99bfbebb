import { dockerHub } from "./reference.ts";

export type Scheme = "https" | "http";

/** Where a registry is spoken to. */
export interface Endpoint {
  /** The canonical name of the registry, as policies and credentials have it. */
  readonly registry: string;
  /** host[:port] that answers for it. */
  readonly host: string;
  readonly loopback: boolean;
  /** In the order in which they are tried; only a loopback registry has two. */
  readonly schemes: readonly Scheme[];
}

/**
 * How plain HTTP is used. `loopback`: only for registries on this machine. `true`: for all, because the user asked; no
 * credentials leave over it. `false`: for none.
 */
export type PlainHttp = boolean | "loopback";

/**
 * Where and how a registry is reached. A registry on this machine is spoken to over plain HTTP, or HTTPS first where a
 * certificate authority was given or its name has no port; where that one is not what it speaks, the other is tried.
 */
export function endpointOf(registry: string, plainHttp: PlainHttp, hasAuthority: boolean): Endpoint {
  const host = registry === dockerHub ? "registry-1.docker.io" : registry;
  const loopback = isLoopbackHost(host);
  return { registry, host, loopback, schemes: schemesOf(host, loopback, plainHttp, hasAuthority) };
}

function schemesOf(host: string, loopback: boolean, plainHttp: PlainHttp, hasAuthority: boolean): readonly Scheme[] {
  if (plainHttp === true) return ["http"];
  if (plainHttp === false || !loopback) return ["https"];
  // A canonical name without a port may have had 443.
  return hasAuthority || !hasPort(host) ? ["https", "http"] : ["http", "https"];
}

export function hasPort(host: string): boolean {
  return /:[0-9]+$/.test(host);
}

/**
 * Whether host[:port] names this machine, by its spelling alone: `localhost`, 127.0.0.0/8 or `[::1]`. Names below
 * `.localhost` do not count, as a resolver may send them anywhere.
 */
export function isLoopbackHost(host: string): boolean {
  const name = host.toLowerCase().replace(/:[0-9]+$/, "");
  return name === "localhost" || name === "[::1]" || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(name);
}

const shownParameters = new Set(["scope", "n", "last", "digest", "mount", "from", "artifactType"]);

/** The URL as it may be shown: of the query only what is never a secret. */
export function shownUrl(url: URL): string {
  const query = new URLSearchParams([...url.searchParams].filter(([key]) => shownParameters.has(key))).toString();
  return `${url.protocol}//${url.host}${url.pathname}${query === "" ? "" : `?${query}`}`;
}
