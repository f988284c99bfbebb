import { isSctSignedBy, precertificateEntry, readScts, type SignedCertificateTimestamp } from "../crypto/sct.ts";
import type { Certificate } from "../crypto/x509.ts";
import { TrustError } from "../errors.ts";
import { type CertificateLog, isWithin } from "./trust-root.ts";

/**
 * Verifies the SCTs inside a certificate (client specification 4.3, RFC 6962 §3.2): every one that names a log of the root is
 * signed by that log, over this certificate under this issuer, within the window of the log. SCTs of other logs are as if
 * not there. `issuer` is the one of the proved path. Answers with the distinct logs. Throws `SCT_INVALID`.
 */
export async function verifyScts(
  certificate: Certificate,
  issuer: Certificate,
  logs: readonly CertificateLog[],
): Promise<readonly CertificateLog[]> {
  const known = readScts(certificate).flatMap((sct) => {
    const candidates = logs.filter(({ logId }) => logId.equals(sct.logId));
    return candidates.length === 0 ? [] : [{ sct, candidates }];
  });
  if (known.length === 0) return [];
  const entry = precertificateEntry(certificate, issuer);
  const verified = new Set<CertificateLog>();
  for (const { sct, candidates } of known) verified.add(await verifySct(sct, candidates, entry));
  return [...verified];
}

/** The same log may be there several times, with windows of their own. */
async function verifySct(
  sct: SignedCertificateTimestamp,
  candidates: readonly CertificateLog[],
  entry: Buffer,
): Promise<CertificateLog> {
  const inWindow = candidates.filter(({ window }) => isWithin(window, sct.at));
  const [first] = candidates;
  if (inWindow.length === 0)
    throw invalid(first, "is from a time when the log was not to be believed", "a time within its window", timeOf(sct));
  for (const log of inWindow) {
    if (await isSctSignedBy(sct, log.key, entry)) return log;
  }
  throw invalid(first, "is not signed by the log for this certificate and issuer", "a signature of the log", "another");
}

function timeOf({ at }: SignedCertificateTimestamp): string {
  return at <= 8.64e15 ? new Date(at).toISOString() : "no time";
}

function invalid(log: CertificateLog | undefined, problem: string, expected: string, found: string): TrustError {
  return new TrustError("SCT_INVALID", `the SCT of ${log?.baseUrl ?? "a log"} ${problem}`, { expected, found });
}
