import { TrustError } from "../errors.ts";
import { discard } from "./body.ts";
import { type Endpoint, hasPort, type Scheme } from "./endpoint.ts";
import { isBrokenConnection, isPlainHttpAnswer, isRefusedConnection, isUnreadableAnswer } from "./network-errors.ts";
import type { HttpResponse } from "./transport.ts";

/** Remembers which scheme each registry speaks, where that is not certain from its name. */
export interface SchemeMemo {
  /** Sends over the scheme that the registry speaks; what only the other one understands is sent again over it. */
  send<T extends { readonly response: HttpResponse }>(
    endpoint: Endpoint,
    attempt: (scheme: Scheme) => Promise<T>,
  ): Promise<T>;
}

/** Nobody but this machine itself is spoken to over a second scheme; see `endpointOf`. */
export function createSchemeMemo(): SchemeMemo {
  const settled = new Map<string, Scheme>();
  return {
    async send(endpoint, attempt) {
      const [first = "https", second] = endpoint.schemes;
      if (second === undefined) return attempt(first);
      const known = settled.get(endpoint.host);
      if (known !== undefined) return attempt(known);
      const settle = <T>(scheme: Scheme, answered: T): T => {
        settled.set(endpoint.host, scheme);
        return answered;
      };
      const firstOutcome = await outcomeOf(attempt(first));
      if ("error" in firstOutcome) {
        const { error } = firstOutcome;
        if (!mayBeOther(error, first, endpoint)) throw error;
        const secondOutcome = await outcomeOf(attempt(second));
        if ("error" in secondOutcome) throw clearer(error, secondOutcome.error);
        return settle(second, secondOutcome.result);
      }
      const answered = firstOutcome.result;
      // An HTTPS server answers plain HTTP so; a registry may too, and then nothing speaks TLS there.
      if (first === "https" || answered.response.status !== 400) return settle(first, answered);
      const other = await outcomeOf(attempt(second));
      if ("error" in other && !isTlsFailure(other.error)) return settle(first, answered);
      await discard(answered.response);
      if ("error" in other) throw other.error;
      return settle(second, other.result);
    },
  };
}

type Outcome<T> = { readonly result: T } | { readonly error: unknown };

async function outcomeOf<T>(work: Promise<T>): Promise<Outcome<T>> {
  try {
    return { result: await work };
  } catch (error) {
    return { error };
  }
}

function mayBeOther(error: unknown, tried: Scheme, endpoint: Endpoint): boolean {
  // Without a port in the name, each scheme has its own.
  if (isRefusedConnection(error)) return !hasPort(endpoint.host);
  if (tried === "http") return isBrokenConnection(error) || isUnreadableAnswer(error);
  return isPlainHttpAnswer(error);
}

/** A server with a bad certificate does speak TLS; any other second failure says less than the first. */
function clearer(first: unknown, second: unknown): unknown {
  return isTlsFailure(second) ? second : first;
}

function isTlsFailure(error: unknown): boolean {
  return error instanceof TrustError && error.code === "TLS_FAILED";
}
