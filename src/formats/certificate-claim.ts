import { decodeBase64 } from "../crypto/base64.ts";
import { describeJson } from "../crypto/describe-json.ts";
import { isJsonObject } from "../crypto/json.ts";
import { type Certificate, parseCertificate } from "../crypto/x509.ts";
import { parseCertificates } from "../crypto/x509-pem.ts";
import { TrustError } from "../errors.ts";
import type { CertificateClaim } from "./certified.ts";

export const certificateAnnotation = "dev.sigstore.cosign/certificate";
export const chainAnnotation = "dev.sigstore.cosign/chain";

/** Certificates between leaf and root that a signature may bring along. */
const maxClaimed = 10;
const maxPemLength = 64 * 1024;

/**
 * The certificate in the annotations of a layer, in PEM, and its chain; nothing where there is none. The chain's last is a
 * root, which is no root for being named here. Throws `CERTIFICATE_INVALID`.
 */
export function annotatedCertificate(
  annotations: Readonly<Record<string, string>>,
): (() => CertificateClaim) | undefined {
  const { [certificateAnnotation]: certificate, [chainAnnotation]: chain } = annotations;
  if (certificate === undefined || certificate === "") return undefined;
  return () => {
    const [leaf, second] = pemCertificates(certificate);
    if (leaf === undefined || second !== undefined) throw invalid("there is not one certificate", "one", "several");
    return { leaf, intermediates: bounded(chain === undefined || chain === "" ? [] : pemCertificates(chain)) };
  };
}

/**
 * The certificate in the verification material of a bundle: `certificate` (v0.3), or `x509CertificateChain` with the leaf
 * first; nothing where there is neither. Throws `CERTIFICATE_INVALID`.
 */
export function bundledCertificate(material: Readonly<Record<string, unknown>>): (() => CertificateClaim) | undefined {
  const { certificate, x509CertificateChain } = material;
  if (certificate !== undefined) return () => ({ leaf: rawCertificate(certificate), intermediates: [] });
  if (x509CertificateChain === undefined) return undefined;
  return () => {
    const list = isJsonObject(x509CertificateChain) ? x509CertificateChain["certificates"] : undefined;
    if (!Array.isArray(list) || list.length === 0)
      throw invalid("the chain has no certificates", "certificates", describeJson(list));
    const [leaf, ...others] = bounded(list, maxClaimed + 1);
    return { leaf: rawCertificate(leaf), intermediates: others.map(rawCertificate) };
  };
}

function rawCertificate(value: unknown): Certificate {
  const rawBytes = isJsonObject(value) ? value["rawBytes"] : undefined;
  if (typeof rawBytes !== "string" || rawBytes.length > maxPemLength)
    throw invalid("a certificate has no usable rawBytes", "DER in base64", typeof rawBytes);
  return parseCertificate(decodeBase64(rawBytes, "the certificate"));
}

function pemCertificates(pem: string): readonly Certificate[] {
  if (pem.length <= maxPemLength) return parseCertificates(pem);
  throw invalid("the certificates are too long", `at most ${maxPemLength} characters`, `${pem.length} characters`);
}

function bounded<T>(list: readonly T[], most = maxClaimed): readonly T[] {
  if (list.length <= most) return list;
  throw invalid("the chain is too long", `at most ${most} certificates`, `${list.length}`);
}

function invalid(message: string, expected: string, found: string): TrustError {
  return new TrustError("CERTIFICATE_INVALID", message, { expected, found: found.slice(0, 200) });
}
