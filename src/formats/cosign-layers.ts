import { type Digest, digestOf } from "../crypto/digest.ts";
import { TrustError, toFinding } from "../errors.ts";
import type { EvidencePlaces } from "../oci/evidence-places.ts";
import { type Descriptor, type ImageManifest, parseManifest } from "../oci/manifest.ts";
import { mapLimit } from "../oci/parallel.ts";
import { signerAnnotations } from "./annotated-signer.ts";
import {
  type FoundSignatures,
  maxAttestationBytes,
  maxSignatureBytes,
  readsAtOnce,
  type SignatureBundle,
} from "./format.ts";

export const cosignName = "cosign";
export const signatureAnnotation = "dev.cosignproject.cosign/signature";
const maxSignatureText = 16 * 1024;

export const nothingFound: FoundSignatures = { bundles: [], findings: [], complete: true };

/** What the layers under a tag hold; nothing where there is no such tag. Throws `SIGNATURE_MALFORMED` for an index. */
export async function findTagged(
  places: EvidencePlaces,
  tag: string,
  kind: { readonly isEnvelope?: true; readonly predicateType?: string | undefined } = {},
): Promise<FoundSignatures> {
  const tagged = await places.taggedManifest(tag);
  if (tagged === undefined) return nothingFound;
  const manifest = parseManifest(tagged.bytes, tagged.descriptor.mediaType);
  if (manifest.kind === "index")
    throw new TrustError("SIGNATURE_MALFORMED", `the tag ${tag} holds an index`, { expected: "an image manifest" });
  const { predicateType, ...form } = kind;
  const isWanted = ({ annotations }: Descriptor) => annotations?.["predicateType"] === predicateType;
  const inOrder = manifest.layers.toSorted((a, b) => Number(isWanted(b)) - Number(isWanted(a)));
  return readLayers(places, form.isEnvelope === true ? inOrder : manifest.layers, form);
}

/** The layers of a manifest that another client attached as a referrer (cosign's `--registry-referrers-mode oci-1-1`). */
export function signedLayers(manifest: ImageManifest, mediaType: string): readonly Descriptor[] {
  return manifest.layers.filter(
    (layer) => layer.mediaType === mediaType && layer.annotations?.[signatureAnnotation] !== undefined,
  );
}

/** Reads layers as claims, as many as one place may have. */
export async function readLayers(
  places: EvidencePlaces,
  layers: readonly Descriptor[],
  form: { readonly isEnvelope?: true } = {},
): Promise<FoundSignatures> {
  const wanted = layers.slice(0, places.maxSignatures);
  const found = await mapLimit(wanted, readsAtOnce, (layer) => read(places, layer, form));
  const bundles = found.flatMap((item) => ("bundle" in item ? [item.bundle] : []));
  return {
    bundles: [...new Map(bundles.map((bundle) => [bundle.claimId, bundle])).values()],
    findings: found.flatMap((item) => ("finding" in item ? [item.finding] : [])),
    complete: wanted.length === layers.length,
  };
}

async function read(places: EvidencePlaces, layer: Descriptor, form: { readonly isEnvelope?: true }) {
  try {
    if ((layer.annotations?.[signatureAnnotation] ?? "").length > maxSignatureText)
      throw new TrustError("SIGNATURE_MALFORMED", "the signature annotation is too long", {
        expected: `at most ${maxSignatureText} characters`,
      });
    const content = await places.blob(layer, form.isEnvelope === true ? maxAttestationBytes : maxSignatureBytes);
    return { bundle: claimOf(content, layer.digest, layer.annotations ?? {}, form) };
  } catch (error) {
    return { finding: toFinding(error, { evidence: layer.digest }) };
  }
}

/** What a layer may say about who signed, and when: with another certificate it is another claim. */
const besideSignature = Object.values(signerAnnotations);

/**
 * Payloads of equal claims are equal bytes, so the blob alone does not tell two signatures apart; nor does it say as what it
 * was found, and one blob may stand under both tags.
 */
export function claimOf(
  content: Uint8Array,
  evidence: Digest,
  annotations: Readonly<Record<string, string>>,
  form: { readonly isEnvelope?: true } = {},
): SignatureBundle {
  const kind = form.isEnvelope === true ? "envelope" : "payload";
  const beside = besideSignature.flatMap((name) => (annotations[name] === undefined ? [] : [name, annotations[name]]));
  const claimed = [`${kind} ${evidence}`, annotations[signatureAnnotation] ?? "", ...beside];
  const claimId = digestOf(Buffer.from(JSON.stringify(claimed)));
  return { format: cosignName, evidence, claimId, content, annotations, ...form };
}
