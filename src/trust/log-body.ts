import { type JsonObject, parseStrictJson } from "../crypto/json.ts";
import { findPemBlocks } from "../crypto/pem.ts";
import type { HashName } from "../crypto/public-key.ts";
import { TrustError } from "../errors.ts";
import { fieldReader } from "./json-fields.ts";
import { maxBodyBytes } from "./material.ts";

/** A digest that an entry names. */
export interface LoggedDigest {
  readonly hash: HashName;
  readonly digest: Buffer;
}

/** What an entry says was signed, by whom. Proved to be logged; whether it is this signature is the question. */
export interface LoggedSignature {
  readonly kind: string;
  /** Absent in intoto 0.0.1, which logs the digest of the envelope instead. */
  readonly signature?: Buffer;
  /** Certificate or SubjectPublicKeyInfo, in DER. */
  readonly verifier: { readonly kind: "certificate" | "key"; readonly der: Buffer };
  /** Of the signed bytes, of the payload of an envelope, or of the envelope as it was written. */
  readonly signed?: LoggedDigest;
  readonly payload?: LoggedDigest;
  readonly envelope?: LoggedDigest;
  readonly payloadType?: string;
}

const read = fieldReader("LOG_ENTRY_INVALID", "the log entry");

/** The kinds of entry that are understood, by kind and version. One line each. */
const readers: Readonly<Record<string, (spec: JsonObject) => Omit<LoggedSignature, "kind">>> = {
  "hashedrekord 0.0.1": readHashedRekord1,
  "hashedrekord 0.0.2": readHashedRekord2,
  "dsse 0.0.1": readDsse1,
  "dsse 0.0.2": readDsse2,
  "intoto 0.0.1": readIntoto1,
  "intoto 0.0.2": readIntoto2,
};

/**
 * Reads the body of an entry (sigstore/rekor pkg/types, sigstore/rekor-tiles api/proto); `claimed` is the kind that the bundle
 * says it is of, and must be. Throws `LOG_ENTRY_INVALID`.
 */
export function parseLogBody(
  body: Buffer,
  claimed?: { readonly name: string; readonly version: string },
): LoggedSignature {
  if (body.length > maxBodyBytes) read.fail("the body", `at most ${maxBodyBytes} bytes`, `${body.length} bytes`);
  const entry = read.object(parseBody(body), "the body");
  const name = read.text(entry["kind"], "kind");
  const version = read.text(entry["apiVersion"], "apiVersion");
  if (claimed !== undefined && (claimed.name !== name || claimed.version !== version))
    read.fail("kind and apiVersion", `${claimed.name} ${claimed.version}`, `${name} ${version}`);
  const kind = `${name} ${version}`;
  const reader = Object.hasOwn(readers, kind) ? readers[kind] : undefined;
  if (reader === undefined) return read.fail("kind and apiVersion", Object.keys(readers).join(", "), kind);
  return { kind, ...reader(read.object(entry["spec"], "spec")) };
}

function parseBody(body: Buffer): unknown {
  try {
    return parseStrictJson(body, "the body");
  } catch (cause) {
    throw new TrustError("LOG_ENTRY_INVALID", "the body of the log entry is not strict JSON", {
      expected: "UTF-8 JSON, each key once",
      cause,
    });
  }
}

function readHashedRekord1(spec: JsonObject) {
  const signature = read.object(spec["signature"], "signature");
  const key = read.object(signature["publicKey"], "signature.publicKey");
  return {
    signature: read.bytes(signature["content"], "signature.content"),
    verifier: readPem(key["content"], "signature.publicKey.content"),
    signed: readHexDigest(read.object(spec["data"], "data")["hash"], "data.hash"),
  };
}

function readHashedRekord2(spec: JsonObject) {
  const record = read.object(spec["hashedRekordV002"], "hashedRekordV002");
  return { ...readSignature2(record["signature"], "signature"), signed: readDigest2(record["data"], "data") };
}

function readDsse1(spec: JsonObject) {
  const signature = only(spec["signatures"], "signatures");
  return {
    signature: read.bytes(signature["signature"], "signatures[0].signature"),
    verifier: readPem(signature["verifier"], "signatures[0].verifier"),
    payload: readHexDigest(spec["payloadHash"], "payloadHash"),
    envelope: readHexDigest(spec["envelopeHash"], "envelopeHash"),
  };
}

function readDsse2(spec: JsonObject) {
  const record = read.object(spec["dsseV002"], "dsseV002");
  return {
    ...readSignature2(only(record["signatures"], "signatures"), "signatures[0]"),
    payload: readDigest2(record["payloadHash"], "payloadHash"),
  };
}

function readIntoto1(spec: JsonObject) {
  const content = read.object(spec["content"], "content");
  const payload = read.optionalObject(content["payloadHash"], "content.payloadHash");
  return {
    verifier: readPem(spec["publicKey"], "publicKey"),
    envelope: readHexDigest(content["hash"], "content.hash"),
    ...(payload === undefined ? {} : { payload: readHexDigest(payload, "content.payloadHash") }),
  };
}

function readIntoto2(spec: JsonObject) {
  const content = read.object(spec["content"], "content");
  const envelope = read.object(content["envelope"], "content.envelope");
  const signature = only(envelope["signatures"], "content.envelope.signatures");
  // The envelope has base64, and the log encodes that once more.
  const encoded = read.bytes(signature["sig"], "content.envelope.signatures[0].sig").toString("latin1");
  return {
    signature: read.bytes(encoded, "content.envelope.signatures[0].sig"),
    verifier: readPem(signature["publicKey"], "content.envelope.signatures[0].publicKey"),
    payload: readHexDigest(content["payloadHash"], "content.payloadHash"),
    payloadType: read.text(envelope["payloadType"], "content.envelope.payloadType"),
  };
}

/** A second signature could be anybody's. */
function only(value: unknown, where: string): JsonObject {
  const list = read.list(value, where, 1);
  return read.object(list[0], `${where}[0]`);
}

const lengths: Readonly<Record<HashName, number>> = { sha256: 32, sha384: 48, sha512: 64 };

function readHexDigest(value: unknown, where: string): LoggedDigest {
  const { algorithm, value: hex } = read.object(value, where);
  const name = (["sha256", "sha384", "sha512"] as const).find((one) => one === algorithm);
  if (name === undefined) return read.fail(`${where}.algorithm`, "sha256, sha384 or sha512", algorithm);
  return sized(name, read.hex(hex, `${where}.value`), where);
}

const hashNames: Readonly<Record<string, HashName>> = { SHA2_256: "sha256", SHA2_384: "sha384", SHA2_512: "sha512" };

function readDigest2(value: unknown, where: string): LoggedDigest {
  const { algorithm, digest } = read.object(value, where);
  const name = typeof algorithm === "string" && Object.hasOwn(hashNames, algorithm) ? hashNames[algorithm] : undefined;
  if (name === undefined) return read.fail(`${where}.algorithm`, Object.keys(hashNames).join(", "), algorithm);
  return sized(name, read.bytes(digest, `${where}.digest`), where);
}

function sized(hash: HashName, digest: Buffer, where: string): LoggedDigest {
  if (digest.length !== lengths[hash]) read.fail(where, `${lengths[hash]} bytes`, `${digest.length} bytes`);
  return { hash, digest };
}

function readSignature2(value: unknown, where: string): Pick<LoggedSignature, "signature" | "verifier"> & object {
  const signature = read.object(value, where);
  const verifier = read.object(signature["verifier"], `${where}.verifier`);
  const certificate = read.optionalObject(verifier["x509Certificate"], `${where}.verifier.x509Certificate`);
  const key = read.optionalObject(verifier["publicKey"], `${where}.verifier.publicKey`);
  const one = certificate ?? key;
  if (one === undefined || (certificate !== undefined && key !== undefined))
    return read.fail(`${where}.verifier`, "either x509Certificate or publicKey", "another number");
  return {
    signature: read.bytes(signature["content"], `${where}.content`),
    verifier: {
      kind: certificate === undefined ? "key" : "certificate",
      der: read.bytes(one["rawBytes"], `${where}.verifier.rawBytes`),
    },
  };
}

const verifierKinds: Readonly<Record<string, LoggedSignature["verifier"]["kind"]>> = {
  CERTIFICATE: "certificate",
  "PUBLIC KEY": "key",
};

/** The first block is the signer's; a chain may follow. */
function readPem(value: unknown, where: string): LoggedSignature["verifier"] {
  const [block] = findPemBlocks(read.bytes(value, where).toString("latin1"));
  const kind =
    block !== undefined && Object.hasOwn(verifierKinds, block.label) ? verifierKinds[block.label] : undefined;
  if (block === undefined || kind === undefined)
    return read.fail(where, "a certificate or public key in PEM", "another");
  return { kind, der: read.bytes(block.body.replace(/[ \t\r\n]+/g, ""), where) };
}
