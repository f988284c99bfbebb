import { randomBytes } from "node:crypto";
import { mkdir, open, realpath, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isJsonObject, type JsonObject } from "../crypto/json.ts";
import { TrustError } from "../errors.ts";
import type { Credential } from "./credential.ts";
import { type CredentialFile, keysOfRegistry, readCredentialFile, serverKey } from "./credential-file.ts";
import { eraseFromHelper, storeInHelper } from "./credential-helper.ts";
import { type CredentialPlaces, dockerConfigPath, helperOf } from "./credentials.ts";

/** Where a credential went. */
export interface StoredCredential {
  /** Path of the file, or `docker-credential-NAME`. */
  readonly where: string;
  /** True where it stands in a file, readable by the user alone but not encrypted. */
  readonly plain: boolean;
}

/**
 * Keeps a credential where Docker would: in the helper that its config.json names, else in `auths` of that file (mode
 * 0600, replaced whole, everything else in it preserved). Throws `CREDENTIALS_INVALID`, `FILE_UNWRITABLE`.
 */
export async function storeCredential(
  places: CredentialPlaces,
  registry: string,
  credential: Credential,
): Promise<StoredCredential> {
  const file = await dockerConfig(places);
  const name = helperOf(file, registry);
  if (name !== undefined) {
    await storeInHelper({ name, env: places.env }, registry, credential);
    return { where: `docker-credential-${name}`, plain: false };
  }
  const auths = withoutRegistry(file, registry);
  const entry = entryOf(credential);
  await writeConfig(file.path, { ...file.document, auths: { ...auths, [serverKey(registry)]: entry } });
  return { where: file.path, plain: true };
}

/** Forgets the credential of a registry in helper and file; true if there was one. Throws as {@link storeCredential}. */
export async function eraseCredential(places: CredentialPlaces, registry: string): Promise<boolean> {
  const file = await dockerConfig(places);
  const name = helperOf(file, registry);
  const inHelper = name !== undefined && (await eraseFromHelper({ name, env: places.env }, registry));
  const { auths } = file.document;
  const inFile = isJsonObject(auths) && keysOfRegistry(auths, registry).length > 0;
  if (inFile) await writeConfig(file.path, { ...file.document, auths: withoutRegistry(file, registry) });
  return inHelper || inFile;
}

async function dockerConfig(places: CredentialPlaces): Promise<CredentialFile> {
  const path = dockerConfigPath(places);
  return (await readCredentialFile(path)) ?? { path, document: {} };
}

function withoutRegistry({ document }: CredentialFile, registry: string): JsonObject {
  const { auths } = document;
  if (!isJsonObject(auths)) return {};
  const own = new Set(keysOfRegistry(auths, registry));
  return Object.fromEntries(Object.entries(auths).filter(([key]) => !own.has(key)));
}

function entryOf({ username, password, identityToken, registryToken }: Credential): JsonObject {
  return {
    ...(password === undefined ? {} : { auth: Buffer.from(`${username ?? ""}:${password}`).toString("base64") }),
    ...(identityToken === undefined ? {} : { identitytoken: identityToken }),
    ...(registryToken === undefined ? {} : { registrytoken: registryToken }),
  };
}

/** A link to a file elsewhere stays one. */
async function writeConfig(path: string, document: JsonObject): Promise<void> {
  const text = `${JSON.stringify(document, undefined, "\t")}\n`;
  let temporary: string | undefined;
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const target = await realpath(path).catch(() => path);
    temporary = join(dirname(target), `.config.json.${randomBytes(8).toString("hex")}.tmp`);
    const handle = await open(temporary, "wx", 0o600);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, target);
  } catch (cause) {
    if (temporary !== undefined) await rm(temporary, { force: true }).catch(() => {});
    const found = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown";
    throw new TrustError("FILE_UNWRITABLE", `${path} cannot be written`, { found, cause });
  }
}
