import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readSmallFile, TrustError } from "../src/index.ts";

/** What a TLS server needs; PEM. */
export interface ServingCertificate {
  readonly cert: string;
  readonly key: string;
  /** Milliseconds since 1970. */
  readonly expires: number;
}

/** Reads a certificate (or chain, leaf first) and its key; what does not belong together is never served. */
export async function readPair(certFile: string, keyFile: string): Promise<ServingCertificate> {
  const cert = await readText(certFile, "the certificate");
  const key = await readText(keyFile, "the key");
  const parsed = parseCertificate(cert);
  if (parsed === undefined)
    throw new TrustError("CONFIG_INVALID", `${certFile} is not a certificate`, { expected: "PEM, the leaf first" });
  if (!parsed.checkPrivateKey(parseKey(keyFile, key)))
    throw new TrustError("CONFIG_INVALID", `${keyFile} is not the key of ${certFile}`);
  return { cert, key, expires: parsed.validToDate.getTime() };
}

/** A small text file. */
export async function readText(file: string, what: string): Promise<string> {
  return (await readSmallFile(file, what)).toString("utf8");
}

export function parseCertificate(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

export function parseKey(file: string, pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    // What OpenSSL says is left out: it may quote the file.
    throw new TrustError("KEY_INVALID", `${file} is not an unencrypted PEM private key`, {
      hint: "Give an unencrypted PKCS #8 key, or an empty folder to have one made",
    });
  }
}
