import type { PublicKey } from "../crypto/public-key.ts";
import type { Certificate } from "../crypto/x509.ts";
import { TrustError } from "../errors.ts";
import { type LoggedDigest, type LoggedSignature, parseLogBody } from "./log-body.ts";
import type { LogEntry } from "./material.ts";
import type { SignedContent } from "./signed-content.ts";

/** Who is to have signed: a certificate, or a plain key. */
export type EntrySigner =
  | { readonly certificate: Certificate; readonly key?: undefined }
  | { readonly key: PublicKey; readonly certificate?: undefined };

/**
 * Proves that the entry is about this signature (client specification 4.4, Rekor v2 specification 6.1.4): the same signature,
 * the same certificate or key, over the same content. For entries that are proved to be logged. Throws `LOG_ENTRY_INVALID`
 * for a body that is not understood, `LOG_ENTRY_MISMATCH` where it is about something else.
 */
export async function checkEntryMatches(entry: LogEntry, content: SignedContent, signer: EntrySigner): Promise<void> {
  const logged = parseLogBody(entry.body, entry.kind);
  checkVerifier(logged, signer);
  const isSameSignature = logged.signature === undefined ? undefined : logged.signature.equals(content.signature);
  if (isSameSignature === false)
    throw mismatch(logged, "another signature", hex(content.signature), hex(logged.signature));
  if (logged.payloadType !== undefined && logged.payloadType !== content.payloadType)
    throw mismatch(logged, "another type of payload", content.payloadType ?? "none", logged.payloadType.slice(0, 200));
  const signed = await compare(logged, logged.signed, "the signed bytes", content.signedDigest);
  const payload = await compare(logged, logged.payload, "the payload", content.payloadDigest);
  // Only where the envelope is at hand as it was written: JSON has many forms.
  const isWritten = logged.envelope !== undefined && content.isEnvelopeStamped;
  const envelope = isWritten && (await compare(logged, logged.envelope, "the envelope", content.envelopeDigest));
  // An entry without a signature is about this one only if it is about the envelope that holds it.
  if (isSameSignature === undefined ? !envelope : !(signed || payload))
    throw mismatch(logged, "something that cannot be compared", "the digest of what is signed", "other digests");
}

/** False where the entry names no such digest; throws where it names another than the content has. */
async function compare(
  logged: LoggedSignature,
  named: LoggedDigest | undefined,
  what: string,
  digestOf: SignedContent["signedDigest"],
): Promise<boolean> {
  if (named === undefined) return false;
  const digest = await digestOf(named.hash);
  if (digest?.equals(named.digest) === true) return true;
  throw mismatch(
    logged,
    `another digest of ${what}`,
    digest === undefined ? `a digest that is known here, not ${named.hash}` : `${named.hash}:${hex(digest)}`,
    `${named.hash}:${hex(named.digest)}`,
  );
}

function checkVerifier(logged: LoggedSignature, { certificate, key }: EntrySigner): void {
  const { kind, der } = logged.verifier;
  const wanted = certificate === undefined ? key.spki : certificate.raw;
  if (kind === (certificate === undefined ? "key" : "certificate") && der.equals(wanted)) return;
  const expected = certificate === undefined ? `key ${key.keyId}` : `certificate sha256 ${certificate.fingerprint}`;
  throw mismatch(logged, "another signer", expected, `another ${kind}`);
}

function hex(bytes: Buffer | undefined): string {
  return bytes === undefined ? "none" : bytes.toString("hex", 0, 72);
}

function mismatch({ kind }: LoggedSignature, problem: string, expected: string, found: string): TrustError {
  return new TrustError("LOG_ENTRY_MISMATCH", `the log entry (${kind}) is about ${problem}`, { expected, found });
}
