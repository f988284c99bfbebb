import type { Digest } from "../crypto/digest.ts";
import { asTrustError, TrustError } from "../errors.ts";
import type { SignatureFormat, TrustMaterial, VerifiedSignature } from "../formats/format.ts";
import { openPlaces } from "../oci/places.ts";
import { formatRepository, type RepositoryName } from "../oci/reference.ts";
import type { Registry } from "../oci/registry.ts";

/**
 * Every signature of the subject that these keys are proved to have made. All are found or it throws
 * (`EVIDENCE_INCOMPLETE`, the errors of the registry): what is renewed or frozen must not depend on what was overlooked.
 */
export async function signaturesBy(
  registry: Registry,
  name: RepositoryName,
  subject: Digest,
  by: {
    readonly trust: TrustMaterial;
    readonly formats: readonly SignatureFormat[];
    readonly signal?: AbortSignal | undefined;
  },
): Promise<readonly VerifiedSignature[]> {
  const { trust, formats, signal } = by;
  const places = openPlaces(registry, name, { signal });
  const proofs = await Promise.all(
    formats.map(async (format) => {
      const { bundles, complete } = await format.find(places, subject);
      if (!complete)
        throw new TrustError(
          "EVIDENCE_INCOMPLETE",
          `${formatRepository(name)}@${subject} has more signatures than are read`,
        );
      return Promise.all(bundles.map((bundle) => format.verify(bundle, subject, trust).catch(unlessBug)));
    }),
  );
  return proofs.flat().flatMap((proof) => (proof?.kind === "signature" ? [proof] : []));
}

/** That a signature is not proved by these keys is no error; a bug is. */
function unlessBug(error: unknown): undefined {
  if (asTrustError(error).category === "internal") throw error;
}
