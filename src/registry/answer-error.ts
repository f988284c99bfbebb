import type { FastifyReply } from "fastify";
import { TrustError } from "../errors.ts";
import { errorBody, RegistryError } from "./errors.ts";
import { errorCode } from "./storage/files.ts";

/** Answers with an OCI error document. What is not an error of ours or of the client is logged and told without its text. */
export function answerError(reply: FastifyReply, error: unknown): FastifyReply {
  const told = toRegistryError(error);
  if (told.status >= 500) reply.log.error({ err: error }, "request failed");
  // As bytes, so that the type stays as it is.
  const body = Buffer.from(errorBody(told));
  return reply
    .code(told.status)
    .headers({ ...told.headers, "content-type": "application/json" })
    .send(body);
}

const brokenOff = new Set(["ECONNRESET", "ERR_STREAM_PREMATURE_CLOSE", "ERR_STREAM_DESTROYED", "ABORT_ERR"]);

function toRegistryError(error: unknown): RegistryError {
  if (error instanceof RegistryError) return error;
  if (error instanceof TrustError) return fromTrustError(error);
  const status = statusOf(error);
  if (status === 404) return new RegistryError(404, "UNSUPPORTED", "no such endpoint");
  if (status !== undefined && status >= 400 && status < 500)
    return new RegistryError(status, "UNSUPPORTED", "the request cannot be understood");
  if (["ENOSPC", "EDQUOT"].includes(errorCode(error) ?? ""))
    return new RegistryError(507, "UNAVAILABLE", "no space left in the storage");
  // The client is gone, so nobody reads this; it is not a failure of the registry.
  if (brokenOff.has(errorCode(error) ?? "")) return new RegistryError(400, "SIZE_INVALID", "the body broke off");
  return new RegistryError(500, "UNKNOWN", "internal error");
}

function fromTrustError(error: TrustError): RegistryError {
  const { message, expected, found } = error;
  if (error.code === "MANIFEST_INVALID")
    return new RegistryError(400, "MANIFEST_INVALID", message, { detail: { expected, found } });
  if (error.category === "unavailable") return new RegistryError(503, "UNAVAILABLE", "try again in a moment");
  return new RegistryError(500, "UNKNOWN", "internal error");
}

function statusOf(error: unknown): number | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  const { status, statusCode } = error as { status?: unknown; statusCode?: unknown };
  return [status, statusCode].find((value) => typeof value === "number");
}
