import { hash } from "node:crypto";
import { type EnvelopeFrame, formatDsseEnvelope, paeHead } from "../crypto/dsse.ts";
import { TrustError } from "../errors.ts";
import { noTestimony } from "../witness/witness.ts";
import { type AttestRequest, maxAttestationBytes, type SignRequest } from "./format.ts";
import type { MadeMaterial } from "./made-material.ts";
import { frameStatement, inTotoPayloadType } from "./statement.ts";

/** Room for what is around the payload: names, signature, certificate, log entries, a bundle's other members. */
const maxFrameBytes = 64 * 1024;

/** A statement in the encoding that is signed, of which it is the end. */
export interface EncodedStatement {
  readonly signed: Buffer;
  readonly length: number;
}

/** An envelope, in its frame, and what was made with it. */
export interface MadeEnvelope {
  readonly content: Buffer;
  readonly material: MadeMaterial;
}

/** Where an envelope goes. */
export interface EnvelopeUse {
  /** What stands around it in the same text. */
  readonly frame?: ((material: MadeMaterial) => EnvelopeFrame) | undefined;
  /** Timestamps are over the whole envelope rather than its signature: so cosign has it under `.att` tags. */
  readonly stampsEnvelope?: true;
}

/** A statement that is signed as these bytes. */
export function encodeStatement(...parts: readonly Uint8Array[]): EncodedStatement {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return { signed: Buffer.concat([paeHead(inTotoPayloadType, length), ...parts]), length };
}

/**
 * The statement of a new attestation. The predicate is copied once: it may have megabytes. Throws `CONTENT_TOO_LARGE` where
 * verifiers would not read it.
 */
export function encodeAttestation({ image, subject, predicateType, predicate }: AttestRequest): EncodedStatement {
  const { before, after } = frameStatement(image, subject.digest, predicateType);
  const length = before.length + predicate.length + after.length;
  const size = Math.ceil(length / 3) * 4 + maxFrameBytes;
  if (size > maxAttestationBytes)
    throw new TrustError("CONTENT_TOO_LARGE", "the predicate is too large for an attestation", {
      expected: `at most ${maxAttestationBytes} bytes, in base64`,
      found: `${size} bytes`,
      hint: "Attest a smaller document that names the large one by its digest",
    });
  return encodeStatement(before, predicate, after);
}

/** Signs a statement, has the signature witnessed, and puts all of it together. */
export async function makeEnvelope(
  { signer, testify }: Pick<SignRequest, "signer" | "testify">,
  { signed, length }: EncodedStatement,
  { frame, stampsEnvelope }: EnvelopeUse = {},
): Promise<MadeEnvelope> {
  // First, because one that is had anew must be there when the signature is made.
  const certificate = await signer.certificate?.();
  const signature = await signer.sign(signed);
  const payload = signed.subarray(-length);
  const bare = { signer, certificate, testimony: noTestimony };
  if (testify === undefined)
    return { content: formatDsseEnvelope(inTotoPayloadType, payload, signature, frame?.(bare)), material: bare };
  const envelope = formatDsseEnvelope(inTotoPayloadType, payload, signature);
  const testimony = await testify({
    signature,
    sha256: hash("sha256", signed, "buffer"),
    publicKey: signer.publicKey,
    certificate: certificate?.leaf.raw,
    envelope,
    stamped: stampsEnvelope === true ? envelope : undefined,
  });
  const material = { ...bare, testimony };
  const { before, after } = frame?.(material) ?? { before: "", after: "" };
  return { content: Buffer.concat([Buffer.from(before), envelope, Buffer.from(after)]), material };
}
