import { TrustError } from "../errors.ts";
import { readSmallFile } from "./files.ts";

/** What a password is for. `isNew`: it is being chosen, so a typing mistake must not lock anybody out. */
export interface PasswordRequest {
  /** Named in the prompt and in errors: `key file release.key`. */
  readonly what: string;
  readonly isNew?: boolean;
}

/** Gets a password, possibly empty. Throws `KEY_PASSWORD_REQUIRED`. */
export type PasswordSource = (request: PasswordRequest) => Promise<Uint8Array>;

/** Where passwords may come from. */
export interface PasswordPlaces {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Environment variables, first one set wins; set and empty is an empty password. */
  readonly variables?: readonly string[] | undefined;
  /** Absolute path; what is asked for by name goes before the environment. */
  readonly file?: string | undefined;
  /** Asks a person without echo; absent where there is no terminal. */
  readonly prompt?: ((question: string) => Promise<string>) | undefined;
}

const keyVariables = ["TRUST_PASSWORD", "COSIGN_PASSWORD"];

/** A source that looks into `file`, then the environment, then asks; new passwords are asked for twice. */
export function createPasswordSource(places: PasswordPlaces): PasswordSource {
  const { env, file, prompt, variables = keyVariables } = places;
  return async (request) => {
    if (file !== undefined) return withoutNewline(await readSmallFile(file, "password file"));
    const set = variables.map((name) => env[name]).find((value) => value !== undefined);
    if (set !== undefined) return Buffer.from(set);
    if (prompt !== undefined) return Buffer.from(await ask(prompt, request));
    throw new TrustError("KEY_PASSWORD_REQUIRED", `the ${request.what} needs a password and nobody can be asked`, {
      expected: `${variables.join(" or ")} in the environment, a password file, or a terminal`,
    });
  };
}

async function ask(prompt: (question: string) => Promise<string>, request: PasswordRequest): Promise<string> {
  if (request.isNew !== true) return prompt(`Password of the ${request.what}: `);
  const password = await prompt(`New password for the ${request.what} (may be empty): `);
  if ((await prompt("The same password again: ")) === password) return password;
  throw new TrustError("KEY_PASSWORD_WRONG", "the two passwords differ", {
    hint: "Run the command again and type the same password twice",
  });
}

/** Editors and `echo` end a file with a newline that nobody means. */
function withoutNewline(bytes: Buffer): Buffer {
  if (bytes.at(-1) !== 0x0a) return bytes;
  return bytes.subarray(0, bytes.at(-2) === 0x0d ? -2 : -1);
}
