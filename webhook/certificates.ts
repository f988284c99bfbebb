import { existsSync } from "node:fs";
import type { Server } from "node:https";
import { asTrustError, TrustError } from "../src/index.ts";
import { readPair, type ServingCertificate } from "./certificate-files.ts";
import type { Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import { filesIn, type SelfMadeOptions, selfMade } from "./self-made.ts";

export interface CertificateOptions extends SelfMadeOptions {
  /** Holds `ca.crt tls.crt tls.key`, or receives them and `ca.key`. */
  readonly certDir?: string | undefined;
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
}

/** Gives the certificate to serve now; ask again from time to time. */
export type CertificateSource = () => Promise<ServingCertificate>;

/**
 * Opens the source of the serving certificate. Files that were given, and a folder with `tls.crt` and `tls.key` but no
 * `ca.key`, are somebody else's: they are only read, again at every call. Any other folder is ours: certificates are
 * made there and renewed (`self-made.ts`). The source throws `CONFIG_INVALID`, `FILE_NOT_FOUND`, `FILE_UNREADABLE`,
 * `FILE_UNWRITABLE`, `KEY_INVALID`.
 */
export function openCertificates(options: CertificateOptions): CertificateSource {
  const { certDir, tlsCert, tlsKey } = options;
  if (tlsCert !== undefined || tlsKey !== undefined) {
    if (tlsCert === undefined || tlsKey === undefined || certDir !== undefined)
      throw new TrustError("CONFIG_INVALID", "a certificate and its key go together, without a certificate folder", {
        expected: "--tls-cert FILE and --tls-key FILE, or --cert-dir DIR",
      });
    return () => readPair(tlsCert, tlsKey);
  }
  if (certDir === undefined)
    throw new TrustError("CONFIG_INVALID", "the webhook serves HTTPS only and has no certificate", {
      expected: "--cert-dir DIR, or --tls-cert FILE and --tls-key FILE",
    });
  const files = filesIn(certDir);
  const given = existsSync(files.cert) && existsSync(files.key) && !existsSync(files.caKey);
  return given ? () => readPair(files.cert, files.key) : () => selfMade(files, options);
}

export interface FollowOptions {
  readonly source: CertificateSource;
  /** What is served already. */
  readonly first: ServingCertificate;
  readonly server: object;
  readonly metrics: Metrics;
  readonly log: Log;
}

const interval = 10_000;

/**
 * Asks the source again and again, and lets the server use what it gives from the next connection on; while the source
 * fails, the last certificate is served. `check` asks now.
 */
export function followCertificate(options: FollowOptions): { check(): Promise<void>; close(): void } {
  const { source, server, metrics, log } = options;
  let serving = options.first;
  metrics.certificateExpires(serving.expires);
  const check = async () => {
    const next = await source();
    if (next.cert === serving.cert && next.key === serving.key) return;
    (server as Server).setSecureContext({ cert: next.cert, key: next.key, minVersion: "TLSv1.2" });
    serving = next;
    metrics.certificateExpires(next.expires);
    log.info({ expires: new Date(next.expires).toISOString() }, "serving another certificate");
  };
  const checkSafely = () =>
    check().catch((error: unknown) => {
      const { code, message } = asTrustError(error);
      log.error({ code, message }, "the certificate cannot be read or renewed; the last good one is served");
    });
  const timer = setInterval(() => void checkSafely(), interval).unref();
  return { check: checkSafely, close: () => clearInterval(timer) };
}
