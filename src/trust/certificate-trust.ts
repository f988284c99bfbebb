import { createHash } from "node:crypto";
import type { Certificate } from "../crypto/x509.ts";
import { describeCertificate } from "../crypto/x509.ts";
import { createPathCache, type PathCache } from "../crypto/x509-path.ts";
import { parseCertificates } from "../crypto/x509-pem.ts";
import { TrustError } from "../errors.ts";
import type { TrustRoot } from "./trust-root.ts";

/** Certificate authorities that somebody trusts. They are used together and with no others: each such set proves paths by itself. */
export interface CertificateTrust {
  /** Changes whenever one of the certificates does. */
  readonly id: string;
  readonly roots: readonly Certificate[];
  /** Trusted to be known, not to be true: they only help to find the path to a root. */
  readonly intermediates: readonly Certificate[];
  readonly cache: PathCache;
  /** Whose logs and timestamp authorities prove when a certificate was used; without one it is judged by now. */
  readonly times?: TrustRoot;
}

/**
 * Reads the certificates of authorities from PEM. A certificate that signs code is refused as a root: it would be trusted
 * whoever issued it. Throws `CERTIFICATE_INVALID`.
 */
export function createCertificateTrust(
  roots: string,
  intermediates?: string | undefined,
  times?: TrustRoot | undefined,
): CertificateTrust {
  const trust = {
    roots: authoritiesIn(roots, "a root"),
    intermediates: intermediates === undefined ? [] : authoritiesIn(intermediates, "an intermediate"),
  };
  const fingerprints = [trust.roots, trust.intermediates].map((list) => list.map((one) => one.fingerprint).sort());
  const id = createHash("sha256")
    .update(JSON.stringify([fingerprints, times?.revision]))
    .digest("hex");
  return { id, ...trust, cache: createPathCache(), ...(times === undefined ? {} : { times }) };
}

function authoritiesIn(pem: string, what: string): readonly Certificate[] {
  const all = parseCertificates(pem);
  const stranger = all.find(({ basicConstraints }) => basicConstraints?.ca !== true);
  if (stranger === undefined) return [...new Map(all.map((one) => [one.fingerprint, one])).values()];
  throw new TrustError("CERTIFICATE_INVALID", `${what} is not a certificate authority`, {
    expected: "basic constraints CA:TRUE",
    found: describeCertificate(stranger),
  });
}
