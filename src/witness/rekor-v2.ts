import { TrustError } from "../errors.ts";
import { readJsonAnswer, type ServiceClient, strangeAnswer } from "../oci/service.ts";
import { parseLogEntry } from "./log-entry.ts";
import type { Witness, Witnessed } from "./witness.ts";

const what = "the transparency log";

/**
 * PublicKeyDetails (sigstore_common.proto) by the bits of an RSA key. Larger curves are registered with larger hashes only, and
 * what is signed here is hashed with SHA-256, which every verifier of the field reads.
 */
const rsaDetails: Readonly<Record<number, string>> = {
  2048: "PKIX_RSA_PKCS1V15_2048_SHA256",
  3072: "PKIX_RSA_PKCS1V15_3072_SHA256",
  4096: "PKIX_RSA_PKCS1V15_4096_SHA256",
};

/**
 * A transparency log of Rekor v2 (rekor-tiles, rekor_service.proto): `hashedrekord` 0.0.2 for messages and, over their
 * pre-authentication encoding, for envelopes. It takes bare keys as well as certificates, and answers once its checkpoint is
 * signed.
 */
export function rekorV2(baseUrl: string, client: ServiceClient): Witness {
  const url = new URL(`${baseUrl.replace(/\/+$/, "")}/api/v2/log/entries`);
  return {
    name: baseUrl,
    async testify(witnessed, signal) {
      const headers = { "Content-Type": "application/json", Accept: "application/json" };
      const body = Buffer.from(JSON.stringify(requestOf(witnessed)));
      const answer = await client.ask({ url, headers, body, what, accept: [200, 201], signal });
      const content = readJsonAnswer(answer.body, { url, what });
      try {
        return { entries: [parseLogEntry(content)], timestamps: [] };
      } catch (cause) {
        throw strangeAnswer({ url, what }, "a log entry", cause);
      }
    },
  };
}

function requestOf(witnessed: Witnessed): object {
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");
  const { signature, sha256, publicKey, certificate } = witnessed;
  const verifier =
    certificate === undefined
      ? { publicKey: { rawBytes: base64(publicKey.spki) } }
      : { x509Certificate: { rawBytes: base64(certificate) } };
  const content = { content: base64(signature), verifier: { ...verifier, keyDetails: detailsOf(witnessed) } };
  return { hashedRekordRequestV002: { digest: base64(sha256), signature: content } };
}

function detailsOf({ publicKey: { algorithm, keyObject } }: Witnessed): string {
  const details =
    algorithm === "ecdsa-p256"
      ? "PKIX_ECDSA_P256_SHA_256"
      : rsaDetails[keyObject.asymmetricKeyDetails?.modulusLength ?? 0];
  if (details !== undefined) return details;
  throw new TrustError("KEY_UNSUPPORTED", "logs of Rekor v2 do not take signatures of this kind of key", {
    expected: "ECDSA P-256, or RSA of 2048, 3072 or 4096 bits; or a log of Rekor v1",
    found: algorithm,
  });
}
