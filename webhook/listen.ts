import type { AddressInfo } from "node:net";
import { TrustError } from "../src/index.ts";

/** Where a server listens; without a host on all interfaces, with port 0 on a free one. */
export interface ListenAddress {
  readonly host: string | undefined;
  readonly port: number;
}

/** Parses `HOST:PORT`, `[IPV6]:PORT` or `:PORT`. Throws `CONFIG_INVALID`. */
export function parseListen(text: string): ListenAddress {
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9.-]*)):(\d{1,5})$/i.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535)
    throw new TrustError("CONFIG_INVALID", "not an address to listen on", {
      expected: "HOST:PORT, [IPV6]:PORT or :PORT",
      found: text.slice(0, 100),
    });
  const host = match[1] ?? match[2];
  return { host: host === "" ? undefined : host, port };
}

/** The URL under which a server that listens there can be reached from the same machine. */
export function urlOf(asked: ListenAddress, bound: AddressInfo): string {
  const anywhere = asked.host === undefined || asked.host === "0.0.0.0" || asked.host === "::";
  const host = anywhere ? "localhost" : (asked.host ?? bound.address);
  return `https://${host.includes(":") ? `[${host}]` : host}:${bound.port}`;
}
