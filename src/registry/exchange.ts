import type { FastifyReply, FastifyRequest } from "fastify";
import { createGatherer } from "../oci/gather.ts";
import { type AccessControl, type Identity, type Right, refuse } from "./access.ts";
import { RegistryError } from "./errors.ts";
import type { Happening } from "./events.ts";
import type { RegistryLimits } from "./limits.ts";
import type { Storage } from "./storage/storage.ts";

/** What every endpoint works with. */
export interface Services {
  readonly storage: Storage;
  readonly access: AccessControl;
  readonly limits: RegistryLimits;
  /** Tells the listeners what happened; never waits. */
  readonly announce: (happening: Happening, exchange: Exchange) => void;
}

/** One request on its way to an answer. */
export interface Exchange {
  readonly services: Services;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly identity: Identity;
  /** The path of the URL as it was sent. */
  readonly path: string;
}

/** The first value of a parameter of the query. */
export function queryValue({ request }: Exchange, name: string): string | undefined {
  return queryValues(request, name)[0];
}

/** All values of a parameter of the query. */
export function queryValues(request: FastifyRequest, name: string): readonly string[] {
  const value = (request.query as Readonly<Record<string, string | string[] | undefined>>)[name];
  return value === undefined ? [] : [value].flat();
}

/** Throws 401 or 403 unless they have one of the rights. */
export function requireRight(
  { services, identity }: Exchange,
  repository: string,
  ...oneOf: [Right, ...Right[]]
): void {
  if (!oneOf.some((right) => services.access.allows(identity, repository, right)))
    throw refuse(identity, oneOf[0], repository);
}

/** Whether the request brings a body that is not empty. */
export function hasBody(request: FastifyRequest): boolean {
  const { "content-length": length, "transfer-encoding": encoding } = request.headers;
  return encoding !== undefined || (length !== undefined && length !== "0");
}

/** Reads a small body. Throws 413 beyond `maxBytes`; breaks the connection off after `timeoutMs`. */
export async function readBody({ raw }: FastifyRequest, maxBytes: number, timeoutMs: number): Promise<Buffer> {
  const tooLarge = () => new RegistryError(413, "SIZE_INVALID", "the body is too large", { detail: { maxBytes } });
  if (Number(raw.headers["content-length"] ?? 0) > maxBytes) throw tooLarge();
  const deadline = setTimeout(() => raw.destroy(), timeoutMs);
  const gathered = createGatherer();
  try {
    for await (const chunk of raw.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      if (gathered.add(chunk) > maxBytes) throw tooLarge();
    }
    return gathered.bytes();
  } finally {
    clearTimeout(deadline);
  }
}
