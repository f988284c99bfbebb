import { formatPem } from "../crypto/pem.ts";
import { TrustError } from "../errors.ts";
import type { Signer } from "../keys/signer.ts";
import type { Backing, TrustMaterial } from "./format.ts";

/** How many distinct logs and timestamp authorities have witnessed a signature, at the least. */
export interface WitnessedEvidence {
  readonly log: number;
  readonly timestamp: number;
}

/** What a signer is proved with where nothing else is said: the key, or the root that its certificate leads to. */
export async function trustInSigner(signer: Signer): Promise<TrustMaterial> {
  const { keyId } = signer.publicKey;
  if (signer.certificate === undefined) return { revision: keyId, keys: [signer.publicKey] };
  const { issuers } = await signer.certificate();
  const [root = "", ...intermediates] = issuers.map(({ raw }) => formatPem("CERTIFICATE", raw)).reverse();
  const { createCertificateTrust } = await import("../trust/certificate-trust.ts");
  const trust = createCertificateTrust(root, intermediates.length === 0 ? undefined : intermediates.join(""));
  // Without the key, which would prove the signature whatever the certificate is.
  return { revision: `${keyId} ${trust.id}`, keys: [], certificates: [trust] };
}

/** Throws why a trust root refuses the evidence, or `EVIDENCE_MISSING`. */
export function requireEvidence(backings: readonly Backing[], { log, timestamp }: WitnessedEvidence): void {
  const isProved = ({ counts }: Backing) => counts !== undefined && counts.log >= log && counts.timestamp >= timestamp;
  if (backings.some(isProved)) return;
  const failure = backings.find((backing) => backing.failure !== undefined)?.failure;
  if (failure !== undefined) throw failure;
  const counts = backings.find((backing) => backing.counts !== undefined)?.counts;
  throw new TrustError("EVIDENCE_MISSING", "the trust root does not prove what witnessed the signature", {
    expected: `${log} log entries and ${timestamp} timestamps, of logs and authorities of the trust root`,
    found: `${counts?.log ?? 0} log entries and ${counts?.timestamp ?? 0} timestamps that are proved`,
    hint: "Name the trust root of the services that sign with --trusted-root",
  });
}
