import { digestOf } from "../../src/crypto/digest.ts";
import { type Descriptor, mediaTypes } from "../../src/oci/manifest.ts";
import { newSigner } from "../support/signers.ts";
import type { Carrier, Claim, Wish } from "./carriers.ts";

/** What an attacker plants beside an image, and the findings that may explain the refusal. */
export interface Attack {
  readonly claims: (carrier: Carrier, own: Wish) => Promise<readonly Claim[]>;
  /** A finding of the verdict, where nothing else hangs on the image. */
  readonly code: RegExp;
  /** Only where the shape is one with envelopes. */
  readonly onlyEnvelopes?: true;
}

export const stranger = newSigner();
const elsewhere: Descriptor = {
  mediaType: mediaTypes.imageManifest,
  digest: digestOf(Buffer.from("another image")),
  size: 13,
};
const signatureKey = "dev.cosignproject.cosign/signature";

/** The claim with one bit of its signature changed, wherever the shape keeps it. */
function flipped(claim: Claim): Claim {
  const flip = (base64: string) => {
    const bytes = Buffer.from(base64, "base64");
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    return bytes.toString("base64");
  };
  const signature = claim.annotations[signatureKey] ?? "";
  if (signature !== "") return { ...claim, annotations: { ...claim.annotations, [signatureKey]: flip(signature) } };
  const text = Buffer.from(claim.content).toString();
  return { ...claim, content: Buffer.from(text.replace(/("sig": ?")([^"]+)/, (_, head, sig) => head + flip(sig))) };
}

/** The claim with one byte of what is signed changed. */
function rewritten(claim: Claim): Claim {
  const content = Buffer.from(claim.content);
  const at = content.indexOf("payload") < 0 ? content.length >> 1 : content.indexOf("payload") + 60;
  content[at] = content[at] === 0x41 ? 0x42 : 0x41;
  return { ...claim, content };
}

/** The envelope with a second signature beside its own. */
function twiceSigned(claim: Claim): Claim {
  const document = JSON.parse(Buffer.from(claim.content).toString());
  const envelope = document.dsseEnvelope ?? document;
  envelope.signatures = [...envelope.signatures, ...envelope.signatures];
  return { ...claim, content: Buffer.from(JSON.stringify(document)) };
}

const refused = /^SIGNER_NOT_TRUSTED$|^SIGNATURE_MALFORMED$|^SIGNATURE_INVALID$/;
/** Nothing that counts as a signature is there at all. */
const nothing =
  /^SIGNATURE_MISSING$|^NO_SIGNATURES?$|^NOT_A_SIGNATURE$|^SIGNATURE_MALFORMED$|^NO_ATTESTATIONS?$|^ATTESTATION_MISSING$/;

export const attacks: Readonly<Record<string, Attack>> = {
  "a claim about another image": {
    claims: async (carrier, own) => [await carrier.make({ ...own, subject: elsewhere })],
    code: /^SUBJECT_MISMATCH$/,
  },
  "a claim by a foreign key": {
    claims: async (carrier, own) => [await carrier.make({ ...own, signer: stranger })],
    code: /^SIGNER_NOT_TRUSTED$/,
  },
  "a flipped bit in the signature": {
    claims: async (carrier, own) => [flipped(await carrier.make(own))],
    code: refused,
  },
  "a changed byte in what is signed": {
    claims: async (carrier, own) => [rewritten(await carrier.make(own))],
    code: refused,
  },
  "two signatures in one envelope": {
    claims: async (carrier, own) => [twiceSigned(await carrier.make(own))],
    code: /^SIGNATURE_MALFORMED$/,
    onlyEnvelopes: true,
  },
  "foreign claims many times over": {
    claims: async (carrier, own) => Array(50).fill(await carrier.make({ ...own, signer: stranger })),
    code: /^SIGNER_NOT_TRUSTED$/,
  },
  "empty content": {
    claims: async (carrier, own) => [{ ...(await carrier.make(own)), content: Buffer.alloc(0) }],
    code: /^SIGNATURE_MALFORMED$|^SIGNER_NOT_TRUSTED$/,
  },
  "an unknown media type over a foreign claim": {
    claims: async (carrier, own) => [
      { ...(await carrier.make({ ...own, signer: stranger })), mediaType: "application/x-unknown" },
    ],
    code: new RegExp(`${nothing.source}|^SIGNER_NOT_TRUSTED$`),
  },
  "huge annotations on a foreign claim": {
    claims: async (carrier, own) => {
      const claim = await carrier.make({ ...own, signer: stranger });
      return [{ ...claim, annotations: { ...claim.annotations, padding: "x".repeat(3_500_000) } }];
    },
    code: /^SIGNER_NOT_TRUSTED$/,
  },
};
