/** What a registry is spoken to with. Never printed, logged or put in an error. */
export interface Credential {
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Exchanged at the token service for tokens of each scope (Docker's identity token). */
  readonly identityToken?: string | undefined;
  /** Sent to the registry as it is (Docker's registry token). */
  readonly registryToken?: string | undefined;
}

/** Where credentials come from. */
export interface CredentialSource {
  /**
   * The credential for exactly that registry (canonical host[:port]), or nothing; with a repository, one kept for a path
   * in it is preferred. Throws `CREDENTIALS_INVALID`.
   */
  credentialsFor(registry: string, repository?: string): Promise<Credential | undefined>;
}

/** No credentials for anybody. */
export const anonymous: CredentialSource = { credentialsFor: () => Promise.resolve(undefined) };

/** Makes a credential of a user name and a secret; the user name `<token>` says that the secret is an identity token. */
export function credentialOf(username: string, secret: string): Credential | undefined {
  if (secret === "") return undefined;
  return username === "<token>" ? { identityToken: secret } : { username, password: secret };
}
