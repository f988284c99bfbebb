import { BlockList, isIP } from "node:net";
import { TrustError } from "../src/index.ts";

/** Whether a request for that registry (HOST[:PORT]) may go to that IP address. */
export type AllowAddress = (host: string, address: string) => boolean;

/** Loopback, link-local, "this host", and the metadata services that hand out a node's credentials. */
const refused: readonly (readonly [string, number, "ipv4" | "ipv6"])[] = [
  ["127.0.0.0", 8, "ipv4"],
  ["0.0.0.0", 8, "ipv4"],
  ["169.254.0.0", 16, "ipv4"],
  ["::1", 128, "ipv6"],
  ["::", 128, "ipv6"],
  ["fe80::", 10, "ipv6"],
  ["fd00:ec2::254", 128, "ipv6"],
];

/**
 * The webhook connects to where image names point, and tenants choose those. Addresses of its own node are refused,
 * whatever name they hide behind, unless `allowed` names the host (HOST[:PORT]) or the address (CIDR or IP). Throws
 * `CONFIG_INVALID` for an entry that is neither.
 */
export function allowAddresses(allowed: readonly string[]): AllowAddress {
  const never = new BlockList();
  for (const [network, prefix, family] of refused) never.addSubnet(network, prefix, family);
  const always = new BlockList();
  const hosts = new Set<string>();
  for (const entry of allowed) addEntry(entry, always, hosts);
  return (host, address) => {
    const family = isIP(address) === 6 ? "ipv6" : "ipv4";
    if (!never.check(address, family) || always.check(address, family)) return true;
    return hosts.has(host.toLowerCase()) || hosts.has(withoutPort(host.toLowerCase()));
  };
}

function addEntry(entry: string, always: BlockList, hosts: Set<string>): void {
  const [network = "", prefix, ...rest] = entry.split("/");
  const version = isIP(network);
  const bits = prefix === undefined ? (version === 6 ? 128 : 32) : Number(prefix);
  const isCidr =
    version !== 0 && rest.length === 0 && /^\d{1,3}$/.test(prefix ?? "0") && bits <= (version === 6 ? 128 : 32);
  if (isCidr) always.addSubnet(network, bits, version === 6 ? "ipv6" : "ipv4");
  else if (/^(?:[a-z0-9.-]+|\[[0-9a-f:]+\])(?::\d{1,5})?$/i.test(entry)) hosts.add(entry.toLowerCase());
  else
    throw new TrustError("CONFIG_INVALID", "allowRegistry has an entry that is no host and no network", {
      expected: "HOST[:PORT], an IP address or a CIDR block",
      found: entry.slice(0, 100),
    });
}

function withoutPort(host: string): string {
  return host.replace(/:\d+$/, "");
}
