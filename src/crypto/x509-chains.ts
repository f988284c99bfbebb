import { TrustError } from "../errors.ts";
import type { Certificate } from "./x509.ts";

interface ChainRequest {
  readonly leaf: Certificate;
  readonly intermediates: readonly Certificate[];
  readonly roots: readonly Certificate[];
  readonly maxDepth?: number | undefined;
}

const maxIntermediates = 32;
const defaultDepth = 8;
/** Steps of one search: certificates put on a chain. Reached only by sets made to be searched long. */
const maxSteps = 256;
/** Chains that one search may give; each may cost signatures. */
const maxChains = 16;

/**
 * Every way from the leaf to a root in which each certificate names the next one as its issuer, byte by byte, likely ones
 * first. No key appears twice under one name, so there are no loops. Signatures and rules are not looked at. Ends quietly at
 * its bounds; throws `CERTIFICATE_INVALID` for more than 32 intermediates.
 */
export function* candidateChains(request: ChainRequest): Generator<readonly Certificate[]> {
  const { leaf, intermediates, roots, maxDepth = defaultDepth } = request;
  if (intermediates.length > maxIntermediates)
    throw new TrustError("CERTIFICATE_INVALID", "there are too many intermediate certificates", {
      expected: `at most ${maxIntermediates}`,
      found: `${intermediates.length}`,
    });
  const anchors = new Set(roots.map(({ fingerprint }) => fingerprint));
  const others = intermediates.filter(({ fingerprint }) => !anchors.has(fingerprint));
  let steps = 0;
  let found = 0;

  function* extend(chain: readonly Certificate[], last: Certificate): Generator<readonly Certificate[]> {
    if (anchors.has(last.fingerprint)) {
      found++;
      yield chain;
      return;
    }
    if (chain.length > maxDepth) return;
    for (const issuer of [...issuersOf(last, roots), ...issuersOf(last, others)]) {
      if (++steps > maxSteps || found >= maxChains) return;
      if (!chain.some((member) => isSameHolder(member, issuer))) yield* extend([...chain, issuer], issuer);
    }
  }
  yield* extend([leaf], leaf);
}

function isSameHolder(one: Certificate, other: Certificate): boolean {
  return one.subject.raw.equals(other.subject.raw) && one.spki.equals(other.spki);
}

/** Key identifiers are hints that nobody checks: they order the candidates, and exclude none. */
function issuersOf(child: Certificate, candidates: readonly Certificate[]): readonly Certificate[] {
  const named = candidates.filter(({ subject }) => subject.raw.equals(child.issuer.raw));
  const fits = ({ subjectKeyId }: Certificate) =>
    child.authorityKeyId !== undefined && subjectKeyId === child.authorityKeyId;
  return [...named.filter(fits), ...named.filter((candidate) => !fits(candidate))];
}
