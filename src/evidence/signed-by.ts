import type { Digest } from "../crypto/digest.ts";
import { asTrustError, TrustError } from "../errors.ts";
import type { SignatureFormat, TrustMaterial, VerifiedSignature } from "../formats/format.ts";
import { openPlaces } from "../oci/places.ts";
import { formatRepository, type RepositoryName } from "../oci/reference.ts";
import type { Registry } from "../oci/registry.ts";

/**
 * Every signature of the subject that is proved with this trust material. All are found or it throws
 * (`EVIDENCE_INCOMPLETE`, the errors of the registry): what is renewed or frozen must not depend on what was overlooked.
 */
export async function signaturesBy(
  registry: Registry,
  name: RepositoryName,
  subject: Digest,
  by: {
    readonly trust: TrustMaterial;
    readonly formats: readonly SignatureFormat[];
    /** Milliseconds since 1970; wanted where certificates are trusted, which are judged then. */
    readonly now?: number | undefined;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<readonly VerifiedSignature[]> {
  const { trust, formats, now, signal } = by;
  const places = openPlaces(registry, name, { signal });
  const proofs = await Promise.all(
    formats.map(async (format) => {
      const { bundles, complete } = await format.find(places, subject);
      if (!complete)
        throw new TrustError(
          "EVIDENCE_INCOMPLETE",
          `${formatRepository(name)}@${subject} has more signatures than are read`,
        );
      return Promise.all(bundles.map((bundle) => format.verify(bundle, subject, trust, now).catch(unlessBug)));
    }),
  );
  return proofs.flat().flatMap((proof) => (proof?.kind === "signature" ? [proof] : []));
}

/** That a signature is not proved is no error; a bug is. */
function unlessBug(error: unknown): undefined {
  if (asTrustError(error).category === "internal") throw error;
}
