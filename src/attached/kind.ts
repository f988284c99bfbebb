import { isJsonObject } from "../crypto/json.ts";
import type { Descriptor, ImageIndex, ImageManifest } from "../oci/manifest.ts";
import type { Attached } from "./find.ts";

/** What something attached to an image is for. */
export const attachedKinds = ["signature", "attestation", "sbom"] as const;
export type AttachedKind = (typeof attachedKinds)[number] | "other";

const simpleSigning = "application/vnd.dev.cosign.simplesigning.v1+json";
const notation = "application/vnd.cncf.notary.signature";
const signaturePredicate = "https://sigstore.dev/cosign/sign/v1";
const bundle = /^application\/vnd\.dev\.sigstore\.bundle/;
const attestation = /^application\/vnd\.(?:dsse\.envelope\.v1|in-toto)\+json$/;
const sbom = /spdx|cyclonedx|syft/i;
/** A bundle beyond this holds more than a signature. */
const maxBundleBytes = 1024 * 1024;

/** Reads a blob of at most so many bytes. */
export type ReadBlob = (descriptor: Descriptor, maxBytes: number) => Promise<Buffer>;

/**
 * Tells by content what an artifact is, not by what a list or an annotation says of it. Whether it proves anything is
 * another question. Throws `SIGNATURE_MISSING` and the other errors of `read`.
 */
export async function kindOf({ root: { manifest } }: Pick<Attached, "root">, read: ReadBlob): Promise<AttachedKind> {
  const types = typesOf(manifest);
  const [layer] = manifest.kind === "manifest" ? manifest.layers : [];
  if (layer !== undefined && bundle.test(layer.mediaType)) return kindOfBundle(layer, read);
  // Under cosign's tags the annotation is the signature itself, or empty where the layer is a signed envelope.
  const signature = layer?.annotations?.["dev.cosignproject.cosign/signature"];
  if (signature !== undefined) return signature === "" ? "attestation" : "signature";
  if (types.includes(simpleSigning) || types.includes(notation)) return "signature";
  if (types.some((type) => attestation.test(type))) return "attestation";
  return types.some((type) => sbom.test(type)) ? "sbom" : "other";
}

function typesOf(manifest: ImageManifest | ImageIndex): readonly string[] {
  const own = manifest.artifactType === undefined ? [] : [manifest.artifactType];
  if (manifest.kind === "index") return own;
  return [...own, manifest.config.mediaType, ...manifest.layers.map(({ mediaType }) => mediaType)];
}

async function kindOfBundle(layer: Descriptor, read: ReadBlob): Promise<AttachedKind> {
  if (layer.size > maxBundleBytes) return "attestation";
  const predicateType = predicateTypeOf(await read(layer, maxBundleBytes));
  return predicateType === undefined || predicateType === signaturePredicate ? "signature" : "attestation";
}

/** The predicate type of a bundle's statement; nothing where it has none. */
function predicateTypeOf(content: Buffer): unknown {
  const envelope = member(parse(content), "dsseEnvelope");
  const payload = member(envelope, "payload");
  return typeof payload === "string" ? member(parse(Buffer.from(payload, "base64")), "predicateType") : undefined;
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    return undefined;
  }
}

function member(value: unknown, name: string): unknown {
  return isJsonObject(value) ? value[name] : undefined;
}

/** How many of its kind an artifact holds: under cosign's tags each layer is one. */
export function countOf({ root: { manifest }, tag }: Pick<Attached, "root" | "tag">): number {
  return tag !== undefined && manifest.kind === "manifest" ? manifest.layers.length : 1;
}
