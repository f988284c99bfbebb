import { randomUUID } from "node:crypto";
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest, LogController } from "fastify";
import { type AccessControl, type Identity, openAccess } from "./access.ts";
import { answerError } from "./answer-error.ts";
import { refuseForeignPages } from "./browsers.ts";
import { dispatch } from "./dispatch.ts";
import { type EventSource, type Happening, makeEvent, type RegistryEvent } from "./events.ts";
import type { Exchange, Services } from "./exchange.ts";
import { defaultLimits, type RegistryLimits, timeouts } from "./limits.ts";
import type { Storage } from "./storage/storage.ts";

/** Where log lines go: JSON, one a line, without any credential. */
export interface LogTarget {
  write(line: string): void;
}

export interface RegistryOptions {
  readonly storage: Storage;
  /** Without it everybody has all rights, so requests must name a loopback host. */
  readonly access?: AccessControl | undefined;
  readonly limits?: RegistryLimits | undefined;
  /** Takes events; must not wait. */
  readonly publish?: ((event: RegistryEvent) => void) | undefined;
  readonly log?: LogTarget | undefined;
  /** PEM. */
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer } | undefined;
}

declare module "fastify" {
  interface FastifyRequest {
    registryIdentity: Identity | undefined;
  }
}

/** A registry (OCI distribution-spec v1.1) on a storage, ready to be listened with or injected into. */
export function buildRegistry(options: RegistryOptions): FastifyInstance {
  const access = options.access ?? openAccess;
  const app = createFastify(options);
  const services: Services = {
    storage: options.storage,
    access,
    limits: options.limits ?? defaultLimits,
    announce: createAnnounce(options.publish),
  };
  app.decorateRequest("registryIdentity", undefined);
  // Bodies are streams to the handlers, whatever their type says.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request, _payload, done) => done(null));
  app.addHook("onRequest", async (request, reply) => {
    reply.headers({ "docker-distribution-api-version": "registry/2.0", "x-content-type-options": "nosniff" });
    refuseForeignPages(request.headers, access === openAccess);
    request.registryIdentity = await access.identify(request.headers.authorization, request.ip);
  });
  app.addHook("onResponse", async (request, reply) => {
    logRequest(request, reply);
    dropUnwantedBody(request);
  });
  const handler = (request: FastifyRequest, reply: FastifyReply) =>
    dispatch(exchangeOf(services, request, reply, request.registryIdentity));
  const method = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
  app.route({ method, url: "/v2", handler });
  app.route({ method, url: "/v2/*", handler });
  app.setNotFoundHandler((_request, reply) => answerError(reply, { status: 404 }));
  app.setErrorHandler((error, _request, reply) => answerError(reply, error));
  return app;
}

function createFastify({ log, tls }: RegistryOptions): FastifyInstance {
  const options = {
    logController: new LogController({ disableRequestLogging: true }),
    exposeHeadRoutes: false,
    forceCloseConnections: "idle",
    connectionTimeout: timeouts.silence,
    keepAliveTimeout: timeouts.keepAlive,
    // Zero, because a large layer may come slowly; `headersTimeout` and silence end what does not come at all.
    requestTimeout: 0,
    http: { headersTimeout: timeouts.headers },
    routerOptions: { maxParamLength: 4096 },
    frameworkErrors: (error: Error, _request: FastifyRequest, reply: FastifyReply) => void answerError(reply, error),
    logger: log === undefined ? false : { level: "info", stream: log, base: null },
  } as const;
  const app = tls === undefined ? Fastify(options) : Fastify({ ...options, https: { ...tls, ...options.http } });
  return app as unknown as FastifyInstance;
}

function exchangeOf(
  services: Services,
  request: FastifyRequest,
  reply: FastifyReply,
  identity: Identity = { kind: "anonymous" },
): Exchange {
  return { services, request, reply, identity, path: pathOf(request) };
}

function pathOf(request: FastifyRequest): string {
  return request.raw.url?.split("?", 1)[0] ?? "";
}

function createAnnounce(publish: RegistryOptions["publish"]): Services["announce"] {
  if (publish === undefined) return () => {};
  const instanceID = randomUUID();
  return (happening: Happening, { request, identity }) => {
    const { host = "", "user-agent": userAgent = "" } = request.headers;
    const source: EventSource = { addr: host, instanceID };
    const cause = {
      id: `${instanceID}-${request.id}`,
      address: `${request.ip}:${request.socket.remotePort ?? 0}`,
      base: `${request.protocol}://${host}`,
      host,
      method: request.method,
      userAgent,
      user: identity.kind === "user" ? identity.name : undefined,
    };
    publish(makeEvent(happening, cause, source, new Date()));
  };
}

function logRequest(request: FastifyRequest, reply: FastifyReply): void {
  const identity = request.registryIdentity;
  const line = {
    method: request.method,
    path: pathOf(request).slice(0, 1000),
    status: reply.statusCode,
    ms: Math.round(reply.elapsedTime),
    address: request.ip,
    user: identity?.kind === "user" ? identity.name : undefined,
  };
  request.log.info(line, "request");
}

/** A body that nobody read would block its connection; its sender gets a moment to see the answer and stop. */
function dropUnwantedBody({ raw }: FastifyRequest): void {
  if (raw.complete !== false || raw.destroyed) return;
  raw.resume();
  setTimeout(() => raw.complete || raw.destroy(), timeouts.unwanted).unref();
}
