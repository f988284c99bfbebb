import { describe, expect, it } from "vitest";
import { allowAddresses } from "../../webhook/addresses.ts";
import { codeOf } from "../support/errors.ts";

const local = ["127.0.0.1", "127.9.9.9", "0.0.0.0", "169.254.169.254", "::1", "::", "fe80::1", "::ffff:127.0.0.1"];

describe("allowAddresses", () => {
  it.each([...local, "::ffff:169.254.169.254", "fd00:ec2::254", "not an address"])("refuses %s", (address) => {
    expect(allowAddresses([])(address, "registry.example.com")).toBe(false);
  });

  it.each(["10.0.0.1", "192.168.1.1", "93.184.216.34", "2001:db8::1", "fd12::1"])("allows %s", (address) => {
    expect(allowAddresses([])(address, "registry.example.com")).toBe(true);
  });

  it("allows the networks named, and no others", () => {
    const allow = allowAddresses(["127.0.0.0/8", "fe80::/10", "::1"]);
    expect(local.filter((address) => allow(address, "a"))).toEqual([
      ...["127.0.0.1", "127.9.9.9", "::1", "fe80::1", "::ffff:127.0.0.1"],
    ]);
  });

  it("allows a host named at whatever address it is, with its port or any", () => {
    const allow = allowAddresses(["localhost:5000", "Registry.example.com", "[::1]:5000"]);
    expect(allow("127.0.0.1", "localhost:5000")).toBe(true);
    expect(allow("127.0.0.1", "localhost:5001")).toBe(false);
    expect(allow("127.0.0.1", "localhost")).toBe(false);
    expect(allow("127.0.0.1", "registry.example.com:8443")).toBe(true);
    expect(allow("127.0.0.1", "evil.registry.example.com")).toBe(false);
    expect(allow("::1", "[::1]:5000")).toBe(true);
  });

  it.each(["", "10.0.0.0/33", "10.0.0.0/x", "10.0.0.0/", "10.0.0.0/8/8", "https://a", "a/b", "a b", "*.example.com"])(
    "refuses the entry %j",
    (entry) => {
      expect(codeOf(() => allowAddresses([entry]))).toBe("CONFIG_INVALID");
    },
  );
});
