import type { SignedContent } from "../trust/signed-content.ts";
import type { SignerClaim } from "./prove.ts";

/** The annotations of a cosign layer that say who signed, and when (sigstore/cosign, specs/SIGNATURE_SPEC.md). */
export const signerAnnotations = {
  certificate: "dev.sigstore.cosign/certificate",
  chain: "dev.sigstore.cosign/chain",
  bundle: "dev.sigstore.cosign/bundle",
  timestamp: "dev.sigstore.cosign/rfc3161timestamp",
} as const;

/** What the annotations of a cosign layer say about its signer: perhaps a certificate; keys are not named. */
export function annotatedSigner(
  annotations: Readonly<Record<string, string>>,
  content: () => SignedContent,
): SignerClaim {
  const has = (name: string) => Object.hasOwn(annotations, name) && annotations[name] !== "";
  return {
    certified: has(signerAnnotations.certificate),
    witnessed: has(signerAnnotations.bundle) || has(signerAnnotations.timestamp),
    async material() {
      const { parseAnnotationMaterial } = await import("../trust/annotation-material.ts");
      return parseAnnotationMaterial(annotations);
    },
    content,
  };
}
