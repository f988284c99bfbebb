import { generateKeyPair } from "node:crypto";
import { promisify } from "node:util";
import { isJsonObject, parseStrictJson } from "../crypto/json.ts";
import { formatPublicKey } from "../crypto/public-key.ts";
import { type Certificate, publicKeyOf } from "../crypto/x509.ts";
import { parseCertificates } from "../crypto/x509-pem.ts";
import { asTrustError, TrustError } from "../errors.ts";
import { isTransientStatus } from "../oci/retry.ts";
import { requireSecrecy, type ServiceClient } from "../oci/service.ts";
import { raceSignal } from "../oci/waiting.ts";
import { type IdentityToken, withoutTokens } from "./identity-token.ts";
import type { Signer, SigningCertificate } from "./signer.ts";
import { signerOf } from "./signing.ts";

/** Where a short-lived certificate comes from, and for whom. */
export interface FulcioOptions {
  /** Base URL; HTTPS, or this machine. */
  readonly url: string;
  readonly client: ServiceClient;
  /** A token that is valid now; asked for with each certificate. */
  token(): Promise<IdentityToken>;
  /** What issued the certificate, the root last, for the forms of signatures that carry it. */
  issuersOf(leaf: Certificate): Promise<readonly Certificate[]>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly signal?: AbortSignal | undefined;
}

/** A certificate is had anew when it has less than this to live: signatures must be witnessed while it is valid. */
const leastLife = 120_000;

/**
 * A signer with a key that lives as long as the process, and certificates of a Fulcio for it (fulcio, fulcio.proto v2): one
 * for many signatures. `@sigstore/sign` is used here, and nowhere else, and loaded with the first certificate. Errors of
 * `certificate`: `SIGNING_SERVICE_UNAVAILABLE`, `SIGNING_SERVICE_REFUSED`, those of `token`; never with a token in them.
 */
export async function fulcioSigner(options: FulcioOptions): Promise<Signer> {
  requireSecrecy(new URL(options.url), "the certificate authority");
  const { privateKey } = await promisify(generateKeyPair)("ec", { namedCurve: "P-256" });
  const signer = signerOf(privateKey);
  let current: Promise<SigningCertificate> | undefined;
  return {
    ...signer,
    async certificate() {
      const asked = current;
      const held = await asked?.catch(() => undefined);
      if (held !== undefined && held.leaf.notAfter - options.now() >= leastLife) return held;
      // Many ask at the same time; the first of them has it renewed for all.
      if (current === asked || current === undefined) current = certify(signer, options);
      return current;
    },
  };
}

async function certify(signer: Signer, options: FulcioOptions): Promise<SigningCertificate> {
  const { url, signal } = options;
  const token = await options.token();
  const host = new URL(url).host;
  const pem = await raceSignal(request(signer, token, options), signal, `a request to ${host}`).catch(
    (error: unknown) => {
      throw fulcioError(error, host, token);
    },
  );
  const leaf = readLeaf(pem, host);
  if (publicKeyOf(leaf).keyId !== signer.publicKey.keyId)
    throw strange(host, "a certificate of the key that was sent", "one of another key");
  return { leaf, issuers: await options.issuersOf(leaf) };
}

/** The library gives a certificate with a signature; the one of nothing is not used. */
async function request(signer: Signer, token: IdentityToken, options: FulcioOptions): Promise<string> {
  // The built command has what is CommonJS under `default` alone.
  const { FulcioSigner } = (await import("@sigstore/sign")).default;
  const publicKey = formatPublicKey(signer.publicKey);
  const keyHolder = {
    sign: async (data: Buffer) => ({
      signature: Buffer.from(await signer.sign(data)),
      key: { $case: "publicKey" as const, publicKey },
    }),
  };
  const identityProvider = { getToken: async () => token.text };
  const fulcioBaseURL = options.url.replace(/\/+$/, "");
  const fulcio = new FulcioSigner({ fulcioBaseURL, identityProvider, keyHolder });
  askWith(fulcio, (body) => askAuthority(options, new URL(`${fulcioBaseURL}/api/v2/signingCert`), body));
  const { key } = await fulcio.sign(Buffer.of());
  return key.$case === "x509Certificate" ? key.certificate : "";
}

/** The library follows redirects, and would tell the token to whomever they name: its requests are made by a client that does not. */
function askWith(fulcio: object, ask: (body: unknown) => Promise<unknown>): void {
  const method = "createSigningCertificate";
  const api = memberOf(memberOf(fulcio, "ca"), "fulcio");
  if (typeof memberOf(api, method) !== "function") throw new TrustError("INTERNAL", "the library is another one");
  Reflect.set(api, method, ask);
}

function memberOf(value: unknown, name: string): object {
  const member: unknown = typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
  return (typeof member === "object" || typeof member === "function") && member !== null ? member : {};
}

/** Statuses that say something of the request, and are not tried again. */
const telling = Array.from({ length: 300 }, (_, index) => 200 + index).filter((status) => !isTransientStatus(status));

async function askAuthority({ client, signal }: FulcioOptions, url: URL, body: unknown): Promise<unknown> {
  const what = "the certificate authority";
  const headers = { "Content-Type": "application/json", Accept: "application/json" };
  const request = {
    url,
    headers,
    body: Buffer.from(JSON.stringify(body)),
    what,
    isSecret: true,
    accept: telling,
    signal,
  };
  const { status, body: bytes } = await client.ask(request);
  const answer = jsonIn(bytes);
  if (status >= 200 && status < 300) {
    if (answer === undefined) throw strange(url.host, "JSON", "something else");
    return answer;
  }
  const said = isJsonObject(answer) ? answer["message"] : undefined;
  throw Object.assign(new Error(`(${status}) ${typeof said === "string" ? said : "no reason"}`), {
    statusCode: status,
  });
}

/** What is wrong with it is not told: a strange answer may hold the token. */
function jsonIn(bytes: Uint8Array): unknown {
  try {
    return parseStrictJson(bytes, "the answer");
  } catch {
    return undefined;
  }
}

function readLeaf(pem: string, host: string): Certificate {
  try {
    const [leaf] = parseCertificates(pem);
    if (leaf !== undefined) return leaf;
  } catch (cause) {
    throw strange(host, "a certificate in PEM", asTrustError(cause).message);
  }
  throw strange(host, "a certificate in PEM", "none");
}

function strange(host: string, expected: string, found: string): TrustError {
  return new TrustError("SIGNING_SERVICE_UNAVAILABLE", `the certificate authority at ${host} answers strangely`, {
    expected,
    found,
  });
}

/** The library's errors hold the token, in their text or in that of their cause: nothing of them is kept as it is. */
function fulcioError(error: unknown, host: string, token: IdentityToken): Error {
  if (error instanceof TrustError) return error;
  if (textIn(error, "code") !== "CA_CREATE_SIGNING_CERTIFICATE_ERROR")
    return new Error(withoutTokens(`no certificate was asked for: ${error}`, token.text));
  const cause = error instanceof Error ? error.cause : undefined;
  if (cause instanceof TrustError) return cause;
  const status = numberIn(cause, "statusCode");
  if (status === undefined)
    return new TrustError("SIGNING_SERVICE_UNAVAILABLE", `the certificate authority at ${host} gives no answer`, {
      expected: "a certificate",
      found: textIn(cause, "code") ?? textIn(cause, "type") ?? "no answer",
    });
  const said = cause instanceof Error ? withoutTokens(cause.message, token.text).slice(0, 300) : "";
  const isOutage = status >= 500 || status === 408 || status === 429;
  return new TrustError(
    isOutage ? "SIGNING_SERVICE_UNAVAILABLE" : "SIGNING_SERVICE_REFUSED",
    `the certificate authority at ${host} ${isOutage ? "is failing" : "gives no certificate for the identity token"}`,
    { expected: `a certificate for ${token.subject.slice(0, 200)} of ${token.issuer.slice(0, 200)}`, found: said },
  );
}

function numberIn(value: unknown, name: string): number | undefined {
  const found = value instanceof Error ? Object.entries(value).find(([key]) => key === name)?.[1] : undefined;
  return typeof found === "number" ? found : undefined;
}

function textIn(value: unknown, name: string): string | undefined {
  const found = value instanceof Error ? Object.entries(value).find(([key]) => key === name)?.[1] : undefined;
  return typeof found === "string" && /^[A-Za-z_-]{1,40}$/.test(found) ? found : undefined;
}
