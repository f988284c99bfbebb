import { decodeBase64 } from "../crypto/base64.ts";
import { describeJson } from "../crypto/describe-json.ts";
import { isJsonObject, type JsonObject, parseStrictJson } from "../crypto/json.ts";
import { TrustError } from "../errors.ts";
import type { InclusionProof, LogEntry } from "./witness.ts";

const maxHashes = 64;

/**
 * Reads an entry as Rekor v2 answers it (sigstore_rekor.proto, TransparencyLogEntry, in the JSON of Protobuf): the form alone.
 * Throws `SIGNATURE_MALFORMED`.
 */
export function parseLogEntry(json: unknown): LogEntry {
  const entry = objectOf(json, "the log entry");
  const kindVersion = objectOf(entry["kindVersion"], "kindVersion");
  const promise = entry["inclusionPromise"];
  const time = entry["integratedTime"];
  return {
    kind: textOf(kindVersion["kind"], "kind"),
    version: textOf(kindVersion["version"], "version"),
    logIndex: numberOf(entry["logIndex"] ?? "0", "logIndex"),
    logId: decodeBase64(objectOf(entry["logId"], "logId")["keyId"], "logId"),
    integratedTime:
      time === undefined || time === null || time === "0" || time === 0 ? undefined : numberOf(time, "integratedTime"),
    inclusionPromise: isJsonObject(promise)
      ? decodeBase64(promise["signedEntryTimestamp"], "signedEntryTimestamp")
      : undefined,
    inclusionProof: isJsonObject(entry["inclusionProof"]) ? proofOf(entry["inclusionProof"]) : undefined,
    canonicalizedBody: decodeBase64(entry["canonicalizedBody"], "canonicalizedBody"),
  };
}

function proofOf(proof: JsonObject): InclusionProof {
  const hashes = proof["hashes"] ?? [];
  return {
    logIndex: numberOf(proof["logIndex"] ?? "0", "logIndex"),
    treeSize: numberOf(proof["treeSize"], "treeSize"),
    rootHash: decodeBase64(proof["rootHash"], "rootHash"),
    hashes: listOf(hashes).map((hash) => decodeBase64(hash, "a hash")),
    checkpoint: textOf(objectOf(proof["checkpoint"], "checkpoint")["envelope"], "checkpoint"),
  };
}

/**
 * Reads the entry that Rekor v1 answers: the one value of an object (rekor, openapi.yaml, LogEntry): the form alone. Throws
 * `SIGNATURE_MALFORMED`.
 */
export function parseRekorV1Entry(json: unknown): LogEntry {
  const [entry, second] = Object.values(objectOf(json, "the answer"));
  if (second !== undefined) throw malformed("one entry", "several");
  const { body, integratedTime, logIndex, logID, verification } = objectOf(entry, "the log entry");
  const { signedEntryTimestamp, inclusionProof } = objectOf(verification, "verification");
  const canonicalizedBody = decodeBase64(body, "body");
  const content = objectOf(parseStrictJson(canonicalizedBody, "the body of the log entry"), "body");
  return {
    kind: textOf(content["kind"], "kind"),
    version: textOf(content["apiVersion"], "apiVersion"),
    logIndex: numberOf(logIndex, "logIndex"),
    logId: hexOf(logID, "logID"),
    integratedTime: numberOf(integratedTime, "integratedTime"),
    inclusionPromise: decodeBase64(signedEntryTimestamp, "signedEntryTimestamp"),
    inclusionProof: isJsonObject(inclusionProof) ? rekorV1Proof(inclusionProof) : undefined,
    canonicalizedBody,
  };
}

function rekorV1Proof({ logIndex, treeSize, rootHash, hashes, checkpoint }: JsonObject): InclusionProof {
  return {
    logIndex: numberOf(logIndex, "logIndex"),
    treeSize: numberOf(treeSize, "treeSize"),
    rootHash: hexOf(rootHash, "rootHash"),
    hashes: listOf(hashes ?? []).map((hash) => hexOf(hash, "a hash")),
    checkpoint: textOf(checkpoint, "checkpoint"),
  };
}

function objectOf(value: unknown, what: string): JsonObject {
  if (isJsonObject(value)) return value;
  throw malformed(`${what}, an object`, describeJson(value));
}

function textOf(value: unknown, what: string): string {
  if (typeof value === "string" && value !== "") return value;
  throw malformed(`${what}, a text`, describeJson(value));
}

function listOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value) && value.length <= maxHashes) return value;
  throw malformed(`a list of at most ${maxHashes} hashes`, describeJson(value));
}

/** 64 bits do not fit into a number of JavaScript: they are texts of digits here, as in the JSON of Protobuf. */
function numberOf(value: unknown, what: string): string {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return String(value);
  if (typeof value === "string" && /^(?:0|[1-9]\d{0,18})$/.test(value)) return value;
  throw malformed(`${what}, a number`, describeJson(value));
}

function hexOf(value: unknown, what: string): Buffer {
  if (typeof value === "string" && /^(?:[0-9a-f]{2}){1,64}$/.test(value)) return Buffer.from(value, "hex");
  throw malformed(`${what}, hexadecimal digits`, describeJson(value));
}

function malformed(expected: string, found: string): TrustError {
  return new TrustError("SIGNATURE_MALFORMED", "the log entry is malformed", { expected, found: found.slice(0, 200) });
}
