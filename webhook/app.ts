import type { IncomingMessage } from "node:http";
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { asTrustError, TrustError } from "../src/index.ts";
import { type Answer, type AnswerDeps, answer, type Prepared, prepare, refusal, unreadable } from "./answer.ts";
import { type BodyLimits, createBodyReader } from "./body.ts";
import { budgetOf } from "./deadline.ts";
import type { Endpoint, Route } from "./decide.ts";
import { type Log, logReview } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import { answerPolicy, type PreparedPolicy, preparePolicy, unreadablePolicy } from "./policy-review.ts";
import { reply as reviewOf } from "./review.ts";

declare module "fastify" {
  interface FastifyRequest {
    arrivedAt: number;
  }
}

export interface AppDeps extends AnswerDeps {
  /** Whether policies are loaded and no shutdown is under way; otherwise why not. */
  readonly notReady: () => string | undefined;
  readonly metrics: Metrics;
  readonly log: Log;
  /** Serve HTTPS with these; without, plain HTTP (for tests only). */
  readonly https?: { readonly key: string; readonly cert: string };
  readonly bodyLimits?: BodyLimits;
}

const policyPath = "/validate-policy";
const endpoints: Readonly<Record<string, Endpoint>> = {
  "/validate": "validate",
  "/mutate": "mutate",
  [policyPath]: "validate-policy",
};

/** The time for a whole request to arrive; longer than any timeout of the API server is of no use. */
const requestTimeout = 30_000;
/** Longer than the 90 s after which the API server gives up an idle connection, so that it is never cut under it. */
const keepAliveTimeout = 120_000;

/**
 * The webhook's HTTP server: `POST /validate`, `POST /mutate` for workloads, `POST /validate-policy` for policies, `GET
 * /healthz`, `/readyz`, `/metrics`. Whatever is posted is answered with 200 and a well-formed AdmissionReview.
 */
export function buildApp(deps: AppDeps): FastifyInstance {
  const timeouts = { requestTimeout, keepAliveTimeout, connectionTimeout: 0, handlerTimeout: 0 };
  const limits = { bodyLimit: deps.bodyLimits?.maxBody ?? 16 * 1024 * 1024, routerOptions: { maxParamLength: 100 } };
  const shared = {
    ...timeouts,
    ...limits,
    logger: false,
    return503OnClosing: false,
    forceCloseConnections: "idle",
  } as const;
  const app: FastifyInstance =
    deps.https === undefined
      ? Fastify(shared)
      : (Fastify({
          ...shared,
          https: { key: deps.https.key, cert: deps.https.cert, minVersion: "TLSv1.2" },
        }) as unknown as FastifyInstance);
  acceptAnyBody(app, deps.bodyLimits);
  // Fastify's own clock runs only with its logger.
  app.decorateRequest("arrivedAt", 0);
  app.addHook("onRequest", (request, _reply, done) => {
    request.arrivedAt = performance.now();
    done();
  });
  app.post("/validate", (request, reply) => review(deps, "validate", request, reply));
  app.post("/mutate", (request, reply) => review(deps, "mutate", request, reply));
  app.post(policyPath, (request, reply) => reviewPolicy(deps, request, reply));
  app.get("/healthz", async () => "ok\n");
  app.get("/readyz", async (_request, reply) => {
    const reason = deps.notReady();
    return reply.code(reason === undefined ? 200 : 503).send(`${reason ?? "ok"}\n`);
  });
  app.get("/metrics", async (_request, reply) => {
    return reply.type(deps.metrics.contentType).send(await deps.metrics.render());
  });
  app.setErrorHandler((error, request, reply) => {
    const route = routeOf(request);
    if (route === undefined) return reply.code(statusOf(error)).send("the request cannot be answered\n");
    const known = statusOf(error) < 500 ? unreadableRequest(error) : asTrustError(error);
    return finish(deps, route, unreadable(known), refusal(known), reply);
  });
  return app;
}

/**
 * The API server sends JSON; whatever the content type says, the body is read as such. Fastify's own parser would refuse
 * objects with certain keys, and its limit answers before the client has finished.
 */
function acceptAnyBody(app: FastifyInstance, limits: BodyLimits | undefined): void {
  const read = createBodyReader(limits);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (request: FastifyRequest, payload: IncomingMessage) =>
    request.routeOptions.url === policyPath
      ? read(payload).then(preparePolicy, unreadablePolicy)
      : read(payload).then(prepare, unreadable),
  );
}

async function review(
  deps: AppDeps,
  route: Route,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const prepared = (request.body as Prepared | undefined) ?? prepare(Buffer.alloc(0));
  const query = request.query as { readonly timeout?: unknown };
  const result = await answer(deps, route, prepared, budgetOf(query.timeout) - elapsed(request));
  return finish(deps, route, prepared, result, reply);
}

async function reviewPolicy(deps: AppDeps, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const prepared = (request.body as PreparedPolicy | undefined) ?? preparePolicy(Buffer.alloc(0));
  return finish(deps, "validate-policy", prepared, await answerPolicy(prepared), reply);
}

function finish(
  deps: AppDeps,
  route: Endpoint,
  prepared: Pick<Prepared, "request" | "envelope">,
  result: Answer,
  reply: FastifyReply,
): FastifyReply {
  const durationMs = elapsed(reply.request);
  deps.metrics.review(route, result.outcome, durationMs / 1000, result.verdicts);
  logReview(deps.log, route, prepared, result, durationMs);
  const text = JSON.stringify(reviewOf(prepared.envelope, result.response));
  return reply.code(200).header("content-type", "application/json").send(text);
}

/** Milliseconds since the head of the request was there: its body counts against the deadline. */
function elapsed(request: FastifyRequest): number {
  return performance.now() - request.arrivedAt;
}

function routeOf(request: FastifyRequest): Endpoint | undefined {
  const { url = "" } = request.routeOptions;
  return request.method === "POST" ? endpoints[url] : undefined;
}

/** What Fastify itself refuses before a handler runs, such as a content type that is not one. */
function unreadableRequest(cause: unknown): TrustError {
  return new TrustError("REVIEW_INVALID", "the request is not one that can be read", { cause });
}

function statusOf(error: unknown): number {
  const status = (error as { readonly statusCode?: unknown } | null)?.statusCode;
  return typeof status === "number" && status >= 400 && status < 600 ? status : 500;
}
