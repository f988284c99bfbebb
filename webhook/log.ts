import type { Verdict } from "../src/index.ts";
import type { Answer, Prepared } from "./answer.ts";
import type { Endpoint } from "./decide.ts";
import { findingsOf } from "./explain.ts";

/** Structured log: fields, then what happened. pino's loggers are such. */
export interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

const maxImages = 20;

/** The one line of a review: who asked for what, the answer, and each image's verdict in short. */
export function logReview(
  log: Log,
  route: Endpoint,
  prepared: Pick<Prepared, "request" | "envelope">,
  answer: Answer,
  durationMs: number,
): void {
  const { request, envelope } = prepared;
  const fields = {
    uid: envelope.uid,
    route,
    outcome: answer.outcome,
    durationMs: Math.round(durationMs * 100) / 100,
    ...(request === undefined
      ? {}
      : {
          operation: request.operation,
          kind: short(request.kind.kind),
          ...(request.subResource === "" ? {} : { subResource: short(request.subResource) }),
          namespace: short(request.namespace ?? ""),
          name: short(request.name),
          user: short(request.user.name),
          ...(request.dryRun ? { dryRun: true } : {}),
        }),
    ...(answer.reason === undefined ? {} : { unchecked: answer.reason }),
    ...(answer.verdicts.length === 0 ? {} : { images: answer.verdicts.slice(0, maxImages).map(imageOf) }),
    ...(answer.verdicts.length > maxImages ? { moreImages: answer.verdicts.length - maxImages } : {}),
  };
  const { error } = answer;
  if (error?.category === "internal") log.error({ ...fields, err: error.cause ?? error }, "review failed");
  else if (error !== undefined) log.warn({ ...fields, code: error.code, message: error.message }, "review refused");
  else if (answer.outcome === "deny") log.warn(fields, "review denied");
  else log.info(fields, "review answered");
}

function imageOf(verdict: Verdict): object {
  const findings = findingsOf(verdict).slice(0, 5);
  return {
    image: verdict.image.slice(0, 300),
    digest: verdict.digest,
    outcome: verdict.outcome,
    status: verdict.status,
    ...(findings.length === 0 ? {} : { findings: findings.map(({ finding, policy }) => [policy, finding.code]) }),
    ...(verdict.unsafe.length === 0 ? {} : { unsafe: verdict.unsafe }),
  };
}

function short(text: string): string {
  return text.slice(0, 253);
}
