import { findPemBlocks, type PemBlock } from "../crypto/pem.ts";
import { parsePublicKeys } from "../crypto/public-key.ts";
import { certificateClaims } from "./certificate.ts";
import { bytesOf, memberOf, present, readLoosely, textOf } from "./loose.ts";

const maxBlocks = 50;

/** One block of a PEM file: what it is, and what may be shown of it. Plain JSON. */
export interface PemClaims {
  readonly what: string;
  readonly says: Readonly<Record<string, unknown>>;
}

/** What the blocks of a PEM text are. Of private keys nothing is shown but how they are kept. Never throws. */
export function pemClaims(text: string): readonly PemClaims[] {
  return findPemBlocks(text).slice(0, maxBlocks).map(blockClaims);
}

function blockClaims({ label, body, block }: PemBlock): PemClaims {
  if (label === "CERTIFICATE")
    return { what: "certificate", says: { ...certificateClaims(Buffer.from(body, "base64")) } };
  if (label.endsWith("PUBLIC KEY")) return { what: "public key", says: publicKeyClaims(block) };
  if (/^ENCRYPTED (?:SIGSTORE|COSIGN) PRIVATE KEY$/.test(label))
    return { what: "encrypted private key of cosign's form", says: sealedClaims(label, body) };
  if (label.endsWith("PRIVATE KEY"))
    return {
      what: label.startsWith("ENCRYPTED") ? "encrypted private key" : "private key, not encrypted",
      says: { label, note: "nothing of a private key is shown" },
    };
  return { what: "PEM block", says: { label } };
}

function publicKeyClaims(block: string): Readonly<Record<string, unknown>> {
  try {
    const [key] = parsePublicKeys(block);
    return key === undefined ? {} : { algorithm: key.algorithm, keyId: key.keyId };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : "unreadable" };
  }
}

/** How the key is sealed (securesystemslib, encrypted package); neither salt nor ciphertext says anything to anybody. */
function sealedClaims(label: string, body: string): Readonly<Record<string, unknown>> {
  const { value, problem } = readLoosely(bytesOf(body.replace(/\s/g, "")) ?? Buffer.of());
  return {
    label,
    ...present({
      kdf: textOf(memberOf(value, "kdf", "name"), 50),
      cost: textOf(memberOf(value, "kdf", "params", "N"), 20),
      cipher: textOf(memberOf(value, "cipher", "name"), 50),
      ciphertextBytes: bytesOf(memberOf(value, "ciphertext"))?.length,
      problem,
    }),
    note: "the public half is encrypted with it: trust key public --key FILE",
  };
}
