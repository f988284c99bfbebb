import { TrustError } from "../errors.ts";
import { decodeBase64, decodeBase64Json } from "./base64.ts";
import { isJsonObject, parseMember, readUnsignedMembers } from "./json.ts";

/** A DSSE envelope with one signature (github.com/secure-systems-lab/dsse, envelope.md), decoded. */
export interface DsseEnvelope {
  readonly payloadType: string;
  readonly payload: Buffer;
  readonly signature: Buffer;
  /** The bytes that are signed; the payload is a part of them, so that megabytes are in memory once. */
  readonly signed: Buffer;
}

/** Payloads up to 128 MiB are read, names and signatures are short. */
const maxSmallMember = 64 * 1024;

/** The bytes that are signed: pre-authentication encoding (DSSE protocol.md, PAE). */
export function dssePae(payloadType: string, payload: Uint8Array): Buffer {
  return Buffer.concat([paeHead(payloadType, payload.length), payload]);
}

/** What stands before a payload of that many bytes. */
export function paeHead(payloadType: string, length: number): Buffer {
  return Buffer.from(`DSSEv1 ${Buffer.byteLength(payloadType)} ${payloadType} ${length} `);
}

/**
 * Reads an envelope from its JSON. Exactly one signature, because a second could be anybody's; `keyid` is not signed and
 * not read. Throws `SIGNATURE_MALFORMED`.
 */
export function parseDsseEnvelope(bytes: Uint8Array): DsseEnvelope {
  const members = readUnsignedMembers(bytes, "the DSSE envelope");
  const payloadType = parseMember(members, "payloadType", maxSmallMember);
  if (typeof payloadType !== "string" || payloadType === "")
    throw malformed("the DSSE envelope has no payloadType", "a string", typeof payloadType);
  const signatures = parseMember(members, "signatures", maxSmallMember);
  if (!Array.isArray(signatures) || signatures.length !== 1)
    throw malformed(
      "the DSSE envelope does not have one signature",
      "1 signature",
      Array.isArray(signatures) ? `${signatures.length}` : typeof signatures,
    );
  const first: unknown = signatures[0];
  if (!isJsonObject(first)) throw malformed("the DSSE signature is not an object", "an object", typeof first);
  const signature = decodeBase64(first["sig"], "the signature of the DSSE envelope");
  const { all, content } = decodeBase64Json(members.get("payload"), "the payload of the DSSE envelope", (length) =>
    paeHead(payloadType, length),
  );
  return { payloadType, payload: content, signature, signed: all };
}

/** What stands around an envelope in the same text. */
export interface EnvelopeFrame {
  readonly before: string;
  readonly after: string;
}

/**
 * The JSON of an envelope, within a frame if there is one, as its bytes; the payload's megabytes are written straight into
 * them.
 */
export function formatDsseEnvelope(
  payloadType: string,
  payload: Uint8Array,
  signature: Uint8Array,
  frame: EnvelopeFrame = { before: "", after: "" },
): Buffer {
  const before = Buffer.from(`${frame.before}{"payload":"`);
  const sig = Buffer.from(signature).toString("base64");
  // An empty key id, because cosign 2 wants the member, and refuses any other value.
  const after = Buffer.from(
    `","payloadType":${JSON.stringify(payloadType)},"signatures":[{"keyid":"","sig":"${sig}"}]}${frame.after}`,
  );
  const length = Math.ceil(payload.length / 3) * 4;
  const envelope = Buffer.allocUnsafeSlow(before.length + length + after.length);
  envelope.set(before);
  writeBase64(payload, envelope.subarray(before.length));
  envelope.set(after, before.length + length);
  return envelope;
}

/** Bytes that are encoded at a time: whole groups of three. */
const pieceLength = 3 * 64 * 1024;

function writeBase64(bytes: Uint8Array, into: Buffer): void {
  const from = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let start = 0; start < from.length; start += pieceLength)
    into.write(from.toString("base64", start, Math.min(from.length, start + pieceLength)), (start / 3) * 4, "latin1");
}

function malformed(message: string, expected: string, found: string): TrustError {
  return new TrustError("SIGNATURE_MALFORMED", message, { expected, found });
}
