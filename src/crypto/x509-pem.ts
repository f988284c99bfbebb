import { TrustError } from "../errors.ts";
import { decodeBase64 } from "./base64.ts";
import { findPemBlocks, type PemBlock } from "./pem.ts";
import { type Certificate, parseCertificate } from "./x509.ts";

const maxTextLength = 4 * 1024 * 1024;
const maxCertificates = 1000;

/**
 * Reads every certificate of a PEM text (RFC 7468 §5), in order, at least one. Text between the blocks is skipped; any other
 * block, and one without an end, is refused. Throws `CERTIFICATE_INVALID`; never repeats the text.
 */
export function parseCertificates(pem: string): readonly Certificate[] {
  const blocks = pem.length > maxTextLength ? [] : findPemBlocks(pem);
  if (blocks.length === 0 || blocks.length > maxCertificates)
    throw new TrustError("CERTIFICATE_INVALID", "the text does not hold certificates in PEM", {
      expected: `1 to ${maxCertificates} blocks -----BEGIN CERTIFICATE-----, at most ${maxTextLength} characters`,
      found: `${blocks.length} blocks, ${pem.length} characters`,
    });
  if (pem.split("-----BEGIN ").length - 1 !== blocks.length)
    throw new TrustError("CERTIFICATE_INVALID", "a PEM block has no end", { expected: "-----END CERTIFICATE-----" });
  return blocks.map(readBlock);
}

function readBlock({ label, body }: PemBlock): Certificate {
  if (label !== "CERTIFICATE")
    throw new TrustError("CERTIFICATE_INVALID", "a PEM block is not a certificate", {
      expected: "CERTIFICATE",
      found: label,
    });
  return parseCertificate(decodeBody(body));
}

function decodeBody(body: string): Buffer {
  try {
    return decodeBase64(body.replace(/[ \t\r\n]+/g, ""), "a certificate in PEM");
  } catch (cause) {
    throw new TrustError("CERTIFICATE_INVALID", "a certificate in PEM is not base64", {
      expected: "standard base64 with padding",
      cause,
    });
  }
}
