import type { PublicKey } from "../crypto/public-key.ts";
import { TrustError } from "../errors.ts";
import { envKeys } from "./env.ts";
import { fileKeys } from "./file.ts";
import type { KeyContext, KeyProvider } from "./provider.ts";
import type { Signer } from "./signer.ts";

/** Every place a key can be kept in: one line each. */
export const keyProviders: readonly KeyProvider[] = [fileKeys, envKeys];

const scheme = /^([a-z][a-z0-9+.-]*):\/\//i;

/** Opens the private key that a reference names: a path, or `SCHEME://…`. Throws the `KEY_` codes. */
export async function openSigner(reference: string, context: KeyContext): Promise<Signer> {
  return providerOf(reference).open(reference, context);
}

/** The public keys that a reference names, at least one. Throws the `KEY_` codes. */
export async function loadPublicKeys(
  reference: string,
  context: Omit<KeyContext, "password">,
): Promise<readonly PublicKey[]> {
  return providerOf(reference).publicKeys(reference, context);
}

function providerOf(reference: string): KeyProvider {
  // Never repeated: it may be a private key.
  if (/-----BEGIN|[\r\n]/.test(reference))
    throw new TrustError("KEY_NOT_FOUND", "the text of a key was given where its place is wanted", {
      expected: keyProviders.map(({ example }) => example).join(", "),
      hint: "Put the key into a file and name the file, or into a variable and name it: env://NAME",
    });
  const wanted = scheme.exec(reference)?.[1]?.toLowerCase() ?? "";
  const provider = keyProviders.find((candidate) => candidate.scheme === wanted);
  if (provider !== undefined && reference !== "") return provider;
  const expected = keyProviders.map(({ example }) => example).join(", ");
  throw new TrustError("KEY_NOT_FOUND", `${JSON.stringify(reference.slice(0, 200))} names no kind of key`, {
    expected,
    hint: `Name a key as: ${expected}`,
  });
}
