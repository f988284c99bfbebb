import { describeJson } from "../crypto/describe-json.ts";
import type { Digest } from "../crypto/digest.ts";
import { type DsseEnvelope, parseDsseEnvelope } from "../crypto/dsse.ts";
import { isJsonObject, parseMember, readJsonMembers } from "../crypto/json.ts";
import { TrustError } from "../errors.ts";
import type { SignatureBundle } from "./format.ts";

export const bundleName = "bundle";
export const bundleMediaType = "application/vnd.dev.sigstore.bundle.v0.3+json";
export const readableBundles = /^application\/vnd\.dev\.sigstore\.bundle(?:\.v0\.3\+json|\+json;version=0\.[123])$/;

/** The claim that the bytes of a bundle make. */
export function bundleOf(content: Uint8Array, evidence: Digest): SignatureBundle {
  return { format: bundleName, evidence, claimId: evidence, content, annotations: {} };
}

/** A bundle's fields, decoded; still a claim. */
export interface ParsedBundle {
  readonly hint: string | undefined;
  readonly envelope: DsseEnvelope;
}

/** Reads a bundle that signs a statement. Throws `SIGNATURE_MALFORMED`, or `SIGNER_NOT_TRUSTED` for one without a key. */
export function parseBundle(content: Uint8Array): ParsedBundle {
  const bundle = readJsonMembers(content, "the bundle");
  const mediaType = parseMember(bundle, "mediaType");
  if (typeof mediaType !== "string" || !readableBundles.test(mediaType))
    throw malformed("unknown media type of a bundle", bundleMediaType, describeJson(mediaType));
  const envelope = bundle.get("dsseEnvelope");
  if (envelope === undefined)
    throw malformed("the bundle does not sign an image", "dsseEnvelope", [...bundle.keys()].slice(0, 10).join(", "));
  return { hint: keyHint(parseMember(bundle, "verificationMaterial")), envelope: parseDsseEnvelope(envelope) };
}

/** The key id a bundle names, in hex. Clients differ in what they put there, so a strange hint is no hint. */
function keyHint(material: unknown): string | undefined {
  if (!isJsonObject(material))
    throw malformed("the bundle has no verification material", "verificationMaterial", typeof material);
  const { publicKey } = material;
  if (!isJsonObject(publicKey))
    throw new TrustError(
      "SIGNER_NOT_TRUSTED",
      "the signature was made with a certificate, and only keys are trusted here",
      {
        expected: "a signature by a trusted key",
        found: Object.keys(material).slice(0, 5).join(", ").slice(0, 200),
      },
    );
  const { hint } = publicKey;
  if (typeof hint !== "string" || hint === "") return undefined;
  const bytes = Buffer.from(hint, "base64");
  return bytes.length === 32 ? bytes.toString("hex") : undefined;
}

function malformed(message: string, expected: string, found: string): TrustError {
  return new TrustError("SIGNATURE_MALFORMED", message, { expected, found: found.slice(0, 200) });
}
