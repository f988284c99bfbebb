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
  if (isLoopbackHost(url.host)) return {};
  const names = ["HTTPS_PROXY", "NO_PROXY"].flatMap((name) => [name, name.toLowerCase()]);
  const present = names.flatMap((name): [string, string][] => (env[name] ? [[name, env[name]]] : []));
  return present.some(([name]) => /^https_proxy$/i.test(name)) ? Object.fromEntries(present) : {};
}
