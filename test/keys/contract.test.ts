import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { matchesSignature } from "../../src/crypto/public-key.ts";
import { TrustError } from "../../src/errors.ts";
import { keyProviders, loadPublicKeys, openSigner } from "../../src/keys/index.ts";
import type { KeyContext } from "../../src/keys/provider.ts";
import { codeOfRejection } from "../support/errors.ts";
import { tempDir } from "../support/process.ts";

const fixture = (name: string) => readFileSync(new URL(`../fixtures/keys/${name}`, import.meta.url), "utf8");
const folder = tempDir("trust-keys");
afterAll(() => folder.cleanup());

/** How the contract puts a text where a provider finds it; a new provider adds its line. */
interface Place {
  put(name: string, text: string): { readonly reference: string; readonly env: Record<string, string> };
  readonly missing: string;
}
const places: Record<string, Place> = {
  "": {
    put(name, text) {
      writeFileSync(join(folder.path, name), text);
      return { reference: name, env: {} };
    },
    missing: "none.key",
  },
  env: {
    put: (name, text) => ({ reference: `env://${name}`, env: { [name]: text } }),
    missing: "env://NONE",
  },
};

const secret = "test-password";
const context = (env: Record<string, string>, password = secret): KeyContext => ({
  env,
  resolvePath: (path) => join(folder.path, path),
  password: async () => Buffer.from(password),
});

test("every provider has a place in the contract", () => {
  expect(keyProviders.map(({ scheme }) => scheme).sort()).toEqual(Object.keys(places).sort());
});

describe.each(Object.entries(places))("the provider of %j", (_scheme, place) => {
  const pairs: [string, string][] = [
    ["cosign.key", "cosign.pub"],
    ["skopeo-generated.private", "skopeo-generated.pub"],
    ["imported-ec384.key", "imported-ec384.pub"],
    ["imported-ed.key", "imported-ed.pub"],
    ["imported-rsa.key", "imported-rsa.pub"],
  ];

  test.each(pairs)("signs with %s what %s proves", async (privateName, publicName) => {
    const privatePlace = place.put("private", fixture(privateName));
    const publicPlace = place.put("public", fixture(publicName));
    const signer = await openSigner(privatePlace.reference, context(privatePlace.env));
    const [publicKey] = await loadPublicKeys(publicPlace.reference, context(publicPlace.env));
    expect(signer.publicKey.keyId).toBe(publicKey?.keyId);
    const message = Buffer.from("message");
    const signature = await signer.sign(message);
    expect(publicKey && (await matchesSignature(publicKey, message, signature))).toBe(true);
    expect(publicKey && (await matchesSignature(publicKey, Buffer.from("other"), signature))).toBe(false);
  });

  test("says KEY_NOT_FOUND where nothing is", async () => {
    expect(await codeOfRejection(openSigner(place.missing, context({})))).toBe("KEY_NOT_FOUND");
    expect(await codeOfRejection(loadPublicKeys(place.missing, context({})))).toBe("KEY_NOT_FOUND");
  });

  test("tells a wrong password, and no error repeats it or the key", async () => {
    const { reference, env } = place.put("private", fixture("cosign.key"));
    const error = await openSigner(reference, context(env, "a wrong one")).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(TrustError);
    expect(error).toMatchObject({ code: "KEY_PASSWORD_WRONG" });
    const told = JSON.stringify([error, String(error), (error as Error).stack, String((error as Error).cause)]);
    expect(told).not.toContain("a wrong one");
    expect(told).not.toContain(fixture("cosign.key").slice(60, 100));
  });

  test.each(["", "hello", "cosign.pub", "ec-source.sec1.pem"])("refuses to sign with %j", async (content) => {
    const text = content.includes(".") ? fixture(content) : content;
    const { reference, env } = place.put("private", text);
    expect(await codeOfRejection(openSigner(reference, context(env)))).toMatch(/^KEY_(INVALID|NOT_FOUND)$/);
  });

  test.each(["hello", "cosign.key", "ec-source.sec1.pem"])("refuses to verify with %j", async (content) => {
    const { reference, env } = place.put("public", content.includes(".") ? fixture(content) : content);
    expect(await codeOfRejection(loadPublicKeys(reference, context(env)))).toBe("KEY_INVALID");
  });
});

test("a scheme that nobody provides is a typed error", async () => {
  for (const reference of ["awskms://alias/x", "https://example.com/key.pub", ""])
    expect(await codeOfRejection(openSigner(reference, context({})))).toBe("KEY_NOT_FOUND");
});

test("a key given instead of its place is refused and never repeated", async () => {
  const text = fixture("ec-source.sec1.pem");
  const error = await openSigner(text, context({})).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: "KEY_NOT_FOUND" });
  expect(JSON.stringify([error, String(error)])).not.toContain("BEGIN");
});
