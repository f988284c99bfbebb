import { digestOf } from "../../src/crypto/digest.ts";
import type { HttpRegistry } from "../../src/oci/http-registry.ts";
import { type Descriptor, mediaTypes } from "../../src/oci/manifest.ts";
import { type RepositoryName, referrersTag } from "../../src/oci/reference.ts";
import { referrerDescriptor } from "../../src/oci/referrer-descriptor.ts";
import { attachReferrer } from "../../src/oci/referrers.ts";
import type { Registry } from "../../src/oci/registry.ts";
import { descriptorOf, type MadeManifest, makeImage, makeIndex, push } from "../oci/artifacts.ts";

const simpleSigning = "application/vnd.dev.cosign.simplesigning.v1+json";
const envelope = "application/vnd.dsse.envelope.v1+json";
export const bundleType = "application/vnd.dev.sigstore.bundle.v0.3+json";

interface LayerRecipe {
  readonly content: string;
  readonly mediaType: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A manifest as cosign keeps under its tags. */
export function makeTagged(recipes: readonly LayerRecipe[]): MadeManifest {
  const blobs = recipes.map(({ content }) => Buffer.from(content));
  const config = Buffer.from(JSON.stringify({ rootfs: { type: "layers", diff_ids: blobs.map((b) => digestOf(b)) } }));
  const layers = recipes.map(({ mediaType, annotations }, i) => ({
    ...descriptorOf(blobs[i] ?? Buffer.of(), mediaType),
    ...(annotations === undefined ? {} : { annotations }),
  }));
  return manifestOf({ config: descriptorOf(config, mediaTypes.imageConfig), layers }, [config, ...blobs]);
}

export const signatureLayer = (signer: string): LayerRecipe => ({
  content: "payload",
  mediaType: simpleSigning,
  annotations: { "dev.cosignproject.cosign/signature": signer },
});

export const attestationLayer = (predicate: string): LayerRecipe => ({
  content: predicate,
  mediaType: envelope,
  annotations: { "dev.cosignproject.cosign/signature": "", predicateType: "https://example.com/x" },
});

export const sbomLayer = (text: string): LayerRecipe => ({ content: text, mediaType: "text/spdx+json" });

/** A Sigstore bundle that refers to a subject; what is signed is not real, where it stands is. */
export function makeBundle(subject: Descriptor, signer: string, predicateType = "https://sigstore.dev/cosign/sign/v1") {
  const payload = Buffer.from(JSON.stringify({ predicateType, signer })).toString("base64");
  const content = Buffer.from(JSON.stringify({ mediaType: bundleType, dsseEnvelope: { payload, signer } }));
  const empty = Buffer.from("{}");
  return manifestOf(
    {
      artifactType: bundleType,
      config: descriptorOf(empty, mediaTypes.empty),
      layers: [descriptorOf(content, bundleType)],
      subject: { mediaType: subject.mediaType, digest: subject.digest, size: subject.size },
      annotations: { "dev.sigstore.bundle.predicateType": predicateType },
    },
    [empty, content],
  );
}

export function manifestOf(fields: Record<string, unknown>, blobs: readonly Buffer[]): MadeManifest {
  const mediaType = mediaTypes.imageManifest;
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...fields }));
  return { bytes, mediaType, descriptor: descriptorOf(bytes, mediaType), blobs };
}

/** Pushes a referrer so that it is listed, by the API or under the fallback tag. */
export async function attach(registry: Registry, name: RepositoryName, referrer: MadeManifest, subject: Descriptor) {
  await push(registry, name, referrer);
  const descriptor = referrerDescriptor(referrer.bytes, referrer.mediaType);
  await attachReferrer(registry, name, { bytes: referrer.bytes, descriptor }, subject.digest);
}

export const tagOf = ({ digest }: Descriptor, suffix: string) => `${referrersTag(digest)}${suffix}`;

/** What is attached to what, in the scene below. */
export interface Scene {
  readonly index: MadeManifest;
  readonly platforms: readonly [MadeManifest, MadeManifest];
  /** By subject, the digests of its referrers. */
  readonly referrers: ReadonlyMap<Descriptor, readonly MadeManifest[]>;
  readonly tags: ReadonlyMap<string, MadeManifest>;
}

/**
 * An image of two platforms, with signatures and attestations in all shapes on the index and on one platform, an SBOM,
 * and a signature of an attestation.
 */
export async function setScene(registry: HttpRegistry | Registry, name: RepositoryName, tag = "1"): Promise<Scene> {
  const platforms = [makeImage("amd64"), makeImage("arm64")] as const;
  for (const platform of platforms) await push(registry, name, platform);
  const index = makeIndex(
    platforms.map(({ descriptor }, i) => ({
      ...descriptor,
      platform: { os: "linux", architecture: ["amd64", "arm64"][i] ?? "" },
    })),
  );
  await push(registry, name, index, tag);
  const [amd] = platforms;
  const statement = makeBundle(index.descriptor, "ci", "https://slsa.dev/provenance/v1");
  const referrers = new Map<Descriptor, readonly MadeManifest[]>([
    [index.descriptor, [makeBundle(index.descriptor, "a"), makeBundle(index.descriptor, "b"), statement]],
    [amd.descriptor, [makeBundle(amd.descriptor, "a")]],
    [statement.descriptor, [makeBundle(statement.descriptor, "auditor")]],
  ]);
  for (const [subject, items] of referrers) for (const item of items) await attach(registry, name, item, subject);
  const tags = new Map([
    [tagOf(index.descriptor, ".sig"), makeTagged([signatureLayer("one"), signatureLayer("two")])],
    [tagOf(amd.descriptor, ".sig"), makeTagged([signatureLayer("three")])],
    [tagOf(index.descriptor, ".att"), makeTagged([attestationLayer("p")])],
    [tagOf(index.descriptor, ".sbom"), makeTagged([sbomLayer("s")])],
  ]);
  for (const [each, manifest] of tags) await push(registry, name, manifest, each);
  return { index, platforms, referrers, tags };
}
