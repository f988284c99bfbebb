import { sign, verify } from "node:crypto";
import { ecKey, type KeyPair } from "../x509.ts";
import type { Claims } from "./claims.ts";

/** Makes and checks the identity tokens of one issuer (JWS, ES256). */
export interface TokenIssuer {
  issue(claims: Claims): string;
  /** Throws what is wrong with a token. */
  check(token: string, now: number): Claims;
  readonly jwks: object;
}

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");

export function createTokenIssuer(key: KeyPair = ecKey()): TokenIssuer {
  const kid = "key-1";
  const dsaEncoding = "ieee-p1363";
  return {
    jwks: { keys: [{ ...key.publicKey.export({ format: "jwk" }), kid, alg: "ES256", use: "sig" }] },
    issue(claims) {
      const text = `${part({ alg: "ES256", kid, typ: "JWT" })}.${part(claims)}`;
      return `${text}.${sign("sha256", Buffer.from(text), { key: key.privateKey, dsaEncoding }).toString("base64url")}`;
    },
    check(token, now) {
      const [head = "", body = "", signature = ""] = token.split(".");
      const signed = Buffer.from(`${head}.${body}`);
      const publicKey = { key: key.publicKey, dsaEncoding } as const;
      if (!verify("sha256", signed, publicKey, Buffer.from(signature, "base64url"))) throw new Error("bad signature");
      const claims = JSON.parse(Buffer.from(body, "base64url").toString());
      if (claims.aud !== "sigstore") throw new Error("bad audience");
      if (claims.exp * 1000 < now) throw new Error("expired");
      return claims;
    },
  };
}
