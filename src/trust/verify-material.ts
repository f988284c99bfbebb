import { type CertificateClaims, certificateClaims } from "../crypto/fulcio-claims.ts";
import type { PublicKey } from "../crypto/public-key.ts";
import type { Certificate } from "../crypto/x509.ts";
import type { CertificatePath } from "../crypto/x509-path.ts";
import { TrustError } from "../errors.ts";
import { verifyCertificateAtTimes } from "./certificate-times.ts";
import { checkMinima, countDistinct, relaxations } from "./evidence-minima.ts";
import { findPromises, type VerifiedEntry, verifyEntries } from "./log-entries.ts";
import { checkEntryMatches, type EntrySigner } from "./log-match.ts";
import type { VerificationMaterial } from "./material.ts";
import { verifyScts } from "./sct.ts";
import type { SignedContent } from "./signed-content.ts";
import { type VerifiedTime, verifyTimestamp } from "./timestamps.ts";
import type { EvidenceMinima, TrustRoot } from "./trust-root.ts";

/** What is to be proved, and against which root. */
export interface MaterialRequest {
  readonly material: VerificationMaterial;
  /** What the signature is and covers; the signature itself is verified by the caller, with the key of the answer. */
  readonly content: SignedContent;
  readonly root: TrustRoot;
  /** The key that made the signature: wanted where the material has no certificate, and only there. */
  readonly key?: PublicKey | undefined;
  /** Other minima than those of the root; what they relax shows in `unsafe`. */
  readonly require?: EvidenceMinima | undefined;
}

/** What is proved around a signature. Nothing is proved about the signature itself yet. */
export interface ProvedMaterial {
  /** Verified times, earliest first. */
  readonly times: readonly VerifiedTime[];
  /** The signer's certificate and its proved path; absent with a plain key. */
  readonly leaf?: Certificate;
  readonly path?: CertificatePath;
  /** The identity provider, as the certificate names it. */
  readonly issuer?: string;
  /** Empty with a plain key. */
  readonly claims: CertificateClaims;
  /** Entries that are proved and about this signature. */
  readonly logs: readonly VerifiedEntry[];
  /** Numbers of distinct operators that the minima were held against. */
  readonly counts: EvidenceMinima;
  /** Sentences that say which checks were weaker than the root asks for. */
  readonly unsafe: readonly string[];
}

/**
 * Verifies everything around a signature offline, in the order of the Sigstore client specification (section 4):
 *
 * 1. Times: every RFC 3161 timestamp of a known authority, every promise of a known log (4.2).
 * 2. The certificate has a path to an authority of the root, at each of these times (4.3).
 * 3. Its SCTs are by logs of the root (4.3).
 * 4. Log entries are in logs of the root, at times when these were to be believed (4.2.2, 4.6).
 * 5. Each entry is about this signature, this signer, this content (4.4).
 *
 * Timestamps and promises are verified at the same time, and so are 2 and 3 beside 4; what is refused is the same as one after
 * the other. With a plain key steps 2 and 3 fall away. Evidence of witnesses that the root does not know counts as absent; evidence
 * that names one it knows must verify. Last, the minima of the root are held against distinct operators. The caller goes on
 * with signature (4.5) and identity. Throws `TIMESTAMP_INVALID`, `LOG_ENTRY_INVALID`, `CERTIFICATE_*`, `SCT_INVALID`,
 * `LOG_PROOF_INVALID`, `LOG_ENTRY_MISMATCH` or `EVIDENCE_MISSING`: each step has its own.
 */
export async function verifyMaterial(request: MaterialRequest): Promise<ProvedMaterial> {
  const { material, content, root } = request;
  const require = request.require ?? root.require;
  const signer = signerOf(request);
  const [stamps, promises] = await inOrder(
    verifyTimestamps(material, content, root),
    findPromises(material.entries, root.logs),
  );
  const times = [...stamps, ...promises.times].sort((a, b) => a.at - b.at);
  const moments = times.map(({ at }) => at);
  const [certified, logs] = await inOrder(
    verifySigner(signer, material, moments, root),
    verifyEntries(material, promises, moments),
  );
  for (const { entry } of logs) await checkEntryMatches(entry, content, signer);
  const counts = {
    log: countDistinct(logs.map(({ log }) => log)),
    timestamp: countDistinct(stamps),
    logOrTimestamp: countDistinct(logs.map(({ log }) => log)) + countDistinct(stamps),
    sct: countDistinct(certified?.scts ?? []),
  };
  const isCertified = certified !== undefined;
  checkMinima(counts, require, root, isCertified);
  return {
    times,
    ...(certified?.facts ?? { claims: {} }),
    logs,
    counts,
    unsafe: relaxations(require, root, isCertified),
  };
}

/** Both at the same time, for large signatures are verified in other threads; judged as if one came after the other. */
async function inOrder<A, B>(first: Promise<A>, second: Promise<B>): Promise<readonly [A, B]> {
  const [a, b] = await Promise.allSettled([first, second]);
  if (a.status === "rejected") throw a.reason;
  if (b.status === "rejected") throw b.reason;
  return [a.value, b.value];
}

function signerOf({ material: { leaf }, key }: MaterialRequest): EntrySigner {
  if (leaf !== undefined && key === undefined) return { certificate: leaf };
  if (leaf === undefined && key !== undefined) return { key };
  throw new TrustError("SIGNER_NOT_TRUSTED", "the signature is by another kind of signer than is asked for", {
    expected: key === undefined ? "a signature with a certificate" : "a signature by a key",
    found: leaf === undefined ? "a signature without a certificate" : "a signature with a certificate",
  });
}

/** Step 1, timestamps: over the raw signature; under `.att` tags over the whole envelope, too. */
async function verifyTimestamps(
  { timestamps }: VerificationMaterial,
  content: SignedContent,
  { timestampAuthorities }: TrustRoot,
): Promise<readonly VerifiedTime[]> {
  if (timestamps.length > 1 && new Set(timestamps.map((one) => one.toString("latin1"))).size !== timestamps.length)
    throw new TrustError("TIMESTAMP_INVALID", "a timestamp is there twice", { expected: "each once", found: "a copy" });
  const stamped = [content.stampedDigest, ...(content.isEnvelopeStamped ? [content.envelopeDigest] : [])];
  const verified: VerifiedTime[] = [];
  for (const timestamp of timestamps) {
    const time = await verifyTimestamp(timestamp, stamped, timestampAuthorities);
    if (time !== undefined) verified.push(time);
  }
  return verified;
}

/** Steps 2 and 3, then what the proved certificate says; nothing with a plain key. */
async function verifySigner(
  { certificate: leaf }: EntrySigner,
  { intermediates, entries, timestamps }: VerificationMaterial,
  moments: readonly number[],
  root: TrustRoot,
) {
  if (leaf === undefined) return undefined;
  if (moments.length === 0)
    throw new TrustError("EVIDENCE_MISSING", "nothing proves when the certificate was used", {
      expected: `a timestamp, or an entry with a signed time, by an authority or log of the trust root ${root.name}`,
      found: witnessesOf(entries.length, timestamps.length, leaf),
    });
  const path = await verifyCertificateAtTimes(leaf, intermediates, moments, root);
  const [, issuer] = path.chain;
  // A leaf that is an anchor by itself has no issuer, and so no SCTs that anybody could check.
  const scts = issuer === undefined ? [] : await verifyScts(leaf, issuer, root.certificateLogs);
  const claims = certificateClaims(leaf);
  return { scts, facts: { leaf, path, ...(claims.issuer === undefined ? {} : { issuer: claims.issuer }), claims } };
}

/** What there is instead, so that a signature of another deployment can be told from one without any witness. */
function witnessesOf(entries: number, timestamps: number, { issuer }: Certificate): string {
  const others = [
    ...(entries === 0 ? [] : [entries === 1 ? "an entry of another log" : `${entries} entries of other logs`]),
    ...(timestamps === 0 ? [] : [timestamps === 1 ? "another timestamp" : `${timestamps} other timestamps`]),
  ];
  const by = `a certificate by ${issuer.text.slice(0, 200)}`;
  return others.length === 0 ? `${by}, without log entry or timestamp` : `${by}, with ${others.join(" and ")}`;
}
