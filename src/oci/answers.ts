import { isJsonObject } from "../crypto/json.ts";
import { type ErrorCode, TrustError } from "../errors.ts";
import { readUpTo } from "./body.ts";
import { shownUrl } from "./endpoint.ts";
import { isTransientStatus } from "./retry.ts";
import type { HttpResponse } from "./transport.ts";

/** What a registry answered when it refused or failed; the cause of the error that tells it. */
export interface RegistryAnswer {
  readonly status: number;
  /** Codes of the registry's own errors (distribution-spec v1.1, "Error Codes"). */
  readonly codes: readonly string[];
}

/** What was asked, for errors. */
export interface Asked {
  /** Canonical name of the registry. */
  readonly registry: string;
  readonly repository?: string | undefined;
  /** What it was about, as `manifest v1` or `the list of tags`. */
  readonly what: string;
  /** The code for 404, where that means that something is missing. */
  readonly missing?: ErrorCode | undefined;
  /** Whether credentials went with the request. */
  readonly authenticated?: boolean;
}

const errorBody = { maxBytes: 64 * 1024, maxMs: 5_000 };
const maxMessage = 300;

/** The error for an answer that is not the one hoped for. Reads at most 64 KiB of it and shows a cleaned bit. */
export async function answerError(response: HttpResponse, method: string, asked: Asked): Promise<TrustError> {
  const body = await readUpTo(response, errorBody).then(
    ({ bytes }) => bytes,
    () => Buffer.of(),
  );
  const errors = registryErrors(body);
  const { status } = response;
  const code = codeFor(status, asked);
  const own = errors.map(({ code, message }) => (message === "" ? code : `${code}: ${message}`)).join("; ");
  const answer: RegistryAnswer = { status, codes: errors.map((error) => error.code) };
  const about = asked.repository === undefined ? asked.registry : `${asked.registry}/${asked.repository}`;
  return new TrustError(code, `${about}: ${describe(code, asked)} (${method} answered ${status}${own && `, ${own}`})`, {
    expected: asked.what,
    found: own === "" ? `${status} from ${shownUrl(response.url)}` : `${status} ${own}`,
    cause: answer,
  });
}

/** What the registry answered, where an error came from an answer. */
export function answerOf(error: unknown): RegistryAnswer | undefined {
  if (!(error instanceof TrustError) || !isJsonObject(error.cause)) return undefined;
  const { status, codes } = error.cause;
  return typeof status === "number" && Array.isArray(codes) ? { status, codes: codes.map(String) } : undefined;
}

function codeFor(status: number, asked: Asked): ErrorCode {
  if (status === 401) return "AUTHENTICATION_REQUIRED";
  if (status === 403) return "AUTHORIZATION_DENIED";
  if (status === 404 && asked.missing !== undefined) return asked.missing;
  if (status === 412) return "UPDATE_CONFLICT";
  if (isTransientStatus(status) || status >= 500 || status < 400) return "REGISTRY_ERROR";
  return "REGISTRY_REFUSED";
}

function describe(code: ErrorCode, { what, authenticated }: Asked): string {
  switch (code) {
    case "AUTHENTICATION_REQUIRED":
      return authenticated === true ? `the credentials were not accepted for ${what}` : `${what} needs credentials`;
    case "AUTHORIZATION_DENIED":
      return `access denied to ${what}`;
    case "UPDATE_CONFLICT":
      return `${what} was changed by somebody else meanwhile`;
    case "REGISTRY_ERROR":
      return `the registry fails at ${what}`;
    case "REGISTRY_REFUSED":
      return `the registry refuses ${what}`;
    default:
      return `${what} is not there`;
  }
}

function registryErrors(body: Buffer): readonly { readonly code: string; readonly message: string }[] {
  let document: unknown;
  try {
    document = JSON.parse(body.toString("utf8"));
  } catch {
    return [];
  }
  const errors = isJsonObject(document) ? document["errors"] : undefined;
  if (!Array.isArray(errors)) return [];
  return errors.slice(0, 3).flatMap((error) => {
    if (!isJsonObject(error)) return [];
    return [{ code: shown(error["code"]).slice(0, 60) || "no code", message: shown(error["message"]) }];
  });
}

/** Text of a stranger, made safe for a terminal and a log: short, without control and direction characters. */
export function shown(text: unknown): string {
  if (typeof text !== "string") return "";
  return text
    .slice(0, 4 * maxMessage)
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\s]+/gu, " ")
    .trim()
    .slice(0, maxMessage);
}
