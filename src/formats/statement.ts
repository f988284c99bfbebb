import { describeJson } from "../crypto/describe-json.ts";
import { type Digest, digestAlgorithm, digestHex } from "../crypto/digest.ts";
import { isJsonObject, type JsonObject, parseStrictJson } from "../crypto/json.ts";
import { TrustError } from "../errors.ts";

export const inTotoPayloadType = "application/vnd.in-toto+json";
export const statementV1 = "https://in-toto.io/Statement/v1";
const statementTypes: readonly unknown[] = [statementV1, "https://in-toto.io/Statement/v0.1"];

/** The predicate type of an image signature; every other one is an attestation. */
export const signaturePredicate = "https://sigstore.dev/cosign/sign/v1";

const maxSubjects = 1024;
const maxDigestsPerSubject = 32;

/** An in-toto statement (in-toto attestation spec v1, statement.md) about one subject. */
export interface Statement {
  readonly predicateType: string;
  readonly predicate: unknown;
  /** Annotations of the subject that matched. */
  readonly annotations: Readonly<Record<string, string>>;
}

/**
 * Parses the statement of a proved envelope and checks that it is about `subject`. Throws `SIGNATURE_MALFORMED` or
 * `SUBJECT_MISMATCH`.
 */
export function parseStatement(payloadType: string, payload: Uint8Array, subject: Digest): Statement {
  if (payloadType !== inTotoPayloadType)
    throw malformed("the envelope does not hold an in-toto statement", inTotoPayloadType, payloadType);
  const statement = parseStrictJson(payload, "the in-toto statement");
  if (!isJsonObject(statement)) throw malformed("the statement is not an object", "an object", typeof statement);
  if (!statementTypes.includes(statement["_type"]))
    throw malformed("unknown type of statement", statementV1, describeJson(statement["_type"]));
  const { predicateType } = statement;
  if (typeof predicateType !== "string" || predicateType === "")
    throw malformed("the statement has no predicateType", "a URI", typeof predicateType);
  const match = findSubject(statement, subject);
  return { predicateType, predicate: statement["predicate"], annotations: stringValues(match["annotations"]) };
}

function findSubject(statement: JsonObject, subject: Digest): JsonObject {
  const subjects = statement["subject"];
  if (!Array.isArray(subjects) || subjects.length === 0 || subjects.length > maxSubjects)
    throw malformed(
      "the statement has no usable list of subjects",
      `1 to ${maxSubjects} subjects`,
      describeList(subjects),
    );
  const match = subjects.find((item) => isAbout(item, subject));
  if (isJsonObject(match)) return match;
  throw new TrustError("SUBJECT_MISMATCH", "the signature covers another image", {
    expected: subject,
    found: subjects.slice(0, 3).map(describeSubject).join(", "),
  });
}

function isAbout(item: unknown, subject: Digest): boolean {
  if (!isJsonObject(item) || !isJsonObject(item["digest"])) return false;
  const digests = item["digest"];
  if (Object.keys(digests).length > maxDigestsPerSubject) return false;
  return Object.hasOwn(digests, digestAlgorithm(subject)) && digests[digestAlgorithm(subject)] === digestHex(subject);
}

function describeList(value: unknown): string {
  return Array.isArray(value) ? `${value.length} subjects` : typeof value;
}

function describeSubject(item: unknown): string {
  const digests = isJsonObject(item) && isJsonObject(item["digest"]) ? item["digest"] : {};
  const [algorithm, hex] = Object.entries(digests)[0] ?? ["none", ""];
  return `${algorithm}:${describeJson(hex)}`.slice(0, 150);
}

/** The entries that are text; numbers and booleans as text. What is nested is left out. */
export function stringValues(value: unknown): Readonly<Record<string, string>> {
  if (!isJsonObject(value)) return {};
  const scalars = Object.entries(value).filter(([, v]) => ["string", "number", "boolean"].includes(typeof v));
  return Object.fromEntries(scalars.map(([k, v]) => [k, String(v)]));
}

function malformed(message: string, expected: string, found: string): TrustError {
  return new TrustError("SIGNATURE_MALFORMED", message, { expected, found: found.slice(0, 200) });
}
