import { TrustError } from "../errors.ts";

const certificateErrors =
  /^(?:CERT_|ERR_TLS_CERT|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERROR_IN_C|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_EXCEEDED|HOSTNAME_MISMATCH|ERR_SSL_|EPROTO)/;
const notTls = /^(?:ERR_SSL_WRONG_VERSION_NUMBER|ERR_SSL_PACKET_LENGTH_TOO_LONG|ERR_SSL_HTTP_REQUEST)$/;
const broken = new Set(["ECONNRESET", "EPIPE", "ECONNABORTED", "EAI_AGAIN", "ENETRESET", "ERR_STREAM_PREMATURE_CLOSE"]);

const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there",
  ENOTFOUND: "the name is unknown",
  EAI_AGAIN: "the name cannot be looked up",
  ETIMEDOUT: "no answer in time",
  ECONNRESET: "the connection was cut",
  EPIPE: "the connection was cut",
  EHOSTUNREACH: "no route to the host",
  ENETUNREACH: "no route to the network",
};

/** Makes an error of the connection to `host` one of ours: what cannot be reached, what has no valid certificate. */
export function networkError(error: unknown, host: string): TrustError {
  if (error instanceof TrustError) return error;
  const code = networkCode(error);
  if (isNotTls(error))
    return new TrustError("INSECURE_TRANSPORT_REFUSED", `${host} speaks plain HTTP where HTTPS was expected`, {
      expected: "HTTPS",
      found: "plain HTTP",
      cause: error,
    });
  if (certificateErrors.test(code))
    return new TrustError("TLS_FAILED", `no trusted TLS connection to ${host}`, {
      expected: `a certificate for ${host} from a known authority`,
      found: code,
      cause: error,
    });
  const found = reasons[code] === undefined ? code : `${reasons[code]} (${code})`;
  return new TrustError("REGISTRY_UNREACHABLE", `${host} cannot be reached`, {
    expected: "an answer",
    found,
    cause: error,
  });
}

function isNotTls(error: unknown): boolean {
  const code = networkCode(error);
  return notTls.test(code) || (code === "EPROTO" && /wrong version number|packet length too long/i.test(String(error)));
}

/** Whether plain HTTP came back on a connection that was to be TLS. */
export function isPlainHttpAnswer(error: unknown): boolean {
  return error instanceof TrustError && error.code === "INSECURE_TRANSPORT_REFUSED" && isNotTls(error.cause);
}

/** Whether the connection broke in a way that a second try may mend. */
export function isBrokenConnection(error: unknown): boolean {
  return error instanceof TrustError && error.code === "REGISTRY_UNREACHABLE" && broken.has(networkCode(error.cause));
}

/** Whether what came back was no HTTP at all. */
export function isUnreadableAnswer(error: unknown): boolean {
  return error instanceof TrustError && networkCode(error.cause).startsWith("HPE_");
}

/** Whether nothing listens where the connection was to be made. */
export function isRefusedConnection(error: unknown): boolean {
  return error instanceof TrustError && networkCode(error.cause) === "ECONNREFUSED";
}

/** The host did not answer, or went on too slowly. */
export function tooSlow(host: string, what: string, ms: number): TrustError {
  return new TrustError("REGISTRY_UNREACHABLE", `${host} is too slow`, {
    expected: `${what} within ${ms} ms`,
    found: "nothing",
  });
}

/** The caller's time is up, or the caller gave up. `during` says what was going on. */
export function deadlineExceeded(during: string, cause: unknown): TrustError {
  if (cause instanceof TrustError && cause.code === "DEADLINE_EXCEEDED") return cause;
  return new TrustError("DEADLINE_EXCEEDED", `the time was up during ${during}`, { cause });
}

function networkCode(error: unknown): string {
  if (!(error instanceof Error)) return "unknown";
  if ("code" in error && typeof error.code === "string") return error.code;
  // Several addresses were tried.
  return error instanceof AggregateError ? networkCode(error.errors[0]) : error.name;
}
