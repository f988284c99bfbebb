import { hash } from "node:crypto";
import { TrustError } from "../errors.ts";
import { decodeBase64 } from "./base64.ts";
import type { PublicKey } from "./public-key.ts";

/** One signature line of a note: who says to have signed, the short id of the key, and the signature. All claims. */
export interface NoteSignature {
  readonly name: string;
  /** 4 bytes. */
  readonly keyId: Buffer;
  readonly signature: Buffer;
}

/** A text with signatures below it (c2sp.org/signed-note). */
export interface SignedNote {
  /** Without the blank line and what is below; ends in a newline. */
  readonly text: string;
  /** The bytes of `text`: what is signed. */
  readonly signed: Buffer;
  /** At least one. */
  readonly signatures: readonly NoteSignature[];
}

const maxLength = 64 * 1024;
/** The specification asks for at least 16. */
const maxSignatures = 64;
const signatureLine = /^\u2014 ([^\s+]+) ([A-Za-z0-9+/=]+)$/u;

/** Reads a signed note; bounded. Throws `LOG_PROOF_INVALID`. Nothing in it may be believed before a signature is verified. */
export function parseSignedNote(note: string): SignedNote {
  if (note.length > maxLength)
    throw malformed("it is too long", `at most ${maxLength} characters`, `${note.length} characters`);
  // Control characters have no place in a note, and half a surrogate pair none in UTF-8.
  if (/[^\P{Cc}\n]|\p{Cs}/u.test(note)) throw malformed("it has control characters", "text and newlines", "others");
  const end = note.lastIndexOf("\n\n");
  if (end < 0) throw malformed("no blank line divides text and signatures", "a blank line", "none");
  const text = note.slice(0, end + 1);
  const lines = note.slice(end + 2).split("\n");
  if (lines.pop() !== "" || lines.length === 0 || lines.length > maxSignatures)
    throw malformed("its signature lines are not complete", `1 to ${maxSignatures} lines`, `${lines.length}`);
  return { text, signed: Buffer.from(text), signatures: lines.map(readSignature) };
}

function readSignature(line: string): NoteSignature {
  const [, name, base64] = signatureLine.exec(line) ?? [];
  const bytes = name === undefined ? Buffer.of() : decode(base64);
  if (name === undefined || bytes.length < 5)
    throw malformed("a signature line is malformed", "— NAME BASE64", JSON.stringify(line.slice(0, 60)));
  return { name, keyId: bytes.subarray(0, 4), signature: bytes.subarray(4) };
}

function decode(base64: string | undefined): Buffer {
  try {
    return decodeBase64(base64, "a signature of the checkpoint");
  } catch {
    return Buffer.of();
  }
}

const ed25519Type = Buffer.of(1);

/**
 * The ids by which lines under that name may mean the key, 4 bytes each: of the SubjectPublicKeyInfo alone (ECDSA in the
 * specification, any key with Rekor v1), and for Ed25519 of name and key. They choose a key to try, and prove nothing.
 */
export function noteKeyIds(key: PublicKey, name: string): readonly Buffer[] {
  const ofKey = Buffer.from(key.keyId.slice(0, 8), "hex");
  return key.algorithm === "ed25519" ? [ed25519NoteKeyId(key, name).subarray(0, 4), ofKey] : [ofKey];
}

/** The whole hash that the id of an Ed25519 key begins (c2sp.org/signed-note, Ed25519): Rekor v2 makes its log id of it. */
export function ed25519NoteKeyId({ spki }: PublicKey, name: string): Buffer {
  // SubjectPublicKeyInfo of Ed25519 ends in the 32 bytes of the key (RFC 8410 §4).
  return hash("sha256", Buffer.concat([Buffer.from(`${name}\n`), ed25519Type, spki.subarray(-32)]), "buffer");
}

function malformed(problem: string, expected: string, found: string): TrustError {
  return new TrustError("LOG_PROOF_INVALID", `the checkpoint is malformed: ${problem}`, { expected, found });
}
