import { hash, randomUUID } from "node:crypto";
import type { Claims } from "./claims.ts";
import type { Answer, Handler } from "./service.ts";
import type { TokenIssuer } from "./tokens.ts";

export interface IssuerOptions {
  readonly tokens: TokenIssuer;
  readonly url: () => string;
  /** The claims of whoever signs in: nobody is asked. */
  readonly claims: () => Claims;
}

/** An OpenID provider: discovery, keys, and sign-in by code with PKCE or by device, which it grants at once. */
export function oidcIssuer({ tokens, url, claims }: IssuerOptions): Handler {
  const codes = new Map<string, { readonly challenge: string | undefined; readonly nonce: string | undefined }>();
  const authorize = (query: URLSearchParams): Answer => {
    const code = randomUUID();
    codes.set(code, { challenge: query.get("code_challenge") ?? undefined, nonce: query.get("nonce") ?? undefined });
    const back = new URL(query.get("redirect_uri") ?? "");
    back.searchParams.set("code", code);
    back.searchParams.set("state", query.get("state") ?? "");
    return { status: 302, headers: { location: back.href }, body: "" };
  };
  const token = (form: URLSearchParams): Answer => {
    const grant = codes.get(form.get("code") ?? form.get("device_code") ?? "");
    const challenge = hash("sha256", form.get("code_verifier") ?? "", "base64url");
    if (grant === undefined || (grant.challenge !== undefined && grant.challenge !== challenge))
      return { status: 400, body: { error: "invalid_grant" } };
    codes.delete(form.get("code") ?? "");
    const idToken = tokens.issue({ ...claims(), ...(grant.nonce !== undefined && { nonce: grant.nonce }) });
    return { status: 200, body: { access_token: "unused", token_type: "Bearer", expires_in: 60, id_token: idToken } };
  };
  const device = (): Answer => {
    const code = randomUUID();
    codes.set(code, { challenge: undefined, nonce: undefined });
    const page = `${url()}/device`;
    return {
      status: 200,
      body: {
        device_code: code,
        user_code: "ABCD-EFGH",
        verification_uri: page,
        verification_uri_complete: `${page}?user_code=ABCD-EFGH`,
        expires_in: 300,
        interval: 1,
      },
    };
  };
  const routes: Readonly<Record<string, Handler>> = {
    "GET /.well-known/openid-configuration": () => ({ status: 200, body: discovery(url()) }),
    "GET /keys": () => ({ status: 200, body: tokens.jwks }),
    "GET /auth": ({ query }) => authorize(query),
    "POST /token": ({ body }) => token(new URLSearchParams(body.toString())),
    "POST /device/code": () => device(),
  };
  return (question) => routes[`${question.method} ${question.path}`]?.(question);
}

function discovery(issuer: string): object {
  return {
    issuer,
    authorization_endpoint: `${issuer}/auth`,
    token_endpoint: `${issuer}/token`,
    device_authorization_endpoint: `${issuer}/device/code`,
    jwks_uri: `${issuer}/keys`,
    response_types_supported: ["code"],
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: ["ES256"],
    code_challenge_methods_supported: ["S256"],
  };
}
