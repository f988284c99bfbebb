import { getBuiltinModule } from "node:process";

/** Decides whether an address, IPv4 or IPv6 as text, may be connected to in the name of host[:port]. */
export type AllowAddress = (address: string, host: string) => boolean;

const local: readonly (readonly [string, number, "ipv4" | "ipv6"])[] = [
  ["0.0.0.0", 8, "ipv4"],
  ["127.0.0.0", 8, "ipv4"],
  ["169.254.0.0", 16, "ipv4"],
  ["::", 128, "ipv6"],
  ["::1", 128, "ipv6"],
  ["fe80::", 10, "ipv6"],
  // Metadata services outside of link-local: Alibaba, Oracle, AWS, Google.
  ["100.100.100.200", 32, "ipv4"],
  ["192.0.0.192", 32, "ipv4"],
  ["fd00:ec2::254", 128, "ipv6"],
  ["fd20:ce::254", 128, "ipv6"],
];

/**
 * An {@link AllowAddress} that refuses loopback, link-local, where clouds serve their metadata, and unspecified
 * addresses, also as IPv4-mapped IPv6 ones. What is no address is refused.
 */
export function createLocalAddressFilter(): (address: string) => boolean {
  const net = getBuiltinModule("node:net");
  const blocked = new net.BlockList();
  for (const [address, prefix, family] of local) blocked.addSubnet(address, prefix, family);
  return (address) => {
    const bare = address.replace(/%.*$/, "");
    const version = net.isIP(bare);
    return version !== 0 && !blocked.check(bare, version === 4 ? "ipv4" : "ipv6");
  };
}

/** The IP address that a URL names directly, or nothing where it names a host. */
export function addressIn(url: URL): string | undefined {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  return getBuiltinModule("node:net").isIP(host) === 0 ? undefined : host;
}
