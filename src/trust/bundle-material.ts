import type { JsonObject } from "../crypto/json.ts";
import { parseCertificate } from "../crypto/x509.ts";
import { fieldReader } from "./json-fields.ts";
import {
  isSelfIssued,
  type LogEntry,
  type LogProof,
  maxBodyBytes,
  maxEntries,
  maxTimestamps,
  type VerificationMaterial,
} from "./material.ts";

/** Which version of the bundle format the material stands in: they differ in what an entry must bring along. */
export type BundleVersion = "0.1" | "0.2" | "0.3";

const maxChain = 10;
const maxHashes = 64;
const read = fieldReader("SIGNATURE_MALFORMED", "the bundle");

/** The members of each message (sigstore_bundle.proto, sigstore_rekor.proto), in lowerCamelCase and no other form. */
const members = {
  material: ["certificate", "x509CertificateChain", "publicKey", "tlogEntries", "timestampVerificationData"],
  entry: [
    "logIndex",
    "logId",
    "kindVersion",
    "integratedTime",
    "inclusionPromise",
    "inclusionProof",
    "canonicalizedBody",
  ],
  proof: ["logIndex", "rootHash", "treeSize", "hashes", "checkpoint"],
} as const;

/**
 * Reads `verificationMaterial` of a bundle (sigstore/protobuf-specs, sigstore_bundle.proto), from JSON that is strict already.
 * What each version asks for is asked for: 0.1 promises, 0.2 and 0.3 proofs, 0.3 a single certificate; no version may
 * bring a root along. Throws `SIGNATURE_MALFORMED` or `CERTIFICATE_INVALID`.
 */
export function parseBundleMaterial(value: unknown, version: BundleVersion): VerificationMaterial {
  const material = read.message(value, "verificationMaterial", members.material);
  const signer = readSigner(material, version);
  const stamps = read.optionalMessage(material["timestampVerificationData"], "timestampVerificationData", [
    "rfc3161Timestamps",
  ]);
  return {
    ...signer,
    entries: read
      .list(material["tlogEntries"], "tlogEntries", maxEntries)
      .map((entry, index) => readEntry(entry, `tlogEntries[${index}]`, version)),
    timestamps: read
      .list(stamps?.["rfc3161Timestamps"], "rfc3161Timestamps", maxTimestamps)
      .map((stamp, index) => read.message(stamp, `rfc3161Timestamps[${index}]`, ["signedTimestamp"]))
      .map((stamp) => read.bytes(stamp["signedTimestamp"], "signedTimestamp")),
  };
}

function readSigner(
  material: JsonObject,
  version: BundleVersion,
): Pick<VerificationMaterial, "leaf" | "intermediates" | "keyHint"> {
  const certificate = read.optionalObject(material["certificate"], "certificate");
  const chain = read.optionalMessage(material["x509CertificateChain"], "x509CertificateChain", ["certificates"]);
  const key = read.optionalMessage(material["publicKey"], "publicKey", ["hint"]);
  if ([certificate, chain, key].filter((one) => one !== undefined).length !== 1)
    return read.fail("verificationMaterial", "one of certificate, x509CertificateChain, publicKey", "another number");
  if (key !== undefined) return { intermediates: [], ...keyHint(key["hint"]) };
  if (chain !== undefined && version === "0.3")
    return read.fail("verificationMaterial", "a single certificate, from version 0.3 on", "a chain");
  const all = chain === undefined ? [certificate] : read.list(chain["certificates"], "certificates", maxChain);
  const [leaf, ...intermediates] = all.map((one, index) =>
    parseCertificate(read.bytes(read.message(one, `certificates[${index}]`, ["rawBytes"])["rawBytes"], "rawBytes")),
  );
  if (leaf === undefined) return read.fail("certificates", "at least one certificate", "none");
  // Roots come from the verifier (sigstore_bundle.proto, x509_certificate_chain).
  if (intermediates.some(isSelfIssued)) return read.fail("certificates", "no root certificate", "a self-issued one");
  return { leaf, intermediates };
}

/** Clients differ in what they put there, so a strange hint is no hint. */
function keyHint(hint: unknown): { readonly keyHint?: string } {
  const bytes = typeof hint === "string" ? Buffer.from(hint, "base64") : Buffer.of();
  return bytes.length === 32 ? { keyHint: bytes.toString("hex") } : {};
}

function readEntry(value: unknown, where: string, version: BundleVersion): LogEntry {
  const entry = read.message(value, where, members.entry);
  const kind = read.message(entry["kindVersion"], `${where}.kindVersion`, ["kind", "version"]);
  const promise = read.optionalMessage(entry["inclusionPromise"], `${where}.inclusionPromise`, [
    "signedEntryTimestamp",
  ]);
  const proof = readProof(entry["inclusionProof"], `${where}.inclusionProof`, version);
  if (version === "0.1" ? promise === undefined : proof === undefined)
    return read.fail(where, version === "0.1" ? "an inclusionPromise" : "an inclusionProof", "none");
  const time = read.int64(entry["integratedTime"], `${where}.integratedTime`);
  if (time > 8_640_000_000_000n) return read.fail(`${where}.integratedTime`, "seconds since 1970", `${time}`);
  const set = promise && read.bytes(promise["signedEntryTimestamp"], `${where}.signedEntryTimestamp`);
  return {
    logId: read.bytes(read.message(entry["logId"], `${where}.logId`, ["keyId"])["keyId"], `${where}.logId.keyId`),
    logIndex: read.int64(entry["logIndex"], `${where}.logIndex`),
    kind: { name: read.text(kind["kind"], `${where}.kind`), version: read.text(kind["version"], `${where}.version`) },
    ...(time === 0n ? {} : { integratedTime: Number(time) }),
    ...(set === undefined ? {} : { signedEntryTimestamp: set }),
    ...(proof === undefined ? {} : { proof }),
    body: read.bytes(entry["canonicalizedBody"], `${where}.canonicalizedBody`, maxBodyBytes),
  };
}

function readProof(value: unknown, where: string, version: BundleVersion): LogProof | undefined {
  const proof = read.optionalMessage(value, where, members.proof);
  if (proof === undefined) return undefined;
  const checkpoint = read.optionalMessage(proof["checkpoint"], `${where}.checkpoint`, ["envelope"]);
  // Early clients left the checkpoint out, and without one a proof leads nowhere; there the promise counts.
  if (checkpoint === undefined && version === "0.1") return undefined;
  return {
    index: read.int64(proof["logIndex"], `${where}.logIndex`),
    size: read.int64(proof["treeSize"], `${where}.treeSize`),
    root: read.bytes(proof["rootHash"], `${where}.rootHash`),
    hashes: read.list(proof["hashes"], `${where}.hashes`, maxHashes).map((one) => read.bytes(one, `${where}.hashes`)),
    checkpoint: read.text(checkpoint?.["envelope"], `${where}.checkpoint.envelope`),
  };
}
