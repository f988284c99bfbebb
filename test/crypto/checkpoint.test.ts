import { createPublicKey } from "node:crypto";
import { describe, expect, it } from "vitest";
import { parseCheckpoint } from "../../src/crypto/checkpoint.ts";
import { toPublicKey } from "../../src/crypto/public-key.ts";
import { ed25519NoteKeyId, noteKeyIds, parseSignedNote } from "../../src/crypto/signed-note.ts";
import { codeOf } from "../support/errors.ts";
import { ecKey, ed25519Key } from "../support/x509.ts";

const root = Buffer.alloc(32, 7).toString("base64");
const line = (name = "log.test", bytes = Buffer.alloc(68, 1)) => `\u2014 ${name} ${bytes.toString("base64")}\n`;
const note = (text: string, ...lines: string[]) => `${text}\n${lines.join("")}`;
const text = `log.test\n20\n${root}\n`;

describe("parseCheckpoint", () => {
  it("reads origin, size, root and every signature line", () => {
    const checkpoint = parseCheckpoint(note(text, line(), line("witness.test/w1")));
    expect(checkpoint).toMatchObject({ origin: "log.test", size: 20n, isSharded: false, root: Buffer.alloc(32, 7) });
    expect(checkpoint.note.signed.toString()).toBe(text);
    expect(checkpoint.note.signatures.map(({ name, keyId }) => `${name} ${keyId.toString("hex")}`)).toEqual([
      "log.test 01010101",
      "witness.test/w1 01010101",
    ]);
  });

  it("knows the trees of Rekor v1 by their number, and bears lines that it does not know", () => {
    const checkpoint = parseCheckpoint(note(`rekor.test - 1193050959916656506\n1\n${root}\nTimestamp: 1\n`, line()));
    expect(checkpoint.isSharded).toBe(true);
  });

  it.each([
    ["no signature", note(text)],
    ["no blank line", `${text}${line()}`],
    ["no end", note(text, line()).slice(0, -1)],
    ["a line after the signatures", note(text, line(), "more\n")],
    ["a hyphen for a dash", note(text, line().replace("\u2014", "-"))],
    ["a name with a plus", note(text, line("a+b"))],
    ["a name with a wide space", note(text, line("a\u3000b"))],
    ["no name", note(text, `\u2014  ${Buffer.alloc(9).toString("base64")}\n`)],
    ["a signature of nothing", note(text, line("log.test", Buffer.alloc(4)))],
    [
      "loose base64",
      note(
        text,
        line()
          .replace(/A=*\n$/, "B\n")
          .replace(/=\n$/, "\n"),
      ),
    ],
    ["a carriage return", note(text.replace("\n", "\r\n"), line())],
    ["a NUL", note(text.replace("log", "l\0g"), line())],
    ["half a surrogate pair", note(text.replace("log", "l\ud800g"), line())],
    ["an empty origin", note(`\n20\n${root}\n`, line())],
    ["two lines only", note("log.test\n20\n", line())],
    ["a size with a zero before it", note(`log.test\n020\n${root}\n`, line())],
    ["a negative size", note(`log.test\n-1\n${root}\n`, line())],
    ["a size in another script", note(`log.test\n\u0662\n${root}\n`, line())],
    ["a size beyond int64", note(`log.test\n${"9".repeat(20)}\n${root}\n`, line())],
    ["a short root", note(`log.test\n20\n${Buffer.alloc(31).toString("base64")}\n`, line())],
    ["a root in base64url", note(`log.test\n20\n${Buffer.alloc(32, 255).toString("base64url")}\n`, line())],
    ["an empty line", note(`log.test\n20\n${root}\n\nmore\n`, line())],
    ["too many signatures", note(text, ...Array.from({ length: 65 }, () => line()))],
    ["a megabyte", note(`${text}${"x".repeat(1_000_000)}\n`, line())],
  ])("refuses %s", (_, envelope) => {
    expect(codeOf(() => parseCheckpoint(envelope))).toBe("LOG_PROOF_INVALID");
  });

  it("divides at the last blank line", () => {
    expect(parseSignedNote(note("one\n\ntwo\n", line())).text).toBe("one\n\ntwo\n");
  });
});

describe("noteKeyIds", () => {
  it("is the specification's id of an Ed25519 key, under its name only", () => {
    const key = toPublicKey(ed25519Key().publicKey);
    const [own] = noteKeyIds(key, "log.test");
    expect(noteKeyIds(key, "log.test").length).toBe(2);
    expect(own).not.toEqual(noteKeyIds(key, "other.test")[0]);
  });

  it("is the key itself for ECDSA", () => {
    const key = toPublicKey(ecKey().publicKey);
    expect(noteKeyIds(key, "log.test")).toEqual([Buffer.from(key.keyId, "hex").subarray(0, 4)]);
  });

  it("agrees with a published log: log2025-1.rekor.sigstore.dev", () => {
    // Key and log id as the public-good trusted root has them.
    const spki = Buffer.from("MCowBQYDK2VwAyEAt8rlp1knGwjfbcXAYPYAkn0XiLz1x8O4t0YkEhie244=", "base64");
    const key = toPublicKey(createPublicKey({ key: spki, format: "der", type: "spki" }));
    const id = ed25519NoteKeyId(key, "log2025-1.rekor.sigstore.dev");
    expect(id.toString("base64")).toBe("zxGZFVvd0FEmjR8WrFwMdcAJ9vtaY/QXf44Y1wUeP6A=");
  });
});
