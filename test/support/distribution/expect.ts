import { AssertionError } from "node:assert";
import type { Answer } from "./http.ts";

/** The error codes that the specification has (distribution-spec v1.1.1, "Error Codes"). */
const listedCodes: readonly string[] = [
  "BLOB_UNKNOWN",
  "BLOB_UPLOAD_INVALID",
  "BLOB_UPLOAD_UNKNOWN",
  "DIGEST_INVALID",
  "MANIFEST_BLOB_UNKNOWN",
  "MANIFEST_INVALID",
  "MANIFEST_UNKNOWN",
  "NAME_INVALID",
  "NAME_UNKNOWN",
  "SIZE_INVALID",
  "UNAUTHORIZED",
  "DENIED",
  "UNSUPPORTED",
  "TOOMANYREQUESTS",
  // Of Docker's first manifests ("Legacy Docker support error codes").
  "TAG_INVALID",
  "MANIFEST_UNVERIFIED",
];

/** Fails a check; says what was asked and what came. */
export function fail(answer: Answer, expected: string): never {
  const { asked, status, body } = answer;
  const told = body.length === 0 ? "" : ` ${JSON.stringify(body.subarray(0, 200).toString())}`;
  throw new AssertionError({ message: `${asked}: expected ${expected}; answered ${status}${told}` });
}

/** Fails a check that is not about one answer alone. */
export function expectThat(holds: boolean, message: string): void {
  if (!holds) throw new AssertionError({ message });
}

export function expectStatus(answer: Answer, ...allowed: readonly number[]): Answer {
  if (!allowed.includes(answer.status)) fail(answer, `status ${allowed.join(" or ")}`);
  return answer;
}

/** A 4xx, whichever. */
export function expectRefusal(answer: Answer): Answer {
  if (answer.status < 400 || answer.status > 499) fail(answer, "a refusal (4xx)");
  return answer;
}

export function headerOf(answer: Answer, name: string): string {
  const value = answer.headers[name];
  if (typeof value !== "string" || value === "") fail(answer, `a ${name} header`);
  return value;
}

export function expectHeader(answer: Answer, name: string, value: string | number): Answer {
  const found = headerOf(answer, name);
  if (found !== String(value)) fail(answer, `${name}: ${value}, not ${found}`);
  return answer;
}

export function expectNoHeader(answer: Answer, name: string): Answer {
  if (answer.headers[name] !== undefined) fail(answer, `no ${name} header`);
  return answer;
}

export function expectBody(answer: Answer, bytes: Uint8Array): Answer {
  if (!answer.body.equals(bytes)) fail(answer, `exactly the ${bytes.length} bytes that were pushed`);
  return answer;
}

export function jsonOf(answer: Answer): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(answer.body.toString());
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // Told below.
  }
  return fail(answer, "a JSON object");
}

/** The codes of an error document, which must have the form that the specification gives it. */
function errorCodes(answer: Answer): readonly string[] {
  const { errors } = jsonOf(answer);
  if (!Array.isArray(errors) || errors.length === 0) fail(answer, "a list of errors");
  return (errors as readonly unknown[]).map((error) => {
    const { code, message } = (error ?? {}) as { readonly code?: unknown; readonly message?: unknown };
    if (typeof code !== "string" || !/^[A-Z_]+$/.test(code)) fail(answer, "a code of upper-case letters and _");
    if (message !== undefined && typeof message !== "string") fail(answer, "a message that is text");
    return code;
  });
}

export function expectError(answer: Answer, statuses: readonly number[], ...codes: readonly string[]): Answer {
  expectStatus(answer, ...statuses);
  if (!errorCodes(answer).some((code) => codes.includes(code))) fail(answer, `the error ${codes.join(" or ")}`);
  return answer;
}

/**
 * A 4xx, or what else may come instead. Where it has a JSON body, that is an error document whose codes are in the
 * specification's table.
 */
export function expectListedCodes(answer: Answer, otherwise?: number): Answer {
  if (answer.status === otherwise) return answer;
  expectRefusal(answer);
  if (!/\bjson\b/.test(answer.headers["content-type"] ?? "")) return answer;
  for (const code of errorCodes(answer)) if (!listedCodes.includes(code)) fail(answer, `a listed code, not ${code}`);
  return answer;
}
