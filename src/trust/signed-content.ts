import { createHash, hash } from "node:crypto";
import type { DsseEnvelope } from "../crypto/dsse.ts";
import type { HashName } from "../crypto/public-key.ts";

/** What a signature is and covers, as far as logs and timestamps speak of it. Digests are made once, when asked for. */
export interface SignedContent {
  readonly kind: "message" | "dsse";
  readonly signature: Buffer;
  /** The digest of the raw signature: what timestamps are over. */
  stampedDigest(hash: HashName): Promise<Buffer | undefined>;
  /** The digest of the signed bytes (artifact, or pre-authentication encoding); undefined where it is not known in that hash. */
  signedDigest(hash: HashName): Promise<Buffer | undefined>;
  /** The digest of the payload of an envelope. */
  payloadDigest(hash: HashName): Promise<Buffer | undefined>;
  /** The digest of the envelope as it stands in its blob, where that is what the signer wrote: under `.att` tags. */
  envelopeDigest(hash: HashName): Promise<Buffer | undefined>;
  /** The payload type of an envelope. */
  readonly payloadType?: string;
  /** Whether timestamps may also be over the envelope: under `.att` tags. */
  readonly isEnvelopeStamped: boolean;
}

type Digests = (hash: HashName) => Promise<Buffer | undefined>;

const unknown: Digests = () => Promise.resolve(undefined);

/** A signature over an artifact whose digests are known, by hash function. */
export function messageContent(signature: Buffer, digests: Readonly<Partial<Record<HashName, Buffer>>>): SignedContent {
  return {
    kind: "message",
    signature,
    stampedDigest: digestsOf(signature),
    signedDigest: (name) => Promise.resolve(digests[name]),
    payloadDigest: unknown,
    envelopeDigest: unknown,
    isEnvelopeStamped: false,
  };
}

/** A signature over bytes that are at hand: the payload of a `.sig` layer. */
export function bytesContent(signature: Buffer, bytes: Uint8Array): SignedContent {
  return { ...messageContent(signature, {}), signedDigest: digestsOf(bytes) };
}

/** An envelope; `blob` is its JSON as the signer wrote it, under `.att` tags only. */
export function envelopeContent(envelope: DsseEnvelope, blob?: Uint8Array): SignedContent {
  return {
    kind: "dsse",
    signature: envelope.signature,
    stampedDigest: digestsOf(envelope.signature),
    signedDigest: digestsOf(envelope.signed),
    payloadDigest: digestsOf(envelope.payload),
    envelopeDigest: blob === undefined ? unknown : digestsOf(blob),
    payloadType: envelope.payloadType,
    isEnvelopeStamped: blob !== undefined,
  };
}

function digestsOf(bytes: Uint8Array): Digests {
  const known = new Map<HashName, Promise<Buffer>>();
  return (name) => {
    const digest = known.get(name) ?? hashAside(name, bytes);
    known.set(name, digest);
    return digest;
  };
}

/** Bytes that are hashed at a time: well below two milliseconds. */
const pieceLength = 512 * 1024;

/** Hashes megabytes without keeping others waiting. */
async function hashAside(name: HashName, bytes: Uint8Array): Promise<Buffer> {
  if (bytes.length <= pieceLength) return hash(name, bytes, "buffer");
  const hasher = createHash(name);
  for (let at = 0; at < bytes.length; at += pieceLength) {
    hasher.update(bytes.subarray(at, at + pieceLength));
    await new Promise((resolve) => setImmediate(resolve));
  }
  return hasher.digest();
}
