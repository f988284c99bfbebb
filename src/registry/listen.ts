import { lookup } from "node:dns/promises";
import { BlockList, isIP } from "node:net";
import { TrustError } from "../errors.ts";

/** Where to listen: an address, and the host as it was given. Port 0 picks a free one. */
export interface ListenAddress {
  readonly host: string;
  readonly address: string;
  readonly port: number;
  readonly loopback: boolean;
}

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

/** Reads HOST:PORT, `[IPV6]:PORT` or `:PORT` (all interfaces) and finds the host's address. Throws `CONFIG_INVALID`. */
export async function parseListen(text: string): Promise<ListenAddress> {
  const found = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]/]*)):(\d{1,5})$/.exec(text);
  const port = Number(found?.[3]);
  if (found === null || port > 65535)
    throw new TrustError("CONFIG_INVALID", "not an address to listen on", {
      expected: "HOST:PORT, for instance 127.0.0.1:5000",
      found: text.slice(0, 200),
    });
  const host = found[1] ?? found[2] ?? "";
  const address = host === "" ? "::" : await addressOf(host);
  return { host, address, port, loopback: isLoopback(address) };
}

async function addressOf(host: string): Promise<string> {
  if (isIP(host) !== 0) return host;
  try {
    return (await lookup(host)).address;
  } catch (cause) {
    throw new TrustError("CONFIG_INVALID", "the host to listen on has no address", { found: host, cause });
  }
}

function isLoopback(address: string): boolean {
  return loopback.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");
}

/** The URL under which it is reached. */
export function urlOf({ host }: ListenAddress, port: number, scheme: "http" | "https"): string {
  const name = host === "" ? "localhost" : isIP(host) === 6 ? `[${host}]` : host;
  return `${scheme}://${name}:${port}`;
}
