import { digestOf } from "../../src/crypto/digest.ts";
import { attestationTag, cosign, signatureTag } from "../../src/formats/cosign.ts";
import type { SignatureFormat } from "../../src/formats/format.ts";
import { sigstoreBundle } from "../../src/formats/sigstore-bundle.ts";
import { bundleMediaType } from "../../src/formats/sigstore-bundle-parse.ts";
import type { Signer } from "../../src/keys/signer.ts";
import { type Descriptor, emptyDescriptor, mediaTypes } from "../../src/oci/manifest.ts";
import { type ImageReference, parseReference, referrersTag } from "../../src/oci/reference.ts";
import { blobOf, type Registry } from "../../src/oci/registry.ts";

/** A signature or attestation on its way to a registry: everything in it can be changed first. */
export interface Claim {
  readonly content: Uint8Array;
  /** Of the layer that holds it, or of the manifest where a referrer holds one layer. */
  readonly annotations: Readonly<Record<string, string>>;
  readonly mediaType: string;
}

/** What is signed, and by whom. */
export interface Wish {
  readonly subject: Descriptor;
  readonly signer: Signer;
  /** The name that the signer gives; default the image's own. */
  readonly name?: string;
  readonly predicateType?: string;
}

/** One way in which claims hang on an image. */
export interface Carrier {
  readonly kind: "signature" | "attestation";
  make(wish: Wish): Promise<Claim>;
  place(registry: Registry, image: ImageReference, subject: Descriptor, claims: readonly Claim[]): Promise<void>;
}

export const predicateType = "https://example.com/tests/v1";

async function pushBytes(registry: Registry, image: ImageReference, bytes: Uint8Array, mediaType: string) {
  await registry.pushBlob(image, blobOf(bytes, digestOf(bytes)));
  return { mediaType, digest: digestOf(bytes), size: bytes.length };
}

async function pushDocument(registry: Registry, image: ImageReference, document: object, tag?: string) {
  const bytes = Buffer.from(JSON.stringify(document));
  const mediaType = (document as { mediaType: string }).mediaType;
  await registry.pushManifest(image, { bytes, mediaType, ...(tag === undefined ? {} : { tag }) });
  return { mediaType, digest: digestOf(bytes), size: bytes.length };
}

async function layersOf(registry: Registry, image: ImageReference, claims: readonly Claim[]) {
  const layers = [];
  for (const { content, annotations, mediaType } of claims)
    layers.push({ ...(await pushBytes(registry, image, content, mediaType)), annotations });
  await pushBytes(registry, image, Buffer.from("{}"), "");
  return layers;
}

const manifestOf = (rest: object) => ({
  schemaVersion: 2,
  mediaType: mediaTypes.imageManifest,
  config: emptyDescriptor,
  ...rest,
});

function maker(format: SignatureFormat, kind: Carrier["kind"], mediaType: string): Carrier["make"] {
  return async ({ subject, signer, name = "registry.example.com/app:1", predicateType: type = predicateType }) => {
    const common = { image: parseReference(name), subject, signer, now: 0 };
    const { bundle } =
      kind === "signature"
        ? await format.sign({ ...common, annotations: {} })
        : await format.attest({ ...common, predicateType: type, predicate: Buffer.from("{}") });
    const label = kind === "signature" ? {} : { predicateType: type, "dev.sigstore.bundle.predicateType": type };
    return { content: bundle.content, annotations: { ...bundle.annotations, ...label }, mediaType };
  };
}

type Place = Carrier["place"];

/** Each claim on a referrer of its own, listed by the registry. */
const onReferrers: Place = async (registry, image, subject, claims) => {
  for (const claim of claims) {
    const [layer] = await layersOf(registry, image, [{ ...claim, annotations: {} }]);
    const { annotations } = claim;
    await pushDocument(
      registry,
      image,
      manifestOf({ layers: [layer], artifactType: layer?.mediaType, annotations, subject }),
    );
  }
};

/** The same, listed under the fallback tag alone: the manifests name no subject. */
const onFallbackTag: Place = async (registry, image, subject, claims) => {
  const manifests = [];
  for (const claim of claims) {
    const [layer] = await layersOf(registry, image, [{ ...claim, annotations: {} }]);
    const { annotations } = claim;
    manifests.push(await pushDocument(registry, image, manifestOf({ layers: [layer], annotations })));
  }
  const index = { schemaVersion: 2, mediaType: mediaTypes.imageIndex, manifests };
  await pushDocument(registry, image, index, referrersTag(subject.digest));
};

const underTag =
  (tagOf: (digest: Descriptor["digest"]) => string): Place =>
  async (registry, image, subject, claims) => {
    const layers = await layersOf(registry, image, claims);
    await pushDocument(registry, image, manifestOf({ layers }), tagOf(subject.digest));
  };

const onOci11: Place = async (registry, image, subject, claims) => {
  const layers = await layersOf(registry, image, claims);
  const config = { ...emptyDescriptor, mediaType: "application/vnd.dev.cosign.artifact.sig.v1+json" };
  await pushDocument(registry, image, { ...manifestOf({ layers, subject }), config });
};

const simpleSigning = "application/vnd.dev.cosign.simplesigning.v1+json";
const dsse = "application/vnd.dsse.envelope.v1+json";
const bundleSignature = maker(sigstoreBundle, "signature", bundleMediaType);
const bundleAttestation = maker(sigstoreBundle, "attestation", bundleMediaType);

/** Every shape in which signatures and attestations of the cosign family exist. */
export const carriers: Readonly<Record<string, Carrier>> = {
  "a bundle on the referrers API": { kind: "signature", make: bundleSignature, place: onReferrers },
  "a bundle under the fallback tag": { kind: "signature", make: bundleSignature, place: onFallbackTag },
  "a .sig tag": { kind: "signature", make: maker(cosign, "signature", simpleSigning), place: underTag(signatureTag) },
  "an oci-1-1 referrer": { kind: "signature", make: maker(cosign, "signature", simpleSigning), place: onOci11 },
  "an attestation in a bundle": { kind: "attestation", make: bundleAttestation, place: onReferrers },
  "an attestation in a bundle under the fallback tag": {
    kind: "attestation",
    make: bundleAttestation,
    place: onFallbackTag,
  },
  "an .att tag": { kind: "attestation", make: maker(cosign, "attestation", dsse), place: underTag(attestationTag) },
};
