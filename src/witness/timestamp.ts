import { hash } from "node:crypto";
import { parseTimestampResponse } from "../crypto/timestamp-token.ts";
import { asTrustError, TrustError } from "../errors.ts";
import type { ServiceClient } from "../oci/service.ts";
import type { Witness } from "./witness.ts";

const what = "the timestamp authority";

/** AlgorithmIdentifier of SHA-256, with NULL parameters, as every authority reads it. */
const sha256Identifier = Buffer.from("300d06096086480165030402010500", "hex");

/**
 * A timestamp authority over plain RFC 3161 (§3.4). The URL is used as it stands. That the answer is about our signature
 * is checked here, by whom it is by the verifier. Throws `SIGNING_SERVICE_REFUSED` where no timestamp is granted.
 */
export function timestampAuthority(url: string, client: ServiceClient): Witness {
  const place = new URL(url);
  return {
    name: url,
    async testify({ signature, stamped = signature }, signal) {
      const imprint = hash("sha256", stamped, "buffer");
      const headers = { "Content-Type": "application/timestamp-query", Accept: "application/timestamp-reply" };
      // Sigstore's own authority answers 201.
      const accept = [200, 201];
      const answer = await client.ask({ url: place, headers, body: requestOf(imprint), what, accept, signal });
      checkAnswer(answer.body, imprint, place);
      return { entries: [], timestamps: [answer.body] };
    },
  };
}

/**
 * TimeStampReq (RFC 3161 §2.4.1), with the certificate of the authority to be in the answer. No nonce: the signature is new,
 * so that nobody can have an older timestamp of it.
 */
function requestOf(imprint: Buffer): Buffer {
  const version = tlv(0x02, Buffer.of(1));
  const messageImprint = tlv(0x30, Buffer.concat([sha256Identifier, tlv(0x04, imprint)]));
  const certReq = tlv(0x01, Buffer.of(0xff));
  return tlv(0x30, Buffer.concat([version, messageImprint, certReq]));
}

/** Lengths below 128 only. */
function tlv(tag: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.of(tag, content.length), content]);
}

function checkAnswer(response: Buffer, imprint: Buffer, url: URL): void {
  const refused = (found: string, cause?: unknown) =>
    new TrustError("SIGNING_SERVICE_REFUSED", `${what} at ${url.host} gave no timestamp of the signature`, {
      expected: "a timestamp (RFC 3161) over the SHA-256 of the signature",
      found,
      cause,
    });
  const token = (() => {
    try {
      return parseTimestampResponse(response);
    } catch (cause) {
      const { message, found } = asTrustError(cause);
      throw refused(found === undefined ? message : `${message} (${found})`, cause);
    }
  })();
  if (token.imprint.hash !== "sha256" || !token.imprint.digest.equals(imprint))
    throw refused("a timestamp of something else");
}
