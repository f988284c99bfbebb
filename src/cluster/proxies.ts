import { getBuiltinModule } from "node:process";
import { addressIn } from "../oci/address.ts";
import { isLoopbackHost } from "../oci/endpoint.ts";
import type { Proxies } from "./access.ts";
import { configInvalid } from "./kube-config-file.ts";

/** The proxy on the way to a server: the one its cluster names, else those of the environment; none to this machine. */
export function proxiesFor(
  url: URL,
  named: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
  file: string,
): Proxies {
  if (named !== undefined) {
    const proxy = URL.parse(named);
    if (proxy === null || !/^https?:$/.test(proxy.protocol))
      throw configInvalid(`proxy-url in ${file} cannot be used`, "http://HOST:PORT or https://HOST:PORT");
    return { HTTPS_PROXY: named, HTTP_PROXY: named };
  }
  if (isLoopbackHost(url.host) || isInRange(url, env["NO_PROXY"] ?? env["no_proxy"] ?? "")) return {};
  const names = ["HTTPS_PROXY", "NO_PROXY"].flatMap((name) => [name, name.toLowerCase()]);
  const present = names.flatMap((name): [string, string][] => (env[name] ? [[name, env[name]]] : []));
  return present.some(([name]) => /^https_proxy$/i.test(name)) ? Object.fromEntries(present) : {};
}

/** Ranges as `10.96.0.0/12` in NO_PROXY, which Node does not know, and in which services of clusters are. */
function isInRange(url: URL, noProxy: string): boolean {
  const address = addressIn(url);
  const net = getBuiltinModule("node:net");
  return (
    address !== undefined &&
    noProxy.split(",").some((entry) => {
      const [range = "", bits = ""] = entry.trim().split("/");
      const family = net.isIP(range) === 6 ? "ipv6" : "ipv4";
      if (net.isIP(range) === 0 || net.isIP(range) !== net.isIP(address) || !/^\d{1,3}$/.test(bits)) return false;
      if (Number(bits) > (family === "ipv6" ? 128 : 32)) return false;
      const ranges = new net.BlockList();
      ranges.addSubnet(range, Number(bits), family);
      return ranges.check(address, family);
    })
  );
}
