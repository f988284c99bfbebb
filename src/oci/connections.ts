import type { LookupAddress, LookupOptions } from "node:dns";
import type { Agent, ClientRequest, RequestOptions } from "node:http";
import type { LookupFunction } from "node:net";
import { getBuiltinModule } from "node:process";
import { TrustError } from "../errors.ts";
import { type AllowAddress, addressIn } from "./address.ts";
import { isLoopbackHost } from "./endpoint.ts";

/** How connections are made. All PEM. */
export interface ConnectionSettings {
  /** Certificate authorities beside those that the system trusts. */
  readonly ca?: string | undefined;
  /** A client certificate with its key, shown only to registries, never where they redirect to. */
  readonly clientCert?: string | undefined;
  readonly clientKey?: string | undefined;
  /** HTTP_PROXY, HTTPS_PROXY and NO_PROXY, in capitals or not, as in an environment. */
  readonly proxyEnv?: Readonly<Record<string, string | undefined>> | undefined;
  /** Asked about each address before a connection to it is made. */
  readonly allowAddress?: AllowAddress | undefined;
}

/** What is needed to send a request to a URL. */
export interface Connection {
  readonly start: (url: URL, options: RequestOptions) => ClientRequest;
  readonly options: RequestOptions;
}

/** Kept-alive connections; HTTP and TLS are loaded only when a URL needs them. */
export interface Connections {
  /** Throws `REGISTRY_NOT_ALLOWED` where the URL, or what its name resolves to, is refused. */
  to(url: URL, withClientCertificate: boolean): Promise<Connection>;
  close(): void;
}

export function createConnections(settings: ConnectionSettings): Connections {
  const agents = new Map<string, Agent>();
  const proxies = proxySettings(settings.proxyEnv ?? {});
  const agentFor = (url: URL, withClientCertificate: boolean, proxied: boolean): Agent => {
    const key = `${url.protocol} ${withClientCertificate} ${proxied}`;
    const agent =
      agents.get(key) ?? createAgent(url, settings, { withClientCertificate, proxies: proxied ? proxies : undefined });
    agents.set(key, agent);
    return agent;
  };
  return {
    async to(url, withClientCertificate) {
      const proxied = proxies !== undefined && !isLoopbackHost(url.host);
      const agent = agentFor(url, withClientCertificate && settings.clientCert !== undefined, proxied);
      const start = moduleFor(url).request;
      if (settings.allowAddress === undefined) return { start, options: { agent } };
      await checkHost(url, settings.allowAddress, proxied);
      return { start, options: { agent, lookup: guardedLookup(url, settings.allowAddress) } };
    },
    close() {
      for (const agent of agents.values()) agent.destroy();
    },
  };
}

function moduleFor(url: URL) {
  return url.protocol === "https:" ? getBuiltinModule("node:https") : getBuiltinModule("node:http");
}

interface AgentChoice {
  readonly withClientCertificate: boolean;
  readonly proxies: Readonly<Record<string, string>> | undefined;
}

function createAgent(url: URL, settings: ConnectionSettings, { withClientCertificate, proxies }: AgentChoice): Agent {
  const common = { keepAlive: true, ...(proxies === undefined ? {} : { proxyEnv: proxies }) };
  if (url.protocol !== "https:") return new (getBuiltinModule("node:http").Agent)(common);
  const { ca, clientCert, clientKey } = settings;
  const system = () => getBuiltinModule("node:tls").getCACertificates("default");
  return new (getBuiltinModule("node:https").Agent)({
    ...common,
    ...(ca === undefined ? {} : { ca: [...system(), ca] }),
    ...(withClientCertificate ? { cert: clientCert, key: clientKey ?? clientCert } : {}),
  });
}

function proxySettings(
  env: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string>> | undefined {
  const names = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"].flatMap((name) => [name, name.toLowerCase()]);
  const present = names.flatMap((name): [string, string][] => (env[name] ? [[name, env[name]]] : []));
  return present.some(([name]) => !/^no_proxy$/i.test(name)) ? Object.fromEntries(present) : undefined;
}

/** An address in the URL is never looked up; behind a proxy the proxy looks names up, so this asks before. */
async function checkHost(url: URL, allow: AllowAddress, proxied: boolean): Promise<void> {
  const address = addressIn(url);
  if (address !== undefined) {
    if (!allow(address, url.host)) throw notAllowed(url, address);
    return;
  }
  if (isLoopbackHost(url.host) && !allow("127.0.0.1", url.host)) throw notAllowed(url, "127.0.0.1");
  if (!proxied) return;
  // A name that only the proxy knows is no address of this network.
  const { lookup } = getBuiltinModule("node:dns").promises;
  const addresses = await lookup(url.hostname, { all: true }).catch((): LookupAddress[] => []);
  const refused = addresses.find((found) => !allow(found.address, url.host));
  if (refused !== undefined) throw notAllowed(url, refused.address);
}

/** Refuses a name as soon as one of its addresses is refused, at the moment of connecting: no second look-up can differ. */
function guardedLookup(url: URL, allow: AllowAddress): LookupFunction {
  return (hostname, options: LookupOptions, callback) => {
    getBuiltinModule("node:dns").lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, []);
      // Another name than the URL's is the proxy's.
      const refused =
        hostname === url.hostname ? addresses.find((found) => !allow(found.address, url.host)) : undefined;
      if (refused !== undefined) return callback(notAllowed(url, refused.address), []);
      const first = addresses[0];
      if (options.all === true || first === undefined) return callback(null, addresses);
      return callback(null, first.address, first.family);
    });
  };
}

function notAllowed(url: URL, address: string): TrustError {
  return new TrustError("REGISTRY_NOT_ALLOWED", `${url.host} is at an address that may not be asked`, {
    expected: "an address that is neither loopback nor link-local, or one that is allowed by name",
    found: address,
  });
}
