import { hash } from "node:crypto";
import { bundleFromJSON } from "@sigstore/bundle";
import { TrustedRoot } from "@sigstore/protobuf-specs";
import { toSignedEntity, toTrustMaterial, Verifier } from "@sigstore/verify";
import { parseDsseEnvelope } from "../../../src/crypto/dsse.ts";
import { parseMember, readJsonMembers } from "../../../src/crypto/json.ts";
import { type HashName, matchesSignature, toPublicKey } from "../../../src/crypto/public-key.ts";
import { publicKeyOf } from "../../../src/crypto/x509.ts";
import { TrustError } from "../../../src/errors.ts";
import { parseBlobBundle } from "../../../src/formats/blob-bundle.ts";
import { readableBundles } from "../../../src/formats/sigstore-bundle-parse.ts";
import { type BundleVersion, parseBundleMaterial } from "../../../src/trust/bundle-material.ts";
import { parseTrustRoot } from "../../../src/trust/parse.ts";
import { envelopeContent, messageContent, type SignedContent } from "../../../src/trust/signed-content.ts";
import type { EvidenceMinima, TrustRoot } from "../../../src/trust/trust-root.ts";
import { verifyMaterial } from "../../../src/trust/verify-material.ts";
import type { KeyPair } from "../x509.ts";

/** Something to judge: a bundle as text, what it signs, and what the verifier believes. */
export interface Case {
  readonly name: string;
  readonly bundle: string;
  readonly artifact: Uint8Array;
  /** A trusted root in protobuf's JSON. */
  readonly root: object;
  /** Of the signer, where no certificate names it. */
  readonly key?: KeyPair | undefined;
  /** What evidence is asked for, from distinct services; by default one log and, with a certificate, one SCT. */
  readonly require?: { readonly log: number; readonly timestamp: number };
}

/** `accepted`, or why not: a code, or the name and message of what was thrown. */
export type Judgement = string;
export const accepted: Judgement = "accepted";

const roots = new WeakMap<object, TrustRoot>();

function trustRootOf(root: object): TrustRoot {
  const parsed = roots.get(root) ?? parseTrustRoot(root, { name: "test", source: { kind: "file" } });
  roots.set(root, parsed);
  return parsed;
}

/** What `verifyMaterial` and the check of the signature say. Anything thrown but a `TrustError` is thrown on. */
export async function judge(subject: Case): Promise<Judgement> {
  try {
    await verify(subject);
    return accepted;
  } catch (error) {
    if (error instanceof TrustError) return error.code;
    throw error;
  }
}

async function verify({ bundle, artifact, root, key, require = { log: 1, timestamp: 0 } }: Case): Promise<void> {
  const bytes = Buffer.from(bundle);
  const members = readJsonMembers(bytes, "the bundle");
  const mediaType = String(parseMember(members, "mediaType"));
  if (!readableBundles.test(mediaType)) throw new TrustError("SIGNATURE_MALFORMED", "not a bundle");
  const version = /0\.[123]/.exec(mediaType)?.[0];
  const material = parseBundleMaterial(parseMember(members, "verificationMaterial"), version as BundleVersion);
  const { content, message } = signedIn(bytes, members.get("dsseEnvelope"), artifact);
  const minima: EvidenceMinima = { ...require, logOrTimestamp: 1, sct: 1 };
  const publicKey = key && toPublicKey(key.publicKey);
  await verifyMaterial({ material, content, root: trustRootOf(root), key: publicKey, require: minima });
  const signer = material.leaf ? publicKeyOf(material.leaf) : publicKey;
  if (signer === undefined || !(await matchesSignature(signer, message, content.signature)))
    throw new TrustError("SIGNATURE_INVALID", "the signature is not by the signer");
}

/** What is signed, and the bytes that the signature is over. */
function signedIn(bundle: Buffer, envelope: Uint8Array | undefined, artifact: Uint8Array) {
  if (envelope !== undefined) {
    const parsed = parseDsseEnvelope(envelope);
    return { content: envelopeContent(parsed), message: parsed.signed };
  }
  const { signature, digest } = parseBlobBundle(bundle);
  const digestIn = (name: HashName) => hash(name, artifact, "buffer");
  const digests = { sha256: digestIn("sha256"), sha384: digestIn("sha384"), sha512: digestIn("sha512") };
  if (digest !== undefined && !digests[digest.hashName].equals(digest.value))
    throw new TrustError("SIGNATURE_INVALID", "the digest is of another file");
  const content: SignedContent = messageContent(signature, digests);
  return { content, message: artifact };
}

type PeerTrust = ReturnType<typeof toTrustMaterial>;
const materials = new WeakMap<object, PeerTrust>();

function peerTrustOf(root: object): PeerTrust {
  const trust = materials.get(root) ?? toTrustMaterial(TrustedRoot.fromJSON(root));
  materials.set(root, trust);
  return trust;
}

/** What @sigstore/verify says. */
export function judgeByPeer({ bundle, artifact, root, key, require = { log: 1, timestamp: 0 } }: Case): Judgement {
  try {
    const spki = key?.publicKey;
    const trust =
      spki === undefined
        ? peerTrustOf(root)
        : { ...peerTrustOf(root), publicKey: () => ({ publicKey: spki, validFor: () => true }) };
    const read = bundleFromJSON(JSON.parse(bundle));
    const entity = toSignedEntity(read, Buffer.from(artifact));
    new Verifier(trust, {
      tlogThreshold: require.log,
      ctlogThreshold: key ? 0 : 1,
      timestampThreshold: key ? 0 : 1,
    }).verify(entity);
    const stamps = read.verificationMaterial.timestampVerificationData?.rfc3161Timestamps ?? [];
    return stamps.length < require.timestamp ? "TIMESTAMP_ERROR" : accepted;
  } catch (error) {
    const { code, name, message } = error as Error & { readonly code?: string };
    return code ?? `${name}: ${message}`;
  }
}
