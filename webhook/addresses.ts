import { BlockList, isIP } from "node:net";
import { type AllowAddress, createLocalAddressFilter, TrustError } from "../src/index.ts";

/** Where clouds hand out the credentials of a node, beside the link-local address. */
const metadataServices = new Set(["fd00:ec2::254"]);

/**
 * The webhook connects to where image names point, and tenants choose those. Addresses of its own node are refused,
 * whatever name they hide behind, unless `allowed` names the host (HOST[:PORT]) or the address (an IP address or a CIDR
 * block). Throws `CONFIG_INVALID` for an entry that is neither.
 */
export function allowAddresses(allowed: readonly string[]): AllowAddress {
  const isElsewhere = createLocalAddressFilter();
  const networks = new BlockList();
  const hosts = new Set<string>();
  for (const entry of allowed) {
    if (!addNetwork(networks, entry)) hosts.add(hostIn(entry));
  }
  return (address, host) => {
    if (isElsewhere(address) && !metadataServices.has(address)) return true;
    const version = isIP(address);
    if (version !== 0 && networks.check(address, version === 6 ? "ipv6" : "ipv4")) return true;
    const name = host.toLowerCase();
    return hosts.has(name) || hosts.has(name.replace(/:\d+$/, ""));
  };
}

function addNetwork(networks: BlockList, entry: string): boolean {
  const [network = "", prefix, ...rest] = entry.split("/");
  const version = isIP(network);
  if (version === 0) return false;
  const longest = version === 6 ? 128 : 32;
  const bits = prefix === undefined ? longest : /^\d{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN;
  if (!(bits <= longest) || rest.length > 0) throw invalid(entry);
  networks.addSubnet(network, bits, version === 6 ? "ipv6" : "ipv4");
  return true;
}

function hostIn(entry: string): string {
  if (!/^(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i.test(entry)) throw invalid(entry);
  return entry.toLowerCase();
}

function invalid(entry: string): TrustError {
  return new TrustError("CONFIG_INVALID", "allowRegistry has an entry that is neither a host nor a network", {
    expected: "HOST[:PORT], an IP address or a CIDR block",
    found: entry.slice(0, 100),
  });
}
