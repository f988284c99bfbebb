import { describeJson } from "../crypto/describe-json.ts";
import { type Digest, digestOf, isDigest } from "../crypto/digest.ts";
import { isJsonObject, parseMember, readJsonMembers } from "../crypto/json.ts";
import { TrustError } from "../errors.ts";
import { requireEvidence, trustInSigner } from "./made-trust.ts";
import type { MadeBlobTrust } from "./prove-made-blob.ts";
import { sigstoreBundle } from "./sigstore-bundle.ts";
import { bundleOf } from "./sigstore-bundle-parse.ts";
import { inTotoPayloadType, parseStatement } from "./statement.ts";

/**
 * A subject of a statement that is to be signed, which must be one that verifiers read. Throws `PREDICATE_INVALID`: it is a
 * document of the signer's own.
 */
export function subjectOfStatement(statement: Uint8Array): Digest {
  try {
    const subjects = parseMember(readJsonMembers(statement, "the in-toto statement"), "subject");
    const [first] = Array.isArray(subjects) ? subjects : [];
    const digests = isJsonObject(first) && isJsonObject(first["digest"]) ? Object.entries(first["digest"]) : [];
    const digest = digests
      .map(([algorithm, hex]) => `${algorithm}:${describeJson(hex).replaceAll('"', "")}`)
      .find(isDigest);
    if (digest === undefined)
      throw new TrustError("PREDICATE_INVALID", "the first subject of the statement has no digest", {
        expected: "digest: { sha256: 64 hex digits }",
      });
    parseStatement(inTotoPayloadType, statement, digest);
    return digest;
  } catch (cause) {
    if (!(cause instanceof TrustError) || cause.category === "config") throw cause;
    const { message, expected, found } = cause;
    throw new TrustError("PREDICATE_INVALID", `the file is not an in-toto statement: ${message}`, {
      expected,
      found,
      cause,
    });
  }
}

/** Proves the bundle of a statement as a verifier would. Throws `untrusted` codes. */
export async function proveMadeStatement(
  bundle: Uint8Array,
  subject: Digest,
  made: Omit<MadeBlobTrust, "trust"> & Partial<MadeBlobTrust>,
): Promise<void> {
  const trust = made.trust ?? (await trustInSigner(made.signer));
  const { backings = [] } = await sigstoreBundle.verify(bundleOf(bundle, digestOf(bundle)), subject, trust, made.now);
  if (made.evidence !== undefined) requireEvidence(backings, made.evidence);
}
