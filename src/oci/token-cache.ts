import { digestOf } from "../crypto/digest.ts";
import type { RetrySettings } from "./retry.ts";
import { coversScopes, formatScopes, type Scopes } from "./scope.ts";
import { fetchToken, type TokenRequest } from "./token.ts";
import type { Transport } from "./transport.ts";
import { raceSignal } from "./waiting.ts";

export interface TokenCacheSettings {
  readonly transport: Transport;
  readonly retry: RetrySettings;
  readonly now: () => number;
}

/** A token, as the header that carries it, with what it allows. */
export interface HeldToken {
  readonly header: string;
  readonly scopes: Scopes;
  /** Milliseconds since 1970. */
  readonly expires: number;
}

/** Tokens by registry, service and credential until they expire. Who asks for one at the same time shares it. */
export interface TokenCache {
  /** A held token that allows what is asked for, else a new one. Errors are those of `fetchToken`. */
  get(request: TokenRequest, signal: AbortSignal | undefined): Promise<HeldToken>;
  /** Forgets a token that was not accepted. */
  forget(header: string): void;
}

const tokenTimeout = 30_000;
const maxKeys = 2_000;
const maxPerKey = 200;
/** The end of a token's life is left unused: it might expire on the way. */
const usedPart = 0.9;

export function createTokenCache(settings: TokenCacheSettings): TokenCache {
  const held = new Map<string, readonly HeldToken[]>();
  const coming = new Map<string, Promise<HeldToken>>();
  const fetchNew = async (key: string, request: TokenRequest): Promise<HeldToken> => {
    const asked = settings.now();
    // Not the first asker's signal: others wait for the same token.
    const token = await fetchToken(settings.transport, settings.retry, request, AbortSignal.timeout(tokenTimeout));
    const expires = asked + token.lifetime * 1000 * usedPart;
    const fresh: HeldToken = { header: `Bearer ${token.value}`, scopes: request.scopes, expires };
    const valid = (held.get(key) ?? []).filter((old) => old.expires > asked && !coversScopes(fresh.scopes, old.scopes));
    if (held.size >= maxKeys) held.clear();
    held.set(key, [...valid.slice(-maxPerKey + 1), fresh]);
    return fresh;
  };
  return {
    async get(request, signal) {
      const key = keyOf(request);
      const now = settings.now();
      const usable = held.get(key)?.find((token) => token.expires > now && coversScopes(token.scopes, request.scopes));
      if (usable !== undefined) return usable;
      const exact = `${key} ${formatScopes(request.scopes).join(" ")}`;
      const shared = coming.get(exact) ?? fetchNew(key, request).finally(() => coming.delete(exact));
      coming.set(exact, shared);
      return raceSignal(shared, signal, `the wait for a token for ${request.registry}`);
    },
    forget(header) {
      for (const [key, list] of held) {
        const left = list.filter((token) => token.header !== header);
        if (left.length < list.length) held.set(key, left);
      }
    },
  };
}

/** The credential is in it as a hash, so that no secret lies in a key. */
function keyOf({ registry, realm, service = "", credential }: TokenRequest): string {
  const user = credential === undefined ? "anonymous" : digestOf(Buffer.from(JSON.stringify(credential)));
  return [registry, realm, service, user].join(" ");
}
