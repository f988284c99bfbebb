import { getBuiltinModule } from "node:process";
import { isJsonObject } from "../crypto/json.ts";
import { TrustError } from "../errors.ts";
import { type Credential, credentialOf } from "./credential.ts";
import { serverKey } from "./credential-file.ts";

/** A program that keeps credentials: `docker-credential-NAME` on the PATH of `env`. */
export interface CredentialHelper {
  readonly name: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

const maxOutput = 64 * 1024;
/** Milliseconds; a helper may ask a cloud, or a person to unlock a keychain. */
const timeout = 60_000;
const notFound = /credentials not found in native keychain/i;

/** What the helper keeps for a registry, or nothing. Throws `CREDENTIALS_INVALID`, never with what the helper printed. */
export async function credentialFromHelper(
  helper: CredentialHelper,
  registry: string,
): Promise<Credential | undefined> {
  const { code, output } = await call(helper, "get", serverKey(registry));
  if (code !== 0 && notFound.test(output)) return undefined;
  if (code !== 0) throw failed(helper, `exit code ${code}`);
  let answer: unknown;
  try {
    answer = JSON.parse(output);
  } catch {
    answer = undefined;
  }
  if (!isJsonObject(answer) || typeof answer["Username"] !== "string" || typeof answer["Secret"] !== "string")
    throw failed(helper, "no JSON with Username and Secret");
  return credentialOf(answer["Username"], answer["Secret"]);
}

/** Gives a credential to the helper. Throws `CREDENTIALS_INVALID`. */
export async function storeInHelper(helper: CredentialHelper, registry: string, credential: Credential): Promise<void> {
  const { username, password, identityToken } = credential;
  const request = {
    ServerURL: serverKey(registry),
    Username: identityToken === undefined ? (username ?? "") : "<token>",
    Secret: identityToken ?? password ?? "",
  };
  const { code } = await call(helper, "store", JSON.stringify(request));
  if (code !== 0) throw failed(helper, `exit code ${code}`);
}

/** Has the helper forget a registry; true if it knew one. Throws `CREDENTIALS_INVALID`. */
export async function eraseFromHelper(helper: CredentialHelper, registry: string): Promise<boolean> {
  const known = (await credentialFromHelper(helper, registry)) !== undefined;
  const { code, output } = await call(helper, "erase", serverKey(registry));
  if (code !== 0 && !notFound.test(output)) throw failed(helper, `exit code ${code}`);
  return known;
}

interface HelperResult {
  readonly code: number;
  readonly output: string;
}

function call(helper: CredentialHelper, action: "get" | "store" | "erase", input: string): Promise<HelperResult> {
  // The name comes from a file: nothing but a name may reach the PATH.
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(helper.name)) throw failed(helper, "a name that no helper can have");
  const { spawn } = getBuiltinModule("node:child_process");
  const { promise, resolve, reject } = Promise.withResolvers<HelperResult>();
  const child = spawn(`docker-credential-${helper.name}`, [action], {
    env: helper.env,
    stdio: ["pipe", "pipe", "ignore"],
  });
  const fail = (found: string, cause?: unknown) => {
    reject(failed(helper, found, cause));
    child.kill("SIGKILL");
    // What the helper itself started may hold the pipe open.
    child.stdout.destroy();
  };
  const timer = setTimeout(() => fail(`no answer within ${timeout} ms`), timeout);
  const pieces: Buffer[] = [];
  let size = 0;
  child.stdout.on("data", (piece: Buffer) => {
    pieces.push(piece);
    size += piece.length;
    if (size > maxOutput) fail("too much output");
  });
  child.on("error", (cause) => fail("it cannot be started", cause));
  child.on("close", (code, signal) => {
    if (code === null) fail(`it was ended by ${signal}`);
    else resolve({ code, output: Buffer.concat(pieces).toString("utf8") });
  });
  // It may end without reading; its exit code says more.
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  return promise.finally(() => clearTimeout(timer));
}

function failed({ name }: CredentialHelper, found: string, cause?: unknown): TrustError {
  return new TrustError("CREDENTIALS_INVALID", `the credential helper docker-credential-${name.slice(0, 100)} failed`, {
    expected: "a program on the PATH that answers with credentials",
    found,
    hint: `Install docker-credential-${name.slice(0, 100)} or correct credHelpers and credsStore in Docker's config.json`,
    cause,
  });
}
