import { TrustError } from "../errors.ts";
import { readSmallFile } from "../keys/files.ts";
import type { CredentialSource } from "../oci/credential.ts";
import type { CredentialPlaces } from "../oci/credentials.ts";
import { createHttpRegistry, type HttpRegistryOptions } from "../oci/http-registry.ts";
import type { Registry } from "../oci/registry.ts";
import type { RequestEvent } from "../oci/transport.ts";
import type { CommandContext } from "./command.ts";
import { plain } from "./print.ts";
import { programVersion } from "./version.ts";

/** Flags of the commands that reach registries. */
export const registryOptions = {
  "plain-http": { summary: "speak plain HTTP with registries; no credentials leave over it" },
  "ca-file": { value: "FILE", summary: "certificate authority of the registry, PEM", completes: "files" },
  "client-cert": { value: "FILE", summary: "client certificate for the registry, PEM", completes: "files" },
  "client-key": { value: "FILE", summary: "private key of the client certificate, PEM", completes: "files" },
} as const;

export interface RegistryFlags {
  readonly "plain-http": boolean;
  readonly "ca-file": string | undefined;
  readonly "client-cert": string | undefined;
  readonly "client-key": string | undefined;
}

/** Where the credentials of the user are. */
export function credentialPlaces({ io }: CommandContext): CredentialPlaces {
  return { env: io.env, homeDir: io.homeFolder };
}

/** Most registries that are read ask for none: the code that finds credentials is loaded with the first that does. */
function lazyCredentials(context: CommandContext): CredentialSource {
  let source: CredentialSource | undefined;
  return {
    async credentialsFor(registry, repository) {
      source ??= (await import("../oci/credentials.ts")).loadCredentials(credentialPlaces(context));
      return source.credentialsFor(registry, repository);
    },
  };
}

/** A client for the registries that the command's images name, with the credentials of the user. */
export async function connect(context: CommandContext, flags: RegistryFlags): Promise<Registry> {
  return createHttpRegistry(await connectionOf(context, flags));
}

/** How registries are spoken to, as the flags and the environment say. */
export async function connectionOf(context: CommandContext, flags: RegistryFlags): Promise<HttpRegistryOptions> {
  const { io, verbose, resolvePath } = context;
  const read = async (path: string | undefined, what: string) =>
    path === undefined ? undefined : (await readSmallFile(resolvePath(path), what)).toString();
  const ca = await read(flags["ca-file"], "the certificate authority");
  const clientCert = await read(flags["client-cert"], "the client certificate");
  const clientKey = await read(flags["client-key"], "the key of the client certificate");
  if ((clientCert === undefined) !== (clientKey === undefined))
    throw new TrustError("USAGE", "a client certificate and its key go together", {
      expected: "both --client-cert FILE and --client-key FILE",
    });
  return {
    credentials: lazyCredentials(context),
    plainHttp: flags["plain-http"] ? true : "loopback",
    ca,
    clientCert,
    clientKey,
    proxyEnv: io.env,
    userAgent: `trust/${programVersion()}`,
    onRequest: verbose ? (event) => io.stderr.write(formatRequest(event)) : undefined,
    now: io.now,
  };
}

/** The client has left out of the URL what could be a secret. */
function formatRequest({ method, url, status, ms }: RequestEvent): string {
  return `${method} ${plain(url)} ${status ?? "no answer"} ${Math.round(ms)} ms\n`;
}
