import type { Digest } from "../crypto/digest.ts";
import { toFinding } from "../errors.ts";
import type { EvidencePlaces } from "../oci/evidence-places.ts";
import type { Descriptor, ImageManifest } from "../oci/manifest.ts";
import { mapLimit } from "../oci/parallel.ts";
import { proveEnvelope } from "./envelope.ts";
import {
  type FoundSignatures,
  maxAttestationBytes,
  maxSignatureBytes,
  type Proof,
  readsAtOnce,
  type Search,
  type SignatureBundle,
  type SignatureFormat,
  type TrustMaterial,
} from "./format.ts";
import { findReferrers } from "./referring.ts";
import { makeAttestationBundle, makeSignatureBundle, predicateTypeAnnotation } from "./sigstore-bundle-make.ts";
import { bundleName, bundleOf, parseBundle } from "./sigstore-bundle-parse.ts";

const bundleMediaTypePrefix = "application/vnd.dev.sigstore.bundle";

/** Sigstore bundles on OCI referrers: what cosign 3 writes (sigstore/protobuf-specs, sigstore_bundle.proto v0.3). */
export const sigstoreBundle: SignatureFormat = {
  name: bundleName,
  find,
  verify,
  sign: makeSignatureBundle,
  attest: makeAttestationBundle,
};

async function find(places: EvidencePlaces, subject: Digest, search: Search = {}): Promise<FoundSignatures> {
  const { manifests, findings, complete } = await findReferrers(places, subject);
  const located = manifests.flatMap(({ manifest }) => bundleIn(manifest));
  const isWanted = ({ predicateType }: Located) => predicateType === search.predicateType;
  // Small ones first: attestations of megabytes must not use up what may be read before the signatures are.
  const layers = located.sort((a, b) => Number(isWanted(b)) - Number(isWanted(a)) || a.layer.size - b.layer.size);
  const maxBytes = search.attestations === true ? maxAttestationBytes : maxSignatureBytes;
  const found = await mapLimit(layers, readsAtOnce, ({ layer }) => read(places, layer, maxBytes));
  return {
    bundles: found.flatMap((item) => ("bundle" in item ? [item.bundle] : [])),
    findings: [...findings, ...found.flatMap((item) => ("finding" in item ? [item.finding] : []))],
    complete,
  };
}

interface Located {
  readonly layer: Descriptor;
  /** What the manifest says of it; not signed. */
  readonly predicateType: string | undefined;
}

function bundleIn({ layers, annotations }: ImageManifest): readonly Located[] {
  const [layer, second] = layers;
  if (layer === undefined || second !== undefined || !layer.mediaType.startsWith(bundleMediaTypePrefix)) return [];
  return [{ layer, predicateType: annotations[predicateTypeAnnotation] }];
}

async function read(places: EvidencePlaces, layer: Descriptor, maxBytes: number) {
  try {
    return { bundle: bundleOf(await places.blob(layer, maxBytes), layer.digest) };
  } catch (error) {
    return { finding: toFinding(error, { evidence: layer.digest }) };
  }
}

async function verify(bundle: SignatureBundle, subject: Digest, trust: TrustMaterial, now?: number): Promise<Proof> {
  const { signer, envelope } = parseBundle(bundle.content);
  return proveEnvelope(bundle, envelope, signer, subject, trust, now);
}
