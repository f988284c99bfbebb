import { hash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { dssePae } from "../../src/crypto/dsse.ts";
import { toPublicKey } from "../../src/crypto/public-key.ts";
import { checkEntryMatches } from "../../src/trust/log-match.ts";
import { bytesContent, envelopeContent, messageContent } from "../../src/trust/signed-content.ts";
import { codeOfRejection } from "../support/errors.ts";
import { base64, jcs } from "../support/sigstore/jcs.ts";
import { ecKey, issue, parse, pemOf } from "../support/x509.ts";

const key = toPublicKey(ecKey().publicKey);
const pem = base64(Buffer.from(key.keyObject.export({ type: "spki", format: "pem" }).toString()));
const payloadType = "application/vnd.in-toto+json";
const payload = Buffer.from("{}");
const signature = Buffer.alloc(70, 1);
const signed = dssePae(payloadType, payload);
const blob = Buffer.from('{"payload":"e30="}');
const digest = (bytes: Uint8Array, name = "sha256") => ({ algorithm: name, value: hash(name, bytes) });
const entryOf = (kind: string, apiVersion: string, spec: object) => ({
  logId: Buffer.alloc(32),
  logIndex: 0n,
  body: Buffer.from(jcs({ kind, apiVersion, spec })),
});
const bare = envelopeContent({ payloadType, payload, signature, signed });
const written = envelopeContent({ payloadType, payload, signature, signed }, blob);

describe("entries of intoto 0.0.1, which log no signature", () => {
  const intoto = (content: object) => entryOf("intoto", "0.0.1", { publicKey: pem, content });

  it("are about an envelope that is at hand as it was written", async () => {
    await checkEntryMatches(intoto({ hash: digest(blob) }), written, { key });
    await checkEntryMatches(intoto({ hash: digest(blob), payloadHash: digest(payload) }), written, { key });
  });

  it("are about nothing else", async () => {
    for (const [content, about] of [
      [{ hash: digest(blob) }, bare],
      [{ hash: digest(blob), payloadHash: digest(payload) }, bare],
      [{ hash: digest(payload) }, written],
      [{ hash: digest(blob), payloadHash: digest(blob) }, written],
    ] as const)
      expect(await codeOfRejection(checkEntryMatches(intoto(content), about, { key }))).toBe("LOG_ENTRY_MISMATCH");
  });
});

describe("entries of dsse 0.0.1", () => {
  const dsse = (envelope: Uint8Array) =>
    entryOf("dsse", "0.0.1", {
      envelopeHash: digest(envelope),
      payloadHash: digest(payload),
      signatures: [{ signature: base64(signature), verifier: pem }],
    });

  it("name the envelope as it was written, where that is at hand", async () => {
    await checkEntryMatches(dsse(blob), written, { key });
    await checkEntryMatches(dsse(payload), bare, { key });
    expect(await codeOfRejection(checkEntryMatches(dsse(payload), written, { key }))).toBe("LOG_ENTRY_MISMATCH");
  });
});

describe("entries of hashedrekord", () => {
  const bytes = Buffer.from("artifact");
  const record = (data: object, content: string, verifier = pem) =>
    entryOf("hashedrekord", "0.0.1", { data, signature: { content, publicKey: { content: verifier } } });

  it.each(["sha256", "sha384", "sha512"])("may name the artifact by %s", async (name) => {
    await checkEntryMatches(record({ hash: digest(bytes, name) }, base64(signature)), bytesContent(signature, bytes), {
      key,
    });
  });

  it("need a digest that is known", async () => {
    const content = messageContent(signature, { sha256: hash("sha256", bytes, "buffer") });
    const entry = record({ hash: digest(bytes, "sha384") }, base64(signature));
    expect(await codeOfRejection(checkEntryMatches(entry, content, { key }))).toBe("LOG_ENTRY_MISMATCH");
  });

  it("name the very certificate, not its key", async () => {
    const signer = issue();
    const certificate = parse(signer);
    const content = bytesContent(signature, bytes);
    const of = (verifier: string) => record({ hash: digest(bytes) }, base64(signature), base64(Buffer.from(verifier)));
    await checkEntryMatches(of(pemOf(signer)), content, { certificate });
    await checkEntryMatches(of(pemOf(signer, issue())), content, { certificate });
    const spki = signer.key.publicKey.export({ type: "spki", format: "pem" }).toString();
    for (const other of [spki, pemOf(issue({ subject: "other" })), pemOf(issue(), signer)])
      expect(await codeOfRejection(checkEntryMatches(of(other), content, { certificate }))).toBe("LOG_ENTRY_MISMATCH");
    expect(await codeOfRejection(checkEntryMatches(of("none"), content, { certificate }))).toBe("LOG_ENTRY_INVALID");
  });

  it.each([
    ["no JSON", "{"],
    ["a key twice", '{"kind":"hashedrekord","kind":"hashedrekord","apiVersion":"0.0.1","spec":{}}'],
    ["a list", "[]"],
    ["no spec", '{"kind":"hashedrekord","apiVersion":"0.0.1"}'],
    ["a kind of every object", '{"kind":"toString","apiVersion":"","spec":{}}'],
    ["deep JSON", "[".repeat(100_000)],
  ])("are refused as %s", async (_, body) => {
    const entry = { logId: Buffer.alloc(32), logIndex: 0n, body: Buffer.from(body) };
    expect(await codeOfRejection(checkEntryMatches(entry, bare, { key }))).toBe("LOG_ENTRY_INVALID");
  });
});

describe("digests of megabytes", () => {
  it("are made without keeping others waiting, and are the same", async () => {
    const bytes = Buffer.alloc(5_000_000, 7);
    const content = bytesContent(signature, bytes);
    let turns = 0;
    const timer = setInterval(() => turns++, 0);
    const [one, again] = await Promise.all([content.signedDigest("sha256"), content.signedDigest("sha256")]);
    clearInterval(timer);
    expect(one).toEqual(hash("sha256", bytes, "buffer"));
    expect(again).toBe(one);
    expect(turns).toBeGreaterThan(0);
  });
});
