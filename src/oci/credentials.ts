import { join } from "node:path";
import { isJsonObject } from "../crypto/json.ts";
import type { Credential, CredentialSource } from "./credential.ts";
import { type CredentialFile, credentialInAuths, keysOfRegistry, readCredentialFile } from "./credential-file.ts";
import { credentialFromHelper } from "./credential-helper.ts";

/** Where to look for credentials files and helpers. */
export interface CredentialPlaces {
  /** DOCKER_CONFIG, REGISTRY_AUTH_FILE, XDG_RUNTIME_DIR, XDG_CONFIG_HOME; PATH and the rest for helpers. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly homeDir: string;
  /** By registry (canonical host[:port]); come before anything in files. */
  readonly explicit?: Readonly<Record<string, Credential>> | undefined;
}

/**
 * The credentials that Docker and Podman would use. Files are read when a registry first asks for credentials; the first
 * that knows the registry counts: one that a variable names, Docker's, Podman's. Inside one: `credHelpers` of the
 * registry, `credsStore`, `auths`.
 */
export function loadCredentials(places: CredentialPlaces): CredentialSource {
  const files = new Map<string, Promise<CredentialFile | undefined>>();
  const read = (path: string) => {
    const file = files.get(path) ?? readCredentialFile(path);
    files.set(path, file);
    return file;
  };
  return {
    async credentialsFor(registry, repository) {
      const { explicit = {} } = places;
      if (Object.hasOwn(explicit, registry)) return explicit[registry];
      for (const path of credentialPaths(places)) {
        const file = await read(path);
        const credential = file && (await credentialInFile(file, places, registry, repository));
        if (credential !== undefined) return credential;
      }
      return undefined;
    },
  };
}

function credentialPaths({ env, homeDir }: CredentialPlaces): readonly string[] {
  const runtime = env["XDG_RUNTIME_DIR"];
  const config = env["XDG_CONFIG_HOME"] || join(homeDir, ".config");
  return [
    ...(env["DOCKER_CONFIG"] ? [join(env["DOCKER_CONFIG"], "config.json")] : []),
    ...(env["REGISTRY_AUTH_FILE"] ? [env["REGISTRY_AUTH_FILE"]] : []),
    ...(env["DOCKER_CONFIG"] ? [] : [join(homeDir, ".docker", "config.json")]),
    ...(runtime ? [join(runtime, "containers", "auth.json")] : []),
    join(config, "containers", "auth.json"),
  ];
}

/** Docker's own file, where `trust login` keeps credentials. */
export function dockerConfigPath({ env, homeDir }: CredentialPlaces): string {
  return join(env["DOCKER_CONFIG"] || join(homeDir, ".docker"), "config.json");
}

async function credentialInFile(
  file: CredentialFile,
  { env }: CredentialPlaces,
  registry: string,
  repository: string | undefined,
): Promise<Credential | undefined> {
  const name = helperOf(file, registry);
  const fromHelper = name === undefined ? undefined : await credentialFromHelper({ name, env }, registry);
  return fromHelper ?? credentialInAuths(file, registry, repository);
}

/** The name of the helper that a file wants for a registry. */
export function helperOf({ document }: CredentialFile, registry: string): string | undefined {
  const { credHelpers, credsStore } = document;
  const key = isJsonObject(credHelpers) ? keysOfRegistry(credHelpers, registry)[0] : undefined;
  const own = key === undefined || !isJsonObject(credHelpers) ? undefined : credHelpers[key];
  if (typeof own === "string" && own !== "") return own;
  return typeof credsStore === "string" && credsStore !== "" ? credsStore : undefined;
}

/**
 * The credentials of a `.dockerconfigjson` (a pull Secret): only `auths` is read, no helper is ever started. Throws
 * `CREDENTIALS_INVALID` when an entry that is asked for cannot be read.
 */
export function credentialsInAuths(where: string, document: unknown): CredentialSource {
  const file = { path: where, document: isJsonObject(document) ? document : {} };
  return {
    credentialsFor: async (registry, repository) => credentialInAuths(file, registry, repository),
  };
}
