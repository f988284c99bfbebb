import { describe, expect, test } from "vitest";
import { endpointOf, isLoopbackHost, shownUrl } from "../../src/oci/endpoint.ts";

describe("where a registry is spoken to", () => {
  test("Docker Hub has a host of another name", () => {
    expect(endpointOf("docker.io", "loopback", false)).toMatchObject({
      registry: "docker.io",
      host: "registry-1.docker.io",
      schemes: ["https"],
    });
  });

  test.each([
    ["registry.example.com", false, ["https"]],
    ["registry.example.com:5000", false, ["https"]],
    ["localhost:5000", false, ["http", "https"]],
    ["localhost:5000", true, ["https", "http"]],
    ["localhost", false, ["https", "http"]],
    ["[::1]:5000", false, ["http", "https"]],
  ])("%s is tried over the right schemes", (registry, hasAuthority, schemes) => {
    expect(endpointOf(registry, "loopback", hasAuthority).schemes).toEqual(schemes);
    expect(endpointOf(registry, false, hasAuthority).schemes).toEqual(["https"]);
    expect(endpointOf(registry, true, hasAuthority).schemes).toEqual(["http"]);
  });

  test.each([
    ["localhost", true],
    ["LOCALHOST:5000", true],
    ["127.0.0.1", true],
    ["127.255.0.9:80", true],
    ["[::1]", true],
    ["[::1]:5000", true],
    ["localhost.example.com", false],
    ["foo.localhost", false],
    ["127.0.0.1.example.com", false],
    ["127.1", false],
    ["1127.0.0.1", false],
    ["[::2]", false],
    ["10.0.0.1", false],
    ["host.local", false],
  ])("%s is this machine: %s", (host, loopback) => {
    expect(isLoopbackHost(host)).toBe(loopback);
  });

  test("a URL is shown without what may be secret in it", () => {
    const url = new URL("https://user:pw@h.example.com/p?scope=a&X-Amz-Signature=secret&_state=s&n=5#frag");
    expect(shownUrl(url)).toBe("https://h.example.com/p?scope=a&n=5");
  });
});
