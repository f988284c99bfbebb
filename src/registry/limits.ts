/** What a client may use up. */
export interface RegistryLimits {
  /** Bytes of one blob. */
  readonly blobBytes: number;
  /** Milliseconds after which an upload that nobody goes on with is removed. */
  readonly uploadAgeMs: number;
}

export const defaultLimits: RegistryLimits = { blobBytes: 100 * 2 ** 30, uploadAgeMs: 24 * 60 * 60 * 1000 };

/** Milliseconds. A large push may be slow, so only silence ends it; whoever sends no request, or a small one slowly, is cut off. */
export const timeouts = {
  /** Silence on a connection while a request or an answer is under way. */
  silence: 120_000,
  /** Between two requests on one connection; longer than clients and proxies keep theirs. */
  keepAlive: 75_000,
  /** From the first byte of a request to the end of its headers. */
  headers: 20_000,
  /** The body of a manifest. */
  manifest: 60_000,
  /** What is left of a body that is not wanted. */
  unwanted: 2_000,
} as const;
