import { existsSync } from "node:fs";
import { TrustError } from "../src/index.ts";
import { readPair, type ServingCertificate } from "./certificate-files.ts";
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
