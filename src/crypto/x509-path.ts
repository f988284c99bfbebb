import { LRUCache } from "lru-cache";
import { TrustError } from "../errors.ts";
import { type Certificate, describeCertificate, publicKeyOf } from "./x509.ts";
import { candidateChains } from "./x509-chains.ts";
import { violationOf } from "./x509-name-constraints.ts";
import { checkAuthority, checkLeaf } from "./x509-rules.ts";
import { isSignedWith, signatureAlgorithmName } from "./x509-signature.ts";

/** What a path is to prove, and from what it may be built. */
export interface PathRequest {
  readonly leaf: Certificate;
  /** Claims, in any order; not more than 32 are read. */
  readonly intermediates: readonly Certificate[];
  /** Trust anchors: exactly these certificates. They obey the rules of authorities too. */
  readonly roots: readonly Certificate[];
  /** The moment at which every certificate must be valid, milliseconds since 1970. */
  readonly at: number;
  /** Object identifier of the purpose that the leaf must name, and authorities must not exclude; none: any purpose. */
  readonly eku?: string | undefined;
  /** The most authorities above the leaf, 8 unless told. */
  readonly maxDepth?: number | undefined;
  /** Remembers proved signatures between authorities. */
  readonly cache?: PathCache | undefined;
}

/** A proved path. It holds from `notBefore` to `notAfter`, the time when all its certificates are valid. */
export interface CertificatePath {
  /** The leaf first, the root last. */
  readonly chain: readonly Certificate[];
  readonly notBefore: number;
  readonly notAfter: number;
}

/**
 * Remembers which authority was proved to be signed by which key, for ever: that neither time nor roots can change. So with a
 * warm cache one signature is verified per path, that of the leaf. Everything else is checked each time.
 */
export type PathCache = LRUCache<string, Certificate>;

const maxCachedBytes = 8 * 1024 * 1024;

/** A cache for {@link verifyPath}; `max` counts pairs of authorities. Share it; it holds nothing but facts. */
export function createPathCache(max = 1000): PathCache {
  return new LRUCache({ max, maxSize: maxCachedBytes, sizeCalculation: ({ raw }) => raw.length });
}

/**
 * Proves that the leaf was issued under one of the roots (RFC 5280 §6.1). What it does:
 *
 * 1. The leaf is an end entity that may sign, for that purpose, and valid at that time.
 * 2. Chains from the leaf to a root are made by comparing names, bounded in length and number.
 * 3. Every authority in a chain may be one: basic constraints, path length, key usage, purpose, validity, no critical
 *    extension that is not understood.
 * 4. Signatures are verified from the root downwards, so that no key is used before it is proved.
 * 5. Names are within the name constraints of every authority above.
 *
 * The first chain that passes is the answer. Revocation is not looked at. Throws `CERTIFICATE_INVALID`,
 * `CERTIFICATE_EXPIRED` or, where no chain leads to a root, `CERTIFICATE_UNTRUSTED`.
 */
export async function verifyPath(request: PathRequest): Promise<CertificatePath> {
  checkLeaf(request.leaf, request);
  const failures: TrustError[] = [];
  const signatures = createSignatureMemo(request.cache);
  for (const chain of candidateChains(request)) {
    try {
      checkAuthorities(chain, request);
      await checkSignatures(chain, signatures);
      checkNames(chain);
      return pathOf(chain);
    } catch (error) {
      if (!(error instanceof TrustError)) throw error;
      failures.push(error);
    }
  }
  throw failures.find(({ code }) => code === "CERTIFICATE_EXPIRED") ?? failures[0] ?? untrusted(request);
}

function untrusted({ leaf, roots }: PathRequest): TrustError {
  return new TrustError("CERTIFICATE_UNTRUSTED", `no path leads from ${describeCertificate(leaf)} to a trusted root`, {
    expected:
      roots.length === 0
        ? "at least one root"
        : `issued under ${roots.slice(0, 5).map(describeCertificate).join(" or ")}`,
    found: `issuer ${leaf.issuer.text}`,
  });
}

function checkAuthorities(chain: readonly Certificate[], request: PathRequest): void {
  let below = 0;
  for (const authority of chain.slice(1)) {
    checkAuthority(authority, below, request);
    // Certificates by which an authority certifies its own next key do not count (RFC 5280 §6.1.4 l).
    if (!isSelfIssued(authority)) below++;
  }
}

function isSelfIssued({ issuer, subject }: Certificate): boolean {
  return issuer.raw.equals(subject.raw);
}

type SignatureMemo = (child: Certificate, issuer: Certificate, isLeaf: boolean) => Promise<Certificate | undefined>;

/**
 * Verifies each signature once per call, and between authorities once per cache. Answers with the proved certificate: the
 * cached one, whose key is already read, or undefined if the signature is not valid.
 */
function createSignatureMemo(cache: PathCache | undefined): SignatureMemo {
  const refused = new Set<string>();
  return async (child, issuer, isLeaf) => {
    const edge = `${child.fingerprint} ${issuer.fingerprint}`;
    const known = isLeaf ? undefined : cache?.get(edge);
    if (known !== undefined) return known;
    if (refused.has(edge)) return undefined;
    const { signatureAlgorithm, tbs, signature } = child;
    const valid = await isSignedWith(signatureAlgorithm, publicKeyOf(issuer).keyObject, tbs, signature);
    if (!valid) refused.add(edge);
    else if (!isLeaf) cache?.set(edge, child);
    return valid ? child : undefined;
  };
}

async function checkSignatures(chain: readonly Certificate[], verify: SignatureMemo): Promise<void> {
  let issuer = chain.at(-1);
  for (const child of chain.slice(0, -1).reverse()) {
    if (issuer === undefined) return;
    const proved = await verify(child, issuer, child === chain[0]);
    if (proved === undefined)
      throw new TrustError(
        "CERTIFICATE_UNTRUSTED",
        `${describeCertificate(child)} is not signed by the issuer it names`,
        {
          expected: `a signature of ${describeCertificate(issuer)}`,
          found: `${signatureAlgorithmName(child.signatureAlgorithm)}, not valid`,
        },
      );
    issuer = proved;
  }
}

/** RFC 5280 §6.1.3 b, c. */
function checkNames(chain: readonly Certificate[]): void {
  for (const [index, authority] of chain.entries()) {
    const { nameConstraints } = authority;
    if (index === 0 || nameConstraints === undefined) continue;
    for (const [depth, certificate] of chain.slice(0, index).entries()) {
      if (depth > 0 && isSelfIssued(certificate)) continue;
      const violation = violationOf(nameConstraints, certificate);
      if (violation === undefined) continue;
      const message = `${describeCertificate(certificate)} has a name that ${describeCertificate(authority)} may not certify`;
      throw new TrustError("CERTIFICATE_INVALID", message, violation);
    }
  }
}

function pathOf(chain: readonly Certificate[]): CertificatePath {
  return {
    chain,
    notBefore: Math.max(...chain.map(({ notBefore }) => notBefore)),
    notAfter: Math.min(...chain.map(({ notAfter }) => notAfter)),
  };
}
