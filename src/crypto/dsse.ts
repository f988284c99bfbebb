import { TrustError } from "../errors.ts";
import { decodeBase64 } from "./base64.ts";
import { isJsonObject } from "./json.ts";

/** A DSSE envelope with one signature (github.com/secure-systems-lab/dsse, envelope.md), decoded. */
export interface DsseEnvelope {
  readonly payloadType: string;
  readonly payload: Buffer;
  readonly signature: Buffer;
}

/** The bytes that are signed: pre-authentication encoding (DSSE protocol.md, PAE). */
export function dssePae(payloadType: string, payload: Uint8Array): Buffer {
  const head = `DSSEv1 ${Buffer.byteLength(payloadType)} ${payloadType} ${payload.length} `;
  return Buffer.concat([Buffer.from(head), payload]);
}

/**
 * Reads an envelope out of parsed JSON. Exactly one signature, because a second could be anybody's; `keyid` is not signed
 * and not read. Throws `SIGNATURE_MALFORMED`.
 */
export function parseDsseEnvelope(value: unknown): DsseEnvelope {
  if (!isJsonObject(value)) throw malformed("the DSSE envelope is not an object", "an object", typeof value);
  const { payloadType, signatures } = value;
  if (typeof payloadType !== "string" || payloadType === "")
    throw malformed("the DSSE envelope has no payloadType", "a string", typeof payloadType);
  if (!Array.isArray(signatures) || signatures.length !== 1)
    throw malformed(
      "the DSSE envelope does not have one signature",
      "1 signature",
      Array.isArray(signatures) ? `${signatures.length}` : typeof signatures,
    );
  const signature: unknown = signatures[0];
  if (!isJsonObject(signature)) throw malformed("the DSSE signature is not an object", "an object", typeof signature);
  return {
    payloadType,
    payload: decodeBase64(value["payload"], "the payload of the DSSE envelope"),
    signature: decodeBase64(signature["sig"], "the signature of the DSSE envelope"),
  };
}

function malformed(message: string, expected: string, found: string): TrustError {
  return new TrustError("SIGNATURE_MALFORMED", message, { expected, found });
}
