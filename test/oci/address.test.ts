import { describe, expect, test } from "vitest";
import { addressIn, createLocalAddressFilter } from "../../src/oci/address.ts";

const allow = createLocalAddressFilter();

describe("the filter of local addresses", () => {
  test.each([
    ["127.0.0.1"],
    ["127.8.9.10"],
    ["0.0.0.0"],
    ["0.1.2.3"],
    ["169.254.169.254"],
    ["::1"],
    ["::"],
    ["fe80::1"],
    ["fe80::1%eth0"],
    ["febf::1"],
    ["::ffff:127.0.0.1"],
    ["::ffff:7f00:1"],
    ["::ffff:169.254.1.1"],
    ["100.100.100.200"],
    ["192.0.0.192"],
    ["fd00:ec2::254"],
    ["fd00:0ec2:0::254"],
    ["fd20:ce::254"],
    ["localhost"],
    [""],
    ["127.1"],
  ])("refuses %s", (address) => {
    expect(allow(address)).toBe(false);
  });

  test.each([["10.0.0.1"], ["192.168.1.1"], ["93.184.216.34"], ["2001:db8::1"], ["fd00::1"], ["::ffff:10.0.0.1"]])(
    "allows %s",
    (address) => {
      expect(allow(address)).toBe(true);
    },
  );
});

test("an address in a URL is found however it is spelt", () => {
  expect(addressIn(new URL("http://127.1/"))).toBe("127.0.0.1");
  expect(addressIn(new URL("http://0x7f000001/"))).toBe("127.0.0.1");
  expect(addressIn(new URL("http://[::ffff:127.0.0.1]:5000/"))).toBe("::ffff:7f00:1");
  expect(addressIn(new URL("http://registry.example.com/"))).toBeUndefined();
});
