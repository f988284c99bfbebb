import { TrustError } from "../errors.ts";
import { discard } from "./body.ts";
import type { Credential } from "./credential.ts";
import { createClient, type HttpRegistryOptions } from "./http-registry.ts";
import { noScopes } from "./scope.ts";

/**
 * Asks a registry (canonical host[:port]) whether it accepts a credential. `not-asked`: it lets everybody in as far as
 * this goes, and said nothing about the credential. Throws `AUTHENTICATION_REQUIRED` where it refuses it, and the other
 * errors of the registry.
 */
export async function checkLogin(
  registry: string,
  credential: Credential,
  options: Omit<HttpRegistryOptions, "credentials"> & { readonly signal?: AbortSignal | undefined } = {},
): Promise<"accepted" | "not-asked"> {
  let asked = false;
  const credentials = {
    credentialsFor: async (wanted: string) => {
      asked = true;
      return wanted === registry ? credential : undefined;
    },
  };
  const { client, close } = createClient({ ...options, credentials });
  try {
    await client.session.request(
      {
        method: "GET",
        registry,
        target: "",
        what: "the login",
        scopes: noScopes,
        accept: [200],
        signal: options.signal,
      },
      discard,
    );
    return asked ? "accepted" : "not-asked";
  } catch (error) {
    if (!(error instanceof TrustError) || error.code !== "AUTHENTICATION_REQUIRED") throw error;
    throw new TrustError("AUTHENTICATION_REQUIRED", error.message, {
      expected: "a user and password that the registry knows",
      found: error.found,
      hint: "Check user name and password; some registries want an access token as password",
      cause: error.cause,
    });
  } finally {
    close();
  }
}
