import { constants, createPublicKey, type KeyObject, verify } from "node:crypto";
import { derBytes, derChildren, parseDer } from "../../../src/crypto/der.ts";
import { derBitStringOctets } from "../../../src/crypto/der-values.ts";
import { type KeyPair, pemOf } from "../x509.ts";
import { issueIdentity, type LeafSpec } from "./authority.ts";
import { type Claims, subjectOf } from "./claims.ts";
import type { Answer, Handler, Question } from "./service.ts";
import type { World } from "./world.ts";

export interface FulcioOptions {
  /** Checks a token and gives its claims, or throws. */
  readonly check: (token: string) => Claims | Promise<Claims>;
  /** Changes what is issued. */
  readonly change?: (spec: LeafSpec) => LeafSpec;
}

/** The HTTP interface of the certificate authority, versions 1 and 2. */
export function fulcio(world: World, options: FulcioOptions): Handler {
  return async (question) => {
    const { method, path } = question;
    if (method === "GET") return trustBundle(world, path);
    if (method !== "POST" || !/^\/api\/v[12]\/signingCert$/.test(path)) return undefined;
    const request = JSON.parse(question.body.toString());
    const v2 = path.includes("/v2/");
    let claims: Claims;
    try {
      claims = await options.check(tokenOf(question, request));
    } catch (error) {
      return { status: 401, body: { code: 16, message: `There was an error processing the identity token: ${error}` } };
    }
    const publicKey = v2 ? keyOfV2(request, claims) : keyOfV1(request, claims);
    const spec = {
      authority: world.fulcio,
      key: publicOnly(publicKey),
      claims,
      at: startOf(world),
      logs: [world.ctlog],
    };
    return issued(world, options.change?.(spec) ?? spec, v2);
  };
}

function issued({ fulcio }: World, spec: LeafSpec, v2: boolean): Answer {
  const chain = [issueIdentity(spec), ...fulcio.chain].map((certificate) => pemOf(certificate));
  if (!v2) return { status: 201, type: "application/pem-certificate-chain", body: chain.join("") };
  return { status: 200, body: { signedCertificateEmbeddedSct: { chain: { certificates: chain } } } };
}

const startOf = ({ now }: World) => Math.floor(now() / 1000) * 1000;

/** Certificates need the public half only. */
function publicOnly(publicKey: KeyObject): KeyPair {
  return { publicKey, privateKey: publicKey };
}

function trustBundle({ fulcio }: World, path: string): Answer | undefined {
  const chain = fulcio.chain.map((certificate) => pemOf(certificate));
  if (path === "/api/v1/rootCert")
    return { status: 200, type: "application/pem-certificate-chain", body: chain.join("") };
  return path === "/api/v2/trustBundle" ? { status: 200, body: { chains: [{ certificates: chain }] } } : undefined;
}

// biome-ignore lint/suspicious/noExplicitAny: requests of clients under test; a wrong one is answered with 400
type Request = any;

function tokenOf({ authorization }: Question, request: Request): string {
  return authorization?.replace(/^bearer /i, "") ?? request.credentials.oidcIdentityToken;
}

function keyOfV2(request: Request, claims: Claims): KeyObject {
  if (typeof request.certificateSigningRequest === "string") return keyOfRequest(request.certificateSigningRequest);
  const { publicKey, proofOfPossession } = request.publicKeyRequest;
  return possessed(createPublicKey(publicKey.content), claims, proofOfPossession);
}

function keyOfV1(request: Request, claims: Claims): KeyObject {
  if (typeof request.certificateSigningRequest === "string") return keyOfRequest(request.certificateSigningRequest);
  const content = Buffer.from(request.publicKey.content, "base64");
  const key = content.toString("latin1").startsWith("-----")
    ? createPublicKey(content.toString())
    : createPublicKey({ key: content, format: "der", type: "spki" });
  return possessed(key, claims, request.signedEmailAddress);
}

/** The key, once its holder has signed the subject of the token with it. */
function possessed(key: KeyObject, claims: Claims, proof: string): KeyObject {
  if (!signedBy(key, Buffer.from(subjectOf(claims)), Buffer.from(proof, "base64")))
    throw new Error("The signature supplied in the request could not be verified");
  return key;
}

/** The key of a PKCS#10 request in base64 of PEM, once the request is signed with it (RFC 2986). */
function keyOfRequest(content: string): KeyObject {
  const pem = Buffer.from(content, "base64").toString();
  const der = Buffer.from(pem.replaceAll(/-----[^-]+-----|\s/g, ""), "base64");
  const request = parseDer(der, { what: "the request", code: "CERTIFICATE_INVALID", maxBytes: 65_536 });
  const [info, , signature] = derChildren(request);
  const spki = info && derChildren(info)[2];
  if (info === undefined || spki === undefined || signature === undefined) throw new Error("not a request");
  const key = createPublicKey({ key: derBytes(spki), format: "der", type: "spki" });
  if (!signedBy(key, derBytes(info), derBitStringOctets(signature))) throw new Error("the request is not signed");
  return key;
}

function signedBy(key: KeyObject, message: Buffer, signature: Buffer): boolean {
  if (key.asymmetricKeyType === "ed25519") return verify(null, message, key, signature);
  const pss = { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_AUTO };
  const ways = key.asymmetricKeyType === "rsa" ? [key, pss] : [key];
  return ["sha256", "sha384", "sha512"].some((name) => ways.some((way) => verify(name, message, way, signature)));
}
