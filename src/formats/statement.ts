import { describeJson } from "../crypto/describe-json.ts";
import { type Digest, digestAlgorithm, digestHex } from "../crypto/digest.ts";
import { isJsonObject, type JsonObject, parseMember, readJsonMembers } from "../crypto/json.ts";
import { TrustError } from "../errors.ts";
import { dockerHub, type RepositoryName } from "../oci/reference.ts";

export const inTotoPayloadType = "application/vnd.in-toto+json";
export const statementV1 = "https://in-toto.io/Statement/v1";
const statementV01 = "https://in-toto.io/Statement/v0.1";
const statementTypes: readonly unknown[] = [statementV1, statementV01];

/** The predicate type of an image signature; every other one is an attestation. */
export const signaturePredicate = "https://sigstore.dev/cosign/sign/v1";

const what = "the in-toto statement";
const maxSubjects = 1024;
const maxDigestsPerSubject = 32;

/** An in-toto statement (in-toto attestation spec v1, statement.md) about one subject. */
export interface Statement {
  readonly predicateType: string;
  /** Annotations of the subject that matched. */
  readonly annotations: Readonly<Record<string, string>>;
}

/**
 * Reads the statement of a proved envelope and checks that it is about `subject`. All of it is checked to be strict JSON,
 * but no values are made of the predicate, which may have megabytes. Throws `SIGNATURE_MALFORMED` or `SUBJECT_MISMATCH`.
 */
export function parseStatement(payloadType: string, payload: Uint8Array, subject: Digest): Statement {
  if (payloadType !== inTotoPayloadType)
    throw malformed("the envelope does not hold an in-toto statement", inTotoPayloadType, payloadType);
  const statement = readJsonMembers(payload, what);
  const type = parseMember(statement, "_type");
  if (!statementTypes.includes(type)) throw malformed("unknown type of statement", statementV1, describeJson(type));
  const predicateType = parseMember(statement, "predicateType");
  if (typeof predicateType !== "string" || predicateType === "")
    throw malformed("the statement has no predicateType", "a URI", typeof predicateType);
  const match = findSubject(parseMember(statement, "subject"), subject);
  return { predicateType, annotations: stringValues(match["annotations"]) };
}

/** The predicate of a statement, as its bytes; undefined where there is none. Throws `SIGNATURE_MALFORMED`. */
export function predicateOf(statement: Uint8Array): Uint8Array | undefined {
  return readJsonMembers(statement, what).get("predicate");
}

/** A statement about an image in the form of cosign's attestations: what stands before the predicate, and after it. */
export function frameStatement(
  image: RepositoryName,
  subject: Digest,
  predicateType: string,
): { readonly before: Buffer; readonly after: Buffer } {
  const digest = { [digestAlgorithm(subject)]: digestHex(subject) };
  const subjects = [{ name: signedRepositoryName(image), digest }];
  const head = JSON.stringify({ _type: statementV01, predicateType, subject: subjects }).slice(0, -1);
  return { before: Buffer.from(`${head},"predicate":`), after: Buffer.from("}") };
}

/** The name of a repository as it is signed: cosign writes Docker Hub as `index.docker.io`. */
export function signedRepositoryName({ registry, repository }: RepositoryName): string {
  return `${registry === dockerHub ? "index.docker.io" : registry}/${repository}`;
}

function findSubject(subjects: unknown, subject: Digest): JsonObject {
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
