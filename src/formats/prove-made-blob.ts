import type { StreamCheck } from "../crypto/stream-verify.ts";
import { publicKeyOf } from "../crypto/x509.ts";
import { TrustError } from "../errors.ts";
import type { Signer } from "../keys/signer.ts";
import { messageContent } from "../trust/signed-content.ts";
import { parseBlobBundle } from "./blob-bundle.ts";
import { certify, witnessKey } from "./certified.ts";
import type { Backing, TrustMaterial } from "./format.ts";
import { requireEvidence, type WitnessedEvidence } from "./made-trust.ts";

/** What a made bundle is proved with. */
export interface MadeBlobTrust {
  readonly signer: Signer;
  readonly trust: TrustMaterial;
  readonly evidence?: WitnessedEvidence | undefined;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/**
 * Proves what stands in a made bundle beside its signature: the certificate, log entries, timestamps. `check` has seen the
 * file. Throws the codes of `certify`, `EVIDENCE_MISSING`, `SIGNATURE_INVALID`.
 */
export async function proveMadeBlob(bundle: Uint8Array, check: StreamCheck, made: MadeBlobTrust): Promise<void> {
  const { signature, signer } = parseBlobBundle(bundle);
  const content = messageContent(signature, { sha256: check.digest("sha256") });
  const material = await signer?.(() => content).material();
  if (material === undefined) throw notProved("a bundle that names nobody");
  const { leaf } = material;
  const key = made.signer.publicKey;
  if (leaf !== undefined && publicKeyOf(leaf).keyId !== key.keyId) throw notProved("a certificate of another key");
  const { roots = [] } = made.trust;
  const backings: readonly Backing[] | undefined =
    leaf === undefined
      ? await witnessKey(key, material, content, roots)
      : (await certify({ leaf, material, content }, made.trust, made.now)).signer.backings;
  if (made.evidence !== undefined) requireEvidence(backings ?? [], made.evidence);
}

function notProved(found: string): TrustError {
  return new TrustError("SIGNATURE_INVALID", "the bundle that was made does not prove; nothing is written", { found });
}
