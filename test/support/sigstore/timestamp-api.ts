import { integer } from "../../crypto/der.ts";
import { pemOf } from "../x509.ts";
import type { Handler, Question } from "./service.ts";
import { parseTimestampQuestion, type TimestampQuestion, type TimestampSpec, timestampResponse } from "./timestamp.ts";
import type { World } from "./world.ts";

export interface TimestampApiOptions {
  /** Changes what is signed. */
  readonly change?: (spec: TimestampSpec) => TimestampSpec;
}

/** An RFC 3161 authority over HTTP; asked in DER, or in JSON as @sigstore/sign does. Answers 201 as Sigstore's, 200 at `/tsa200`. */
export function timestampApi(world: World, { change = (spec) => spec }: TimestampApiOptions = {}): Handler {
  return (question) => {
    const { method, path } = question;
    const { tsa: authority, timestamper: signer, now } = world;
    if (method === "GET" && path === "/api/v1/timestamp/certchain")
      return { status: 200, type: "application/pem-certificate-chain", body: pemOf(signer, ...authority.chain) };
    if (method !== "POST" || !(path === "/api/v1/timestamp" || path === "/tsa200")) return undefined;
    const asked = question.type.startsWith("application/json")
      ? fromJson(question)
      : parseTimestampQuestion(question.body);
    const body = timestampResponse(change({ ...asked, authority, signer, at: now() }));
    return { status: path === "/tsa200" ? 200 : 201, type: "application/timestamp-reply", body };
  };
}

function fromJson({ body }: Question): TimestampQuestion {
  const { artifactHash, hashAlgorithm, nonce, certificates } = JSON.parse(body.toString());
  if (!/^sha(256|384|512)$/.test(hashAlgorithm)) throw new Error("unknown hash");
  return {
    hash: hashAlgorithm,
    imprint: Buffer.from(artifactHash, "base64"),
    ...(nonce !== undefined && { nonce: integer(BigInt(nonce)) }),
    certificates: certificates === true,
  };
}
