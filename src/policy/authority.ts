import type { Certificate } from "../crypto/x509.ts";
import { identitiesOf } from "../crypto/x509-identity.ts";
import { TrustError } from "../errors.ts";
import { type Backing, countAs, type SignerIdentity, type VerifiedSignature } from "../formats/format.ts";
import { claimsText, statedClaims } from "./keyless-identity.ts";
import type { Authority, CertificateAuthority, KeyAuthority, KeylessAuthority } from "./policy.ts";

/** A proof that is by an authority. */
export interface Counted {
  /** With the signer and the verified times that the authority believes. */
  readonly proof: VerifiedSignature;
  /** All names of the signer; whoever shares one with another is the same signer (DESIGN 5.6). */
  readonly names: readonly string[];
}

/** The proof as the authority counts it; nothing where it is not by the authority. */
export function countedFor(authority: Authority, proof: VerifiedSignature): Counted | undefined {
  switch (authority.kind) {
    case "key":
      return byKey(authority, proof);
    case "certificate":
      return byBacking(authority.trust.id, proof, (certificate, issuer) => certifiedAs(authority, certificate, issuer));
    case "keyless":
      return byBacking(authority.root.revision, proof, (certificate) => vouchedForAs(authority, certificate));
  }
}

function byKey(authority: KeyAuthority, proof: VerifiedSignature): Counted | undefined {
  const { signer, backings, validity } = proof;
  const { keys, root } = authority;
  if (signer.kind !== "key" || !keys.some(({ keyId }) => keyId === signer.keyId)) return undefined;
  const names = [`key ${signer.keyId}`];
  // How long it is known why a certificate beside it does not count says nothing about the key.
  if (backings === undefined && root === undefined && validity === undefined) return { proof, names };
  const backing = backings?.find(({ trust }) => trust === root?.revision);
  const refusal = backing?.failure ?? missingEvidence(authority, backing);
  const signedAt = backing?.signedAt ?? [];
  return { proof: countAs(proof, { signer, signedAt, ...(refusal === undefined ? {} : { refusal }) }), names };
}

function missingEvidence({ require, root }: KeyAuthority, backing: Backing | undefined): TrustError | undefined {
  if (require === undefined) return undefined;
  const { log = 0, timestamp = 0 } = backing?.counts ?? {};
  const lacks = [
    ...(require.log && log < 1 ? ["an entry in a transparency log"] : []),
    ...(require.timestamp && timestamp < 1 ? ["a timestamp"] : []),
  ];
  if (lacks.length === 0) return undefined;
  return new TrustError("EVIDENCE_MISSING", "the key signed, but the signature has less evidence than is asked for", {
    expected: `${lacks.join(" and ")}, by the trust root ${root?.name}`,
    found: `${log} log entries and ${timestamp} timestamps that are verified`,
  });
}

function byBacking(
  trust: string,
  proof: VerifiedSignature,
  signerOf: (certificate: Certificate, issuer: string) => SignerIdentity | undefined,
): Counted | undefined {
  const backing = proof.backings?.find((one) => one.trust === trust && one.certificate !== undefined);
  const { certificate, issuer = "" } = backing ?? {};
  if (backing === undefined || certificate === undefined) return undefined;
  const signer = signerOf(certificate, issuer);
  if (signer === undefined) return undefined;
  return { proof: countAs(proof, { ...backing, signer }), names: namesOf(signer, certificate, backing) };
}

function certifiedAs({ identities }: CertificateAuthority, certificate: Certificate, issuer: string) {
  for (const { matches } of identities) {
    const subject = matches(certificate);
    if (subject !== undefined) return { kind: "certificate", issuer, subject } as const;
  }
  return undefined;
}

function vouchedForAs({ identities }: KeylessAuthority, certificate: Certificate) {
  for (const { matches } of identities) {
    const found = matches(certificate);
    if (found !== undefined) return { kind: "keyless", ...found } as const;
  }
  return undefined;
}

/** Every alternative name: two certificates with the same two names are not two signers for being asked about one name each. */
function namesOf({ kind }: SignerIdentity, certificate: Certificate, { issuer, keyId }: Backing): readonly string[] {
  const names = identitiesOf(certificate).map(({ value }) => `${kind} ${JSON.stringify([issuer, value])}`);
  return [`key ${keyId}`, ...names];
}

const maxNamed = 5;

/** Whose signature is wanted, for findings. */
export function expectedOf(authority: Authority): string {
  return `a signature by ${[...whoMaySign(authority)].slice(0, maxNamed).join(" or ")}`;
}

function whoMaySign(authority: Authority): readonly string[] {
  switch (authority.kind) {
    case "key":
      return authority.keys.map((key) => `key ${key.keyId.slice(0, 16)}`);
    case "certificate": {
      const roots = authority.trust.roots.slice(0, maxNamed).map(({ subject }) => subject.text);
      return authority.identities.map(
        ({ san, sanRegex }) => `${wanted(san, sanRegex)}, certified under ${roots.join(" or ")}`,
      );
    }
    case "keyless":
      return authority.identities.map(
        ({ subject, subjectRegex, issuer, issuerRegex, claims }) =>
          `${wanted(subject, subjectRegex)} of ${wanted(issuer, issuerRegex)}${
            claims === undefined ? "" : ` ${claimsText(Object.entries(claims))}`
          }`,
      );
  }
}

/** How somebody of an authority signs: what stands between `trust sign` and the image. */
export function signingFlags({ kind }: Authority): string {
  if (kind === "keyless") return "";
  return kind === "key" ? "--key KEY " : "--key KEY --cert FILE ";
}

/** What the certificate of a proof says where an authority asks for claims; nothing where it asks for none. */
export function claimedFor(authority: Authority, { backings = [] }: Pick<VerifiedSignature, "backings">): string {
  if (authority.kind !== "keyless") return "";
  const certificate = backings.find(({ trust }) => trust === authority.root.revision)?.certificate;
  return certificate === undefined ? "" : statedClaims(authority.identities, certificate).slice(0, maxClaimed);
}

const maxClaimed = 500;

function wanted(text: string | undefined, regex: string | undefined): string {
  return text ?? (regex === undefined ? "anybody" : `/${regex}/`);
}

/** What an authority means, as plain values: whatever changes it changes them. */
export function canonicalAuthority(authority: Authority): object {
  switch (authority.kind) {
    case "key": {
      const { keys, root, ...rest } = authority;
      return { ...rest, keys: keys.map((key) => key.keyId).sort(), root: root?.revision };
    }
    case "certificate": {
      const { trust, identities, ...rest } = authority;
      return { ...rest, trust: trust.id, identities: identities.map(({ matches: _, ...rule }) => rule) };
    }
    case "keyless": {
      const { root, identities, ...rest } = authority;
      return { ...rest, root: root.revision, identities: identities.map(({ matches: _, ...rule }) => rule) };
    }
  }
}
