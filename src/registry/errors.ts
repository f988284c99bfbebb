/**
 * Error codes of the OCI distribution spec v1.1. Refusals of clients have no others; `UNAVAILABLE` and `UNKNOWN`, which
 * registries add to them, go with a 5xx.
 */
export type OciErrorCode =
  | "BLOB_UNKNOWN"
  | "BLOB_UPLOAD_INVALID"
  | "BLOB_UPLOAD_UNKNOWN"
  | "DENIED"
  | "DIGEST_INVALID"
  | "MANIFEST_BLOB_UNKNOWN"
  | "MANIFEST_INVALID"
  | "MANIFEST_UNKNOWN"
  | "NAME_INVALID"
  | "NAME_UNKNOWN"
  | "SIZE_INVALID"
  | "TOOMANYREQUESTS"
  | "UNAUTHORIZED"
  | "UNSUPPORTED"
  | "UNAVAILABLE"
  | "UNKNOWN";

/** An answer other than success: HTTP status, OCI code, and headers that belong to it. Its text is shown to clients. */
export class RegistryError extends Error {
  override readonly name = "RegistryError";
  readonly status: number;
  readonly code: OciErrorCode;
  readonly detail: unknown;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    code: OciErrorCode,
    message: string,
    more: { readonly detail?: unknown; readonly headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(message);
    this.status = status;
    this.code = code;
    this.detail = more.detail;
    this.headers = more.headers ?? {};
  }
}

/** The body of an error answer (distribution-spec v1.1, "Error Codes"). */
export function errorBody(error: Pick<RegistryError, "code" | "message" | "detail">): string {
  const { code, message, detail } = error;
  return JSON.stringify({ errors: [{ code, message, ...(detail === undefined ? {} : { detail }) }] });
}

export function manifestUnknown(reference: string): RegistryError {
  return new RegistryError(404, "MANIFEST_UNKNOWN", "manifest unknown", { detail: { reference } });
}

export function blobUnknown(digest: string): RegistryError {
  return new RegistryError(404, "BLOB_UNKNOWN", "blob unknown to the repository", { detail: { digest } });
}

export function uploadUnknown(): RegistryError {
  return new RegistryError(404, "BLOB_UPLOAD_UNKNOWN", "no such upload; start another one");
}

export function digestInvalid(message: string, detail?: unknown): RegistryError {
  return new RegistryError(400, "DIGEST_INVALID", message, { detail });
}
