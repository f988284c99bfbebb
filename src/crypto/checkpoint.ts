import { TrustError } from "../errors.ts";
import { decodeBase64 } from "./base64.ts";
import { parseSignedNote, type SignedNote } from "./signed-note.ts";

/** What a log says its tree is, under its signature (c2sp.org/tlog-checkpoint). A claim, until a signature is verified. */
export interface Checkpoint {
  readonly note: SignedNote;
  /** The log, by its own name. */
  readonly origin: string;
  /** Whether the origin ends in the number of a tree, as those of Rekor v1 do. */
  readonly isSharded: boolean;
  readonly size: bigint;
  /** 32 bytes. */
  readonly root: Buffer;
}

const decimal = /^(?:0|[1-9][0-9]{0,18})$/;

/** Reads a checkpoint: origin, size, root, then lines of which nothing is believed. Throws `LOG_PROOF_INVALID`. */
export function parseCheckpoint(envelope: string): Checkpoint {
  const note = parseSignedNote(envelope);
  const [origin = "", size = "", root, ...others] = note.text.slice(0, -1).split("\n");
  if (origin === "" || others.includes(""))
    throw malformed("the checkpoint is not a list of lines", "origin, size, root");
  if (!decimal.test(size)) throw malformed("the checkpoint has no size", "a decimal number", size);
  return { note, origin, isSharded: / - [0-9]+$/.test(origin), size: BigInt(size), root: decodeRoot(root) };
}

function decodeRoot(text: string | undefined): Buffer {
  let root: Buffer = Buffer.of();
  try {
    root = decodeBase64(text, "the root of the checkpoint");
  } catch {
    // Told below, with the code of this step.
  }
  if (root.length !== 32) throw malformed("the checkpoint has no root hash", "32 bytes in base64", text);
  return root;
}

function malformed(message: string, expected: string, found?: string): TrustError {
  return new TrustError("LOG_PROOF_INVALID", message, { expected, found: found?.slice(0, 80) });
}
