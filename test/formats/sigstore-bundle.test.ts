import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Digest, digestOf } from "../../src/crypto/digest.ts";
import { dssePae } from "../../src/crypto/dsse.ts";
import { parsePublicKey } from "../../src/crypto/public-key.ts";
import type { SignatureBundle } from "../../src/formats/format.ts";
import { sigstoreBundle } from "../../src/formats/sigstore-bundle.ts";
import { recordedPlaces } from "../support/places.ts";
import { newSigner, trusting } from "../support/signers.ts";

const fixtures = join(import.meta.dirname, "../fixtures");
const key = (name: string) => parsePublicKey(readFileSync(join(fixtures, `cosign-keys/${name}.pub`), "utf8"));
const trust = (...names: string[]) => ({ revision: names.join(), keys: names.map(key) });

async function outcomes(folder: string, ...keys: string[]): Promise<string[]> {
  const { places, subject } = recordedPlaces(join(fixtures, folder));
  const { bundles, findings } = await sigstoreBundle.find(places, subject);
  expect(findings).toEqual([]);
  return Promise.all(bundles.map((bundle) => outcome(bundle, subject, trust(...keys))));
}

async function outcome(
  bundle: SignatureBundle,
  subject: Digest,
  material: Parameters<typeof sigstoreBundle.verify>[2],
): Promise<string> {
  return sigstoreBundle.verify(bundle, subject, material).then(
    (proof) =>
      proof.kind === "signature" ? `ok ${JSON.stringify(proof.annotations)}` : `attestation ${proof.predicateType}`,
    (error: { code: string }) => error.code,
  );
}

describe("what cosign 3.1.1 wrote", () => {
  it("verifies two signatures by a P-256 key, one with an annotation", async () => {
    expect((await outcomes("cosign3/sign-key", "cosign")).sort()).toEqual(['ok {"foo":"bar"}', "ok {}"]);
  });
  it("verifies a P-384 signature over SHA-384", async () => {
    expect(await outcomes("cosign3/keytype-ec384", "imported-ec384")).toEqual(["ok {}"]);
  });
  it("refuses them under other keys", async () => {
    expect(await outcomes("cosign3/sign-key", "nopass", "imported-rsa")).toEqual([
      "SIGNER_NOT_TRUSTED",
      "SIGNER_NOT_TRUSTED",
    ]);
  });
  it("does not take an attestation by the right key for a signature", async () => {
    expect(await outcomes("cosign3/attest-key", "cosign")).toEqual([
      "attestation https://cosign.sigstore.dev/attestation/v1",
    ]);
  });
  it("does not take a certificate for a key", async () => {
    expect(await outcomes("cosign3/x509", "cosign")).toEqual(["SIGNER_NOT_TRUSTED"]);
  });
});

const subject = digestOf(Buffer.from("image"));
const hex = subject.slice(7);
const signatureType = "https://sigstore.dev/cosign/sign/v1";
const goodStatement = {
  _type: "https://in-toto.io/Statement/v1",
  subject: [{ digest: { sha256: hex } }],
  predicateType: signatureType,
  predicate: {},
};
const signer = newSigner();

async function bundleOf(
  payload: string,
  change: (bundle: Record<string, unknown>) => unknown = (same) => same,
  payloadType = "application/vnd.in-toto+json",
) {
  const bytes = Buffer.from(payload);
  const sig = Buffer.from(await signer.sign(dssePae(payloadType, bytes))).toString("base64");
  const bundle = {
    mediaType: "application/vnd.dev.sigstore.bundle.v0.3+json",
    verificationMaterial: { publicKey: { hint: "" } },
    dsseEnvelope: { payload: bytes.toString("base64"), payloadType, signatures: [{ sig }] },
  };
  const content = Buffer.from(JSON.stringify(change(bundle)));
  return {
    format: "bundle",
    evidence: digestOf(content),
    claimId: digestOf(content),
    content,
    annotations: {},
  } satisfies SignatureBundle;
}

const envelopeOf = (bundle: Record<string, unknown>) =>
  bundle["dsseEnvelope"] as { signatures: unknown[]; payload: string };

describe("statements that the right key signed", () => {
  it.each<[string, unknown, string]>([
    ["the plain one", goodStatement, "ok {}"],
    ["without predicate", { ...goodStatement, predicate: undefined }, "ok {}"],
    ["statement v0.1", { ...goodStatement, _type: "https://in-toto.io/Statement/v0.1" }, "ok {}"],
    [
      "several subjects, one of them ours",
      {
        ...goodStatement,
        subject: [{ digest: { sha256: "0".repeat(64) } }, { digest: { sha256: hex }, annotations: { a: "b" } }],
      },
      'ok {"a":"b"}',
    ],
    ["another subject", { ...goodStatement, subject: [{ digest: { sha256: "0".repeat(64) } }] }, "SUBJECT_MISMATCH"],
    [
      "the digest under another algorithm",
      { ...goodStatement, subject: [{ digest: { sha512: hex } }] },
      "SUBJECT_MISMATCH",
    ],
    [
      "the digest in upper case",
      { ...goodStatement, subject: [{ digest: { sha256: hex.toUpperCase() } }] },
      "SUBJECT_MISMATCH",
    ],
    ["the digest as a list", { ...goodStatement, subject: [{ digest: { sha256: [hex] } }] }, "SUBJECT_MISMATCH"],
    ["a subject only by name", { ...goodStatement, subject: [{ name: subject }] }, "SUBJECT_MISMATCH"],
    ["no subject", { ...goodStatement, subject: [] }, "SIGNATURE_MALFORMED"],
    [
      "too many subjects",
      { ...goodStatement, subject: Array.from({ length: 1025 }, () => ({ digest: { sha256: hex } })) },
      "SIGNATURE_MALFORMED",
    ],
    [
      "an attestation",
      { ...goodStatement, predicateType: "https://slsa.dev/provenance/v1" },
      "attestation https://slsa.dev/provenance/v1",
    ],
    [
      "a predicate type that only starts alike",
      { ...goodStatement, predicateType: `${signatureType}/x` },
      `attestation ${signatureType}/x`,
    ],
    ["no predicate type", { ...goodStatement, predicateType: undefined }, "SIGNATURE_MALFORMED"],
    ["another kind of statement", { ...goodStatement, _type: "https://example.com/Statement" }, "SIGNATURE_MALFORMED"],
    ["a list", [goodStatement], "SIGNATURE_MALFORMED"],
    ["a kind that cannot even be shown", { ...goodStatement, _type: { toString: 1 } }, "SIGNATURE_MALFORMED"],
    [
      "a digest that cannot even be shown",
      { ...goodStatement, subject: [{ digest: { sha256: { toString: 1 } } }] },
      "SUBJECT_MISMATCH",
    ],
  ])("%s", async (_name, statement, expected) => {
    expect(await outcome(await bundleOf(JSON.stringify(statement)), subject, trusting(signer))).toBe(expected);
  });

  it("refuses a duplicate key, which parsers read differently", async () => {
    const text = JSON.stringify(goodStatement).replace(
      '"predicate":',
      '"predicateType":"https://slsa.dev/provenance/v1","predicate":',
    );
    expect(await outcome(await bundleOf(text), subject, trusting(signer))).toBe("SIGNATURE_MALFORMED");
  });
  it("refuses another payload type over the same bytes", async () => {
    const bundle = await bundleOf(JSON.stringify(goodStatement), (same) => same, "text/plain");
    expect(await outcome(bundle, subject, trusting(signer))).toBe("SIGNATURE_MALFORMED");
  });
});

describe("containers", () => {
  it.each<[string, (bundle: Record<string, unknown>) => unknown, string]>([
    ["bundle v0.1", (b) => ({ ...b, mediaType: "application/vnd.dev.sigstore.bundle+json;version=0.1" }), "ok {}"],
    [
      "bundle v0.3 in the old spelling",
      (b) => ({ ...b, mediaType: "application/vnd.dev.sigstore.bundle+json;version=0.3" }),
      "ok {}",
    ],
    [
      "an unknown version",
      (b) => ({ ...b, mediaType: "application/vnd.dev.sigstore.bundle.v0.9+json" }),
      "SIGNATURE_MALFORMED",
    ],
    ["a media type that cannot even be shown", (b) => ({ ...b, mediaType: { toString: 1 } }), "SIGNATURE_MALFORMED"],
    ["no media type", ({ mediaType, ...b }) => b, "SIGNATURE_MALFORMED"],
    [
      "structure that nobody signed",
      (b) => ({ ...b, extra: Array.from({ length: 200_000 }, () => 1) }),
      "SIGNATURE_MALFORMED",
    ],
    ["no envelope", ({ dsseEnvelope, ...b }) => b, "SIGNATURE_MALFORMED"],
    ["no material", ({ verificationMaterial, ...b }) => b, "SIGNATURE_MALFORMED"],
    [
      "two signatures",
      (b) => ({
        ...b,
        dsseEnvelope: { ...envelopeOf(b), signatures: [...envelopeOf(b).signatures, ...envelopeOf(b).signatures] },
      }),
      "SIGNATURE_MALFORMED",
    ],
    ["no signature", (b) => ({ ...b, dsseEnvelope: { ...envelopeOf(b), signatures: [] } }), "SIGNATURE_MALFORMED"],
    [
      "an empty signature",
      (b) => ({ ...b, dsseEnvelope: { ...envelopeOf(b), signatures: [{ sig: "" }] } }),
      "SIGNER_NOT_TRUSTED",
    ],
    [
      "base64 without padding",
      (b) => ({ ...b, dsseEnvelope: { ...envelopeOf(b), payload: envelopeOf(b).payload.replace(/=*$/, "!") } }),
      "SIGNATURE_MALFORMED",
    ],
    [
      "base64 with a line break",
      (b) => ({ ...b, dsseEnvelope: { ...envelopeOf(b), payload: `${envelopeOf(b).payload}\n` } }),
      "SIGNATURE_MALFORMED",
    ],
    [
      "a hint to a trusted key that did not sign",
      (b) => ({
        ...b,
        verificationMaterial: { publicKey: { hint: Buffer.from(signer.publicKey.keyId, "hex").toString("base64") } },
        dsseEnvelope: { ...envelopeOf(b), payload: Buffer.from("{}").toString("base64") },
      }),
      "SIGNATURE_INVALID",
    ],
    ["a hint of nonsense", (b) => ({ ...b, verificationMaterial: { publicKey: { hint: "%%%" } } }), "ok {}"],
  ])("%s", async (_name, change, expected) => {
    expect(await outcome(await bundleOf(JSON.stringify(goodStatement), change), subject, trusting(signer))).toBe(
      expected,
    );
  });
});
