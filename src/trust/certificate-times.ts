import type { Certificate } from "../crypto/x509.ts";
import { describeCertificate } from "../crypto/x509.ts";
import { type CertificatePath, createPathCache, type PathCache, verifyPath } from "../crypto/x509-path.ts";
import { purposes } from "../crypto/x509-rules.ts";
import { TrustError } from "../errors.ts";
import { type CertificateAuthority, isWithin, type TrustRoot } from "./trust-root.ts";

type Authorities = Pick<TrustRoot, "name" | "certificateAuthorities">;

/** What was signed by which authority of a root, for as long as the root is in use. */
const caches = new WeakMap<readonly CertificateAuthority[], PathCache>();

function cacheOf(authorities: readonly CertificateAuthority[]): PathCache {
  const cache = caches.get(authorities) ?? createPathCache();
  caches.set(authorities, cache);
  return cache;
}

/**
 * Proves that the leaf was issued, for signing code, under an authority of the root (client specification 4.3, RFC 5280 §6),
 * at every one of the times: leaf, intermediates, root, and the authority's own window all cover it. At least one time is
 * wanted. The path at the first time is the answer. Throws `CERTIFICATE_*`.
 */
export async function verifyCertificateAtTimes(
  leaf: Certificate,
  intermediates: readonly Certificate[],
  times: readonly number[],
  root: Authorities,
): Promise<CertificatePath> {
  const paths: AuthorityPath[] = [];
  for (const at of times) {
    // What a path was proved for covers other times, too, as long as all its certificates are valid then.
    if (!paths.some((known) => covers(known, at))) paths.push(await pathAt(leaf, intermediates, at, root));
  }
  const [first] = paths;
  if (first === undefined)
    throw new TrustError("CERTIFICATE_EXPIRED", `no time is known at which ${describeCertificate(leaf)} was used`, {
      expected: "a verified time",
      found: "none",
    });
  return first.path;
}

interface AuthorityPath {
  readonly authority: CertificateAuthority;
  readonly path: CertificatePath;
}

function covers({ authority, path }: AuthorityPath, at: number): boolean {
  return at >= path.notBefore && at <= path.notAfter && isWithin(authority.window, at);
}

async function pathAt(
  leaf: Certificate,
  claimed: readonly Certificate[],
  at: number,
  { name, certificateAuthorities }: Authorities,
): Promise<AuthorityPath> {
  const failures: TrustError[] = [];
  const cache = cacheOf(certificateAuthorities);
  for (const authority of certificateAuthorities.filter(({ window }) => isWithin(window, at))) {
    const { chain } = authority;
    // Intermediates come from the root (client specification 4.6); those of the signer help where it names none.
    const intermediates = chain.length === 1 ? claimed : chain.slice(0, -1);
    try {
      const eku = purposes.codeSigning;
      return { authority, path: await verifyPath({ leaf, intermediates, roots: chain.slice(-1), at, eku, cache }) };
    } catch (error) {
      if (!(error instanceof TrustError)) throw error;
      failures.push(error);
    }
  }
  throw failures.find(({ code }) => code !== "CERTIFICATE_UNTRUSTED") ?? failures[0] ?? noAuthority(leaf, at, name);
}

function noAuthority(leaf: Certificate, at: number, name: string): TrustError {
  return new TrustError(
    "CERTIFICATE_UNTRUSTED",
    `no authority of the trust root ${name} was to be believed when ${describeCertificate(leaf)} was used`,
    { expected: "an authority whose window covers the time", found: new Date(at).toISOString() },
  );
}
