import { describeJson } from "../crypto/describe-json.ts";
import type { Digest } from "../crypto/digest.ts";
import { type DsseEnvelope, parseDsseEnvelope } from "../crypto/dsse.ts";
import { isJsonObject, parseMember, readUnsignedMembers } from "../crypto/json.ts";
import { TrustError } from "../errors.ts";
import type { BundleVersion } from "../trust/bundle-material.ts";
import { envelopeContent, type SignedContent } from "../trust/signed-content.ts";
import type { SignatureBundle } from "./format.ts";
import type { SignerClaim } from "./prove.ts";

export const bundleName = "bundle";
export const bundleMediaType = "application/vnd.dev.sigstore.bundle.v0.3+json";
export const readableBundles = /^application\/vnd\.dev\.sigstore\.bundle(?:\.v0\.3\+json|\+json;version=0\.[123])$/;

/** The claim that the bytes of a bundle make. */
export function bundleOf(content: Uint8Array, evidence: Digest): SignatureBundle {
  return { format: bundleName, evidence, claimId: evidence, content, annotations: {} };
}

/** A bundle's fields, decoded; still a claim. */
export interface ParsedBundle {
  readonly signer: SignerClaim;
  readonly envelope: DsseEnvelope;
}

/** Reads a bundle that signs a statement. Throws `SIGNATURE_MALFORMED`. */
export function parseBundle(content: Uint8Array): ParsedBundle {
  const bundle = readUnsignedMembers(content, "the bundle");
  const version = bundleVersionOf(parseMember(bundle, "mediaType"));
  const dsse = bundle.get("dsseEnvelope");
  if (dsse === undefined)
    throw malformed("the bundle does not sign an image", "dsseEnvelope", [...bundle.keys()].slice(0, 10).join(", "));
  const material = parseMember(bundle, "verificationMaterial");
  const envelope = parseDsseEnvelope(dsse);
  return { signer: signerIn(material, version, () => envelopeContent(envelope)), envelope };
}

/** The version that a media type names. Throws `SIGNATURE_MALFORMED` for what is no bundle that can be read. */
export function bundleVersionOf(mediaType: unknown): BundleVersion {
  if (typeof mediaType !== "string" || !readableBundles.test(mediaType))
    throw malformed("unknown media type of a bundle", bundleMediaType, describeJson(mediaType));
  return mediaType.endsWith("=0.1") ? "0.1" : mediaType.endsWith("=0.2") ? "0.2" : "0.3";
}

const signerFields = ["publicKey", "certificate", "x509CertificateChain"] as const;

/**
 * Who is said to have signed: a key, or a certificate (sigstore_bundle.proto, VerificationMaterial.content: one of them). What
 * else there is, is read when somebody wants it. Throws `SIGNATURE_MALFORMED`.
 */
export function signerIn(value: unknown, version: BundleVersion, content: () => SignedContent): SignerClaim {
  if (!isJsonObject(value))
    throw malformed("the bundle has no verification material", "verificationMaterial", typeof value);
  const named = signerFields.filter((field) => value[field] !== undefined);
  const [field, second] = named;
  if (field === undefined || second !== undefined)
    throw malformed("the bundle does not name one signer", `one of ${signerFields.join(", ")}`, named.join(", "));
  const isKey = field === "publicKey";
  return {
    ...(isKey ? { hint: keyHint(value[field]) } : {}),
    certified: isKey ? false : "only",
    witnessed: value["tlogEntries"] !== undefined || value["timestampVerificationData"] !== undefined,
    async material() {
      const { parseBundleMaterial } = await import("../trust/bundle-material.ts");
      return parseBundleMaterial(value, version);
    },
    content,
  };
}

/** The key id a bundle names, in hex. Clients differ in what they put there, so a strange hint is no hint. */
function keyHint(publicKey: unknown): string | undefined {
  if (!isJsonObject(publicKey)) throw malformed("publicKey is not an object", "an object", describeJson(publicKey));
  const { hint } = publicKey;
  if (typeof hint !== "string" || hint === "") return undefined;
  const bytes = Buffer.from(hint, "base64");
  return bytes.length === 32 ? bytes.toString("hex") : undefined;
}

function malformed(message: string, expected: string, found: string): TrustError {
  return new TrustError("SIGNATURE_MALFORMED", message, { expected, found: found.slice(0, 200) });
}
