import { isUtf8 } from "node:buffer";
import { TrustError } from "../errors.ts";
import { derTags, parseDer } from "./der.ts";
import { derString } from "./der-values.ts";
import { type Certificate, describeCertificate } from "./x509.ts";
import type { Extension } from "./x509-extensions.ts";

/** The arc of Fulcio's extensions (github.com/sigstore/fulcio, docs/oid-info.md). */
const arc = "1.3.6.1.4.1.57264.1";

/** Extensions whose value is the bare text. */
const rawClaims = {
  2: "githubWorkflowTrigger",
  3: "githubWorkflowSHA",
  4: "githubWorkflowName",
  5: "githubWorkflowRepository",
  6: "githubWorkflowRef",
} as const;

/** Extensions whose value is a UTF8String in DER. */
const derClaims = {
  9: "buildSignerURI",
  10: "buildSignerDigest",
  11: "runnerEnvironment",
  12: "sourceRepositoryURI",
  13: "sourceRepositoryDigest",
  14: "sourceRepositoryRef",
  15: "sourceRepositoryIdentifier",
  16: "sourceRepositoryOwnerURI",
  17: "sourceRepositoryOwnerIdentifier",
  18: "buildConfigURI",
  19: "buildConfigDigest",
  20: "buildTrigger",
  21: "runInvocationURI",
  22: "sourceRepositoryVisibilityAtSigning",
  23: "deploymentEnvironment",
  24: "tokenSubject",
} as const;

type RawClaim = (typeof rawClaims)[keyof typeof rawClaims];
type DerClaim = (typeof derClaims)[keyof typeof derClaims];

/** Every claim by name: `issuer` is the identity provider, from .1.1 and .1.8, which agree where both are there. */
export type ClaimName = "issuer" | RawClaim | DerClaim;

export const claimNames: readonly ClaimName[] = ["issuer", ...Object.values(rawClaims), ...Object.values(derClaims)];

/** What an authority says of a signer beside the name: claims by name, for those that the certificate has. */
export type CertificateClaims = Readonly<Partial<Record<ClaimName, string>>>;

const maxClaimBytes = 8 * 1024;

interface TextClaim {
  readonly oid: string;
  readonly name: RawClaim | DerClaim;
  readonly read: (value: Buffer) => string | undefined;
}

const textClaims: readonly TextClaim[] = [
  ...Object.entries(rawClaims).map(([number, name]) => ({ oid: `${arc}.${number}`, name, read: rawText })),
  ...Object.entries(derClaims).map(([number, name]) => ({ oid: `${arc}.${number}`, name, read: derText })),
];

/**
 * The claims of a certificate by name. To be believed only of certificates with a proved path. Throws `CERTIFICATE_INVALID`
 * for a claim that is not text of its type, and for two issuers that differ.
 */
export function certificateClaims(certificate: Certificate): CertificateClaims {
  const { extensions } = certificate;
  const claims: Partial<Record<ClaimName, string>> = {};
  const issuers = [
    textOf(certificate, extensions.get(`${arc}.1`), rawText),
    textOf(certificate, extensions.get(`${arc}.8`), derText),
  ].filter((issuer) => issuer !== undefined);
  if (issuers[0] !== undefined) claims.issuer = issuers[0];
  if (issuers[1] !== undefined && issuers[1] !== issuers[0])
    throw broken(certificate, "names two issuers", issuers[0] ?? "", issuers[1]);
  for (const { oid, name, read } of textClaims) {
    const text = textOf(certificate, extensions.get(oid), read);
    if (text !== undefined) claims[name] = text;
  }
  return claims;
}

function textOf(
  certificate: Certificate,
  extension: Extension | undefined,
  read: (value: Buffer) => string | undefined,
): string | undefined {
  if (extension === undefined) return undefined;
  const text = extension.value.length > maxClaimBytes ? undefined : read(extension.value);
  // A control character in a claim is there to deceive somebody who reads it.
  if (text === undefined || /\p{Cc}/u.test(text))
    throw broken(certificate, "has a claim that is not text", `${extension.oid} as text`, "something else");
  return text;
}

function rawText(value: Buffer): string | undefined {
  return isUtf8(value) ? value.toString() : undefined;
}

function derText(value: Buffer): string {
  const node = parseDer(value, {
    what: "a claim of the certificate",
    code: "CERTIFICATE_INVALID",
    maxBytes: maxClaimBytes,
  });
  if (node.tag === derTags.utf8String) return derString(node);
  throw new TrustError("CERTIFICATE_INVALID", "a claim of the certificate is of another type", {
    expected: "a UTF8String",
    found: `tag ${node.tag}`,
  });
}

function broken(certificate: Certificate, rule: string, expected: string, found: string): TrustError {
  return new TrustError("CERTIFICATE_INVALID", `${describeCertificate(certificate)} ${rule}`, {
    expected: expected.slice(0, 200),
    found: found.slice(0, 200),
  });
}
