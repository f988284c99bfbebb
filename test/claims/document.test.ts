import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { documentClaims } from "../../src/claims/document.ts";

const fixtures = join(import.meta.dirname, "../fixtures");
const read = (path: string) => readFileSync(join(fixtures, path));
const json = (value: unknown) => Buffer.from(JSON.stringify(value));

describe("a document", () => {
  test.each([
    ["sigstore/trusted_root.json", "Sigstore trusted root"],
    ["sigstore/signing-config-r2.json", "Sigstore signing configuration"],
    ["notation/jws-ec256.json", "Notation signature, JWS"],
    ["keys/cosign.key", "encrypted private key of cosign's form"],
    ["keys/skopeo-generated.private", "encrypted private key of cosign's form"],
    ["keys/cosign.pub", "public key"],
    ["keys/ec-source.sec1.pem", "private key, not encrypted"],
    ["keys/ed-source.pkcs8.pem", "private key, not encrypted"],
    ["x509/keyless/email-cosign2.crt", "certificate"],
  ])("%s is told by its content: %s", (path, what) => {
    expect(documentClaims(read(path)).what).toBe(what);
  });

  test("of a private key shows nothing that is secret", () => {
    for (const name of ["ec-source.sec1.pem", "ed-source.pkcs8.pem", "cosign.key"]) {
      const bytes = read(`keys/${name}`);
      const body = bytes.toString().split("\n").slice(1, -2);
      const shown = JSON.stringify(documentClaims(bytes));
      for (const line of body) expect(shown).not.toContain(line);
    }
    expect(documentClaims(read("keys/cosign.key")).says).toMatchObject({ kdf: "scrypt", cipher: "nacl/secretbox" });
  });

  test("with a public key names the id that verdicts use", () => {
    const { says } = documentClaims(read("keys/cosign.pub"));
    expect(says).toEqual({ algorithm: "ecdsa-p256", keyId: expect.stringMatching(/^[0-9a-f]{64}$/) });
  });

  test("with a trusted root lists logs and authorities, with their certificates", () => {
    const { says } = documentClaims(read("sigstore/trusted_root.json"));
    expect(says).toMatchObject({
      logs: [{ url: "http://rekor.test", logId: expect.stringMatching(/^974dcfb6/) }, { url: "http://rekor2.test" }],
      certificateAuthorities: [{ name: "fulcio-root", certificates: [{ isAuthority: true }, { isAuthority: true }] }],
    });
  });

  test("with several certificates shows each, and why one cannot be read", () => {
    const one = read("x509/keyless/email-cosign2.crt").toString();
    const broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    const { what, says } = documentClaims(Buffer.from(one + broken));
    expect(what).toBe("PEM, 2 blocks");
    expect(says["blocks"]).toMatchObject([{ names: ["email:alice@example.com"] }, { problem: expect.any(String) }]);
  });

  test.each([
    ["an envelope", { payload: "e30=", payloadType: "x", signatures: [] }, /^DSSE envelope/],
    [
      "a statement",
      { _type: "x", predicateType: "https://slsa.dev/provenance/v1" },
      /^in-toto statement, an attestation/,
    ],
    ["a payload", { critical: {} }, /^simple signing/],
    [
      "a log entry",
      { SignedEntryTimestamp: "", Payload: { logIndex: 4, integratedTime: 1_795_217_140 } },
      /^log entry/,
    ],
    ["an old bundle of a file", { base64Signature: "AAAA", cert: "", rekorBundle: {} }, /older bundle/],
    ["a configuration", { rootfs: {}, architecture: "amd64" }, /^image configuration/],
    ["anything else", { a: 1 }, /^JSON$/],
  ])("is known by the members that only it has: %s", (_what, value, expected) => {
    expect(documentClaims(json(value)).what).toMatch(expected);
  });

  test.each([
    ["nothing", Buffer.of()],
    ["garbage", Buffer.from([0, 255, 254, 1, 2])],
    ["a DER of nothing", Buffer.from([0x30, 0x82, 0xff, 0xff])],
    ["the start of CBOR", Buffer.from([0xd2, 0x84])],
    ["an open PEM", Buffer.from("-----BEGIN CERTIFICATE-----\nAAAA")],
    ["ten thousand brackets", Buffer.from("[".repeat(10_000))],
    ["a deep document", Buffer.from(`${'{"a":'.repeat(5_000)}1${"}".repeat(5_000)}`)],
    [
      "a deep payload",
      json({ payload: Buffer.from("[".repeat(9_999)).toString("base64"), payloadType: "", signatures: [] }),
    ],
    [
      "members of other types",
      json({ mediaType: 5, verificationMaterial: [], dsseEnvelope: "x", messageSignature: [] }),
    ],
    [
      "lists of null",
      json({ tlogs: [null], certificateAuthorities: [null, 5, { certChain: { certificates: [null] } }] }),
    ],
    ["signatures that are none", json({ payload: 5, payloadType: {}, signatures: [null, "x"] })],
    ["a log entry of nothing", json({ verificationMaterial: { tlogEntries: [{ integratedTime: "1e99", logId: 5 }] } })],
  ])("that is %s is told as what it is, and can be printed", (_what, bytes) => {
    const claims = documentClaims(bytes);
    expect(JSON.parse(JSON.stringify(claims))).toMatchObject({ what: expect.any(String) });
  });

  test("with a key twice is decoded, with the reason why verifiers refuse it", () => {
    const payload = Buffer.from('{"_type":"x","_type":"y"}').toString("base64");
    const { says } = documentClaims(json({ payload, payloadType: "application/vnd.in-toto+json", signatures: [{}] }));
    expect(says["problems"]).toEqual([expect.stringMatching(/twice/)]);
  });

  test("of the real world never makes it throw", () => {
    for (const folder of ["cosign2", "cosign3", "sigstore", "x509", "keys"])
      for (const name of readdirSync(join(fixtures, folder), { recursive: true, encoding: "utf8" }))
        if (/\.(?:json|key|pub|crt|pem)$|blob-/.test(name))
          expect(documentClaims(read(`${folder}/${name}`)).what).not.toBe("");
  });
});
