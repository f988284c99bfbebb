import { describeJson } from "../crypto/describe-json.ts";
import type { Digest } from "../crypto/digest.ts";
import { type DsseEnvelope, parseDsseEnvelope } from "../crypto/dsse.ts";
import { isJsonObject, parseMember, readJsonMembers } from "../crypto/json.ts";
import { TrustError } from "../errors.ts";
import { bundledCertificate } from "./certificate-claim.ts";
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
  const bundle = readJsonMembers(content, "the bundle");
  const mediaType = parseMember(bundle, "mediaType");
  checkMediaType(mediaType);
  const envelope = bundle.get("dsseEnvelope");
  if (envelope === undefined)
    throw malformed("the bundle does not sign an image", "dsseEnvelope", [...bundle.keys()].slice(0, 10).join(", "));
  return {
    signer: signerIn(parseMember(bundle, "verificationMaterial")),
    envelope: parseDsseEnvelope(envelope),
  };
}

/** Throws `SIGNATURE_MALFORMED` for what is no bundle of a version that can be read. */
export function checkMediaType(mediaType: unknown): void {
  if (typeof mediaType !== "string" || !readableBundles.test(mediaType))
    throw malformed("unknown media type of a bundle", bundleMediaType, describeJson(mediaType));
}

const signerFields = ["publicKey", "certificate", "x509CertificateChain"] as const;

/**
 * Who is said to have signed: a key, or a certificate (sigstore_bundle.proto, VerificationMaterial.content: one of them).
 * Throws `SIGNATURE_MALFORMED`.
 */
export function signerIn(material: unknown): SignerClaim {
  if (!isJsonObject(material))
    throw malformed("the bundle has no verification material", "verificationMaterial", typeof material);
  const named = signerFields.filter((field) => material[field] !== undefined);
  const [field, second] = named;
  if (field === undefined || second !== undefined)
    throw malformed("the bundle does not name one signer", `one of ${signerFields.join(", ")}`, named.join(", "));
  if (field === "publicKey") return { hint: keyHint(material[field]) };
  return { certificate: bundledCertificate(material), isOnlyCertified: true };
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
