import type { IncomingHttpHeaders } from "node:http";
import { isJsonObject, type JsonObject } from "../crypto/json.ts";
import { TrustError } from "../errors.ts";
import type { Resource } from "./cluster.ts";

/** What a request wants to do, in the words of RBAC; for messages. */
export interface Intent {
  readonly verb: "get" | "list" | "watch" | "create" | "update" | "patch";
  readonly resource: Resource;
  readonly namespace?: string | undefined;
  /** Where it is about one object. */
  readonly name?: string | undefined;
  readonly subresource?: "status" | undefined;
}

/** Milliseconds to wait before another try, where the server asked for that in its answer; at most a minute. */
export function retryAfterOf(error: unknown): number | undefined {
  return error instanceof Error ? pauses.get(error) : undefined;
}

const pauses = new WeakMap<Error, number>();
const longestPause = 60_000;
const shortestText = 200;

/** The error that an answer stands for: an HTTP status with the `Status` object that came with it, if one did. */
export function refusal(
  intent: Intent,
  server: string,
  code: number,
  status: JsonObject | undefined,
  headers: IncomingHttpHeaders = {},
): TrustError {
  const found = [String(code), shortened(status?.["message"])].filter((part) => part !== "").join(": ");
  const error = refusalOf(intent, server, code, found);
  const pause = pauseIn(headers, status);
  if (pause !== undefined) pauses.set(error, pause);
  return error;
}

function refusalOf(intent: Intent, server: string, code: number, found: string): TrustError {
  const what = shownIntent(intent);
  if (code === 401)
    return new TrustError("CLUSTER_ACCESS_DENIED", `${server} does not know who wants to ${what}`, {
      expected: "credentials that the API server accepts",
      found,
      hint: "Sign in to the cluster again, or give another --kubeconfig; check with: kubectl auth whoami",
    });
  if (code === 403)
    return new TrustError("CLUSTER_ACCESS_DENIED", `${server} does not allow to ${what}`, {
      expected: `the right to ${what}`,
      found,
      hint: `Grant that right to the user or service account; check with: ${checkOf(intent)}`,
    });
  if (code === 410) return gone(intent, found);
  const details = { expected: `an answer to: ${what}`, found };
  if (code >= 500 || code === 429 || code === 408)
    return new TrustError("CLUSTER_UNREACHABLE", `${server} cannot answer now`, details);
  return new TrustError("CLUSTER_ANSWER_INVALID", `${server} refused to ${what}`, details);
}

/** The server no longer remembers the version that was asked for. */
export function gone(intent: Intent, found: string): TrustError {
  return new TrustError("CLUSTER_VERSION_GONE", `the API server forgot what it should ${shownIntent(intent)} from`, {
    expected: "a version that the server remembers",
    found,
  });
}

/** What came is no answer of an API server. `found` never holds more of it than its kind. */
export function invalidAnswer(
  intent: Intent,
  server: string,
  expected: string,
  found: string,
  cause?: unknown,
): TrustError {
  return new TrustError(
    "CLUSTER_ANSWER_INVALID",
    `${server} gave no answer of an API server to: ${shownIntent(intent)}`,
    {
      expected,
      found,
      cause,
    },
  );
}

/** As `kubectl auth can-i` words it: `list clustertrustpolicies.imagetrust.dev in namespace prod`. */
export function shownIntent({ verb, resource, namespace, name, subresource }: Intent): string {
  const kinds = resource.group === "" ? resource.plural : `${resource.plural}.${resource.group}`;
  const part = subresource === undefined ? "" : `/${subresource}`;
  const object = name === undefined ? "" : ` ${name}`;
  return `${verb} ${kinds}${part}${object}${scopeOf(resource, namespace)}`;
}

function scopeOf(resource: Resource, namespace: string | undefined): string {
  if (namespace !== undefined) return ` in namespace ${namespace}`;
  return resource.namespaced ? " in all namespaces" : "";
}

function checkOf({ verb, resource, namespace, subresource }: Intent): string {
  const kinds = resource.group === "" ? resource.plural : `${resource.plural}.${resource.group}`;
  const scope =
    namespace === undefined ? (resource.namespaced ? " --all-namespaces" : "") : ` --namespace ${namespace}`;
  return `kubectl auth can-i ${verb} ${kinds}${subresource === undefined ? "" : ` --subresource ${subresource}`}${scope}`;
}

/** One line of a text that a server chose. */
function shortened(text: unknown): string {
  if (typeof text !== "string") return "";
  const line = text.replace(/[\p{Cc}\p{Cf}\s]+/gu, " ").trim();
  return line.length <= shortestText ? line : `${line.slice(0, shortestText)}…`;
}

function pauseIn(headers: IncomingHttpHeaders, status: JsonObject | undefined): number | undefined {
  const details = isJsonObject(status?.["details"]) ? status["details"]["retryAfterSeconds"] : undefined;
  const seconds = Number(headers["retry-after"] ?? details ?? Number.NaN);
  return Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds * 1_000, longestPause) : undefined;
}
