import { certificateClaims } from "../crypto/fulcio-claims.ts";
import { type Certificate, describeCertificate, publicKeyOf } from "../crypto/x509.ts";
import { identitiesOf } from "../crypto/x509-identity.ts";
import { verifyPath } from "../crypto/x509-path.ts";
import { parseCertificates } from "../crypto/x509-pem.ts";
import { asTrustError, TrustError } from "../errors.ts";
import type { Signer, SigningCertificate } from "./signer.ts";

export const codeSigning = "1.3.6.1.5.5.7.3.3";

/** The PEM of a certificate, and of its issuers. */
export interface CertificateFiles {
  /** The certificate of the key; its issuers may follow it. */
  readonly certificate: string;
  /** Intermediates in issuing order, the root last. */
  readonly chain?: string | undefined;
}

/**
 * Reads the certificate that is signed with, and looks at all that a verifier will:
 * 1. The certificate stands first, each of the others issued the one before it, and the last one is a root.
 * 2. The path holds now: signatures, validity, rules of authorities, names, and the purpose of signing code.
 *
 * `now` in milliseconds since 1970. Throws `CERTIFICATE_UNUSABLE`.
 */
export async function readSigningCertificate(files: CertificateFiles, now: number): Promise<SigningCertificate> {
  const [leaf, ...following] = readPem(files.certificate, "--cert");
  const issuers = [...following, ...(files.chain === undefined ? [] : readPem(files.chain, "--cert-chain"))];
  const root = issuers.at(-1);
  if (leaf === undefined || root === undefined)
    throw unusable("nobody is named who issued the certificate", "its issuers up to the root", "the certificate alone");
  checkOrder([leaf, ...issuers]); // 1
  try {
    const intermediates = issuers.slice(0, -1);
    await verifyPath({ leaf, intermediates, roots: [root], at: now, eku: codeSigning }); // 2
  } catch (cause) {
    const { message, expected, found } = asTrustError(cause);
    throw new TrustError("CERTIFICATE_UNUSABLE", `verifiers would refuse the certificate: ${message}`, {
      expected,
      found,
      cause,
    });
  }
  return { leaf, issuers };
}

/** A signer whose signatures carry the certificate. Throws `CERTIFICATE_UNUSABLE` where it is another key's. */
export function certifiedSigner(signer: Signer, certificate: SigningCertificate): Signer {
  const { keyId } = publicKeyOf(certificate.leaf);
  if (keyId !== signer.publicKey.keyId)
    throw unusable("the certificate is for another key", signer.publicKey.keyId, keyId);
  return { ...signer, certificate: async () => certificate };
}

/** Whom a certificate names, and who says so: the identity provider, else the root. For people: nothing is proved here. */
export function namesIn({ leaf, issuers }: SigningCertificate): { readonly subject: string; readonly issuer: string } {
  return {
    subject: identitiesOf(leaf)[0]?.value ?? leaf.subject.text,
    issuer: certificateClaims(leaf).issuer ?? (issuers.at(-1) ?? leaf).subject.text,
  };
}

function readPem(pem: string, flag: string): readonly Certificate[] {
  try {
    return parseCertificates(pem);
  } catch (cause) {
    const { message, expected, found } = asTrustError(cause);
    throw new TrustError("CERTIFICATE_UNUSABLE", `${flag}: ${message}`, { expected, found, cause });
  }
}

function checkOrder(chain: readonly Certificate[]): void {
  for (const [index, issuer] of chain.entries()) {
    const child = chain[index - 1];
    if (child === undefined || child.issuer.raw.equals(issuer.subject.raw)) continue;
    throw unusable(
      "the certificates are not in order: each is to be issued by the next one",
      `behind ${describeCertificate(child)}: ${child.issuer.text.slice(0, 200) || "its issuer"}`,
      describeCertificate(issuer),
    );
  }
  const root = chain.at(-1);
  if (root === undefined || root.issuer.raw.equals(root.subject.raw)) return;
  throw unusable("the certificates end before the root", "a self-signed root at the end", describeCertificate(root));
}

function unusable(message: string, expected: string, found: string): TrustError {
  return new TrustError("CERTIFICATE_UNUSABLE", message, { expected, found });
}
