import { formatPem } from "../crypto/pem.ts";
import { formatPublicKey } from "../crypto/public-key.ts";
import { TrustError } from "../errors.ts";
import { readJsonAnswer, type ServiceClient, strangeAnswer } from "../oci/service.ts";
import { parseRekorV1Entry } from "./log-entry.ts";
import type { LogEntry, Witness, Witnessed } from "./witness.ts";

const what = "the transparency log";
const json = { "Content-Type": "application/json", Accept: "application/json" };

/**
 * A transparency log of Rekor v1 (rekor, openapi.yaml): `hashedrekord` 0.0.1 for messages, `dsse` 0.0.1 for envelopes. An
 * entry that is there already counts.
 */
export function rekorV1(baseUrl: string, client: ServiceClient): Witness {
  const url = new URL(`${baseUrl.replace(/\/+$/, "")}/api/v1/log/entries`);
  return {
    name: baseUrl,
    async testify(witnessed, signal) {
      const body = Buffer.from(JSON.stringify(proposalOf(witnessed)));
      const answer = await client.ask({ url, headers: json, body, what, accept: [200, 201, 409], signal });
      const found = answer.status === 409 ? await existing(answer.location) : answer.body;
      return { entries: [readEntry(found)], timestamps: [] };

      async function existing(location: string | undefined): Promise<Buffer> {
        const place = location === undefined ? null : URL.parse(location, url.href);
        if (place === null || place.origin !== url.origin)
          throw strangeAnswer({ url, what }, "the place of the entry that exists already");
        return (await client.ask({ method: "GET", url: place, headers: json, what, accept: [200], signal })).body;
      }
    },
  };

  function readEntry(bytes: Buffer): LogEntry {
    const content = readJsonAnswer(bytes, { url, what });
    try {
      return parseRekorV1Entry(content);
    } catch (cause) {
      throw strangeAnswer({ url, what }, "a log entry", cause);
    }
  }
}

function proposalOf({ signature, sha256, publicKey, certificate, envelope }: Witnessed): object {
  const pem = certificate === undefined ? formatPublicKey(publicKey) : formatPem("CERTIFICATE", certificate);
  const verifier = Buffer.from(pem).toString("base64");
  if (envelope !== undefined)
    return {
      apiVersion: "0.0.1",
      kind: "dsse",
      spec: { proposedContent: { envelope: Buffer.from(envelope).toString(), verifiers: [verifier] } },
    };
  if (publicKey.algorithm === "ed25519")
    throw new TrustError("KEY_UNSUPPORTED", "the log takes no Ed25519 signature of a message that it is not shown", {
      expected: "an ECDSA or RSA key, or an attestation or bundle, which are envelopes",
      found: publicKey.algorithm,
    });
  return {
    apiVersion: "0.0.1",
    kind: "hashedrekord",
    spec: {
      data: { hash: { algorithm: "sha256", value: Buffer.from(sha256).toString("hex") } },
      signature: { content: Buffer.from(signature).toString("base64"), publicKey: { content: verifier } },
    },
  };
}
