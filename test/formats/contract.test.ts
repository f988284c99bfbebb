import { describe, expect, it } from "vitest";
import { digestOf } from "../../src/crypto/digest.ts";
import { TrustError } from "../../src/errors.ts";
import type { MadeSignature, SignatureBundle, SignatureFormat, TrustMaterial } from "../../src/formats/format.ts";
import { formats } from "../../src/formats/index.ts";
import type { Signer } from "../../src/keys/signer.ts";
import { type Descriptor, mediaTypes } from "../../src/oci/manifest.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { memoryPlaces } from "../support/places.ts";
import { keyKinds, newSigner, trusting } from "../support/signers.ts";

const image = parseReference("registry.example.com/prod/app:1.0");
const subject: Descriptor = { mediaType: mediaTypes.imageManifest, digest: digestOf(Buffer.from("image")), size: 5 };
const other = digestOf(Buffer.from("another image"));

const predicateType = "https://example.com/tests/v1";
const now = Date.UTC(2026, 0, 1);

/** What a format makes: a signature, or an attestation. */
interface Kind {
  readonly kind: "signature" | "attestation";
  readonly annotations: Readonly<Record<string, string>>;
  make(format: SignatureFormat, signer?: Signer): Promise<MadeSignature>;
}

const kinds: readonly Kind[] = [
  {
    kind: "signature",
    annotations: { env: "prod" },
    make: (format, signer = newSigner()) => format.sign({ image, subject, signer, annotations: { env: "prod" }, now }),
  },
  {
    kind: "attestation",
    annotations: {},
    make: (format, signer = newSigner()) =>
      format.attest({ image, subject, signer, predicateType, predicate: Buffer.from('{ "ok": 1.50 }'), now }),
  },
];
const cases = formats.flatMap((format) => kinds.map((kind) => [format.name, kind.kind, format, kind] as const));
const search = { attestations: true, predicateType };

/** What is believed of a bundle, as text; or the code of the refusal. Anything but a TrustError fails the test. */
async function believed(format: SignatureFormat, bundle: SignatureBundle, trust: TrustMaterial): Promise<string> {
  try {
    return JSON.stringify(await format.verify(bundle, subject.digest, trust));
  } catch (error) {
    if (!(error instanceof TrustError)) throw error;
    expect(error.code).not.toBe("INTERNAL");
    return error.code;
  }
}

/** The bundle with one byte of its content, or one character of a text annotation, changed in three ways each. */
function* oneByteChanges(bundle: SignatureBundle): Generator<SignatureBundle> {
  for (let i = 0; i < bundle.content.length; i++) {
    for (const flip of [0x01, 0x20, 0x80]) {
      const content = Buffer.from(bundle.content);
      content[i] = (content[i] ?? 0) ^ flip;
      yield { ...bundle, content };
    }
  }
  for (const [key, value] of Object.entries(bundle.annotations)) {
    for (let i = 0; i < value.length; i++) {
      const changed = value[i] === "A" ? "B" : "A";
      yield {
        ...bundle,
        annotations: { ...bundle.annotations, [key]: value.slice(0, i) + changed + value.slice(i + 1) },
      };
    }
  }
}

describe.each(cases)("format %s, %s", (_name, what, format, { make, annotations }) => {
  it.each(keyKinds)("accepts its own signature by a %s key", async (kind) => {
    const signer = newSigner(kind);
    const { bundle } = await make(format, signer);
    expect(await format.verify(bundle, subject.digest, trusting(signer))).toMatchObject({
      kind: what,
      subject: subject.digest,
      signer: { kind: "key", keyId: signer.publicKey.keyId },
      annotations,
      signedAt: [],
    });
  });

  it.each(keyKinds)("names the right one of several keys (%s)", async (kind) => {
    const signer = newSigner(kind);
    const { bundle } = await make(format, signer);
    const proof = await format.verify(
      bundle,
      subject.digest,
      trusting(newSigner(), newSigner("rsa"), signer, newSigner("ed25519")),
    );
    expect(proof.signer).toEqual({ kind: "key", keyId: signer.publicKey.keyId });
  });

  it("refuses a signature made for another image", async () => {
    const signer = newSigner();
    const { bundle } = await make(format, signer);
    await expect(format.verify(bundle, other, trusting(signer))).rejects.toMatchObject({
      code: "SUBJECT_MISMATCH",
      expected: other,
      found: subject.digest,
    });
  });

  it.each(keyKinds)("refuses a signature by a key that is not trusted (%s)", async (kind) => {
    const { bundle } = await make(format, newSigner(kind));
    await expect(
      format.verify(bundle, subject.digest, trusting(newSigner(kind), newSigner("p384"))),
    ).rejects.toMatchObject({
      code: "SIGNER_NOT_TRUSTED",
    });
    await expect(format.verify(bundle, subject.digest, { revision: "", keys: [] })).rejects.toMatchObject({
      code: "SIGNER_NOT_TRUSTED",
    });
  });

  it("believes nothing else after any change of one byte", async () => {
    const signer = newSigner();
    const trust = trusting(signer);
    const { bundle } = await make(format, signer);
    const before = await believed(format, bundle, trust);
    expect(before).toContain(signer.publicKey.keyId);
    let refused = 0;
    for (const changed of oneByteChanges(bundle)) {
      const after = await believed(format, changed, trust);
      if (after.startsWith("{")) expect(after).toBe(before);
      else refused++;
    }
    expect(refused).toBeGreaterThan(400);
  }, 60_000);

  it("throws nothing but a TrustError, whatever the bytes", async () => {
    const signer = newSigner();
    const { bundle } = await make(format, signer);
    const texts = [
      "",
      "{}",
      "[]",
      "null",
      "0",
      '"x"',
      "{",
      "[".repeat(100_000),
      `${'{"a":'.repeat(5000)}1${"}".repeat(5000)}`,
      "\ufeff{}",
      "{} {}",
    ];
    const contents = [
      ...texts.map((text) => Buffer.from(text)),
      Buffer.alloc(1000, 0xff),
      Buffer.alloc(0),
      bundle.content.slice(0, -1),
    ];
    for (const content of contents) {
      const result = await believed(format, { ...bundle, content }, trusting(signer));
      expect(result).toMatch(/^[A-Z_]+$/);
    }
  });

  it("finds each claim once, however often it is listed", async () => {
    const { attachment } = await make(format);
    const places = placesOf(attachment, 3);
    const found = await format.find(places, subject.digest, search);
    expect(new Set(found.bundles.map((bundle) => bundle.claimId)).size).toBe(1);
  });

  it("finds what it made, and stops at the limit saying so", async () => {
    const { attachment, bundle } = await make(format);
    const found = await format.find(placesOf(attachment, 1), subject.digest, search);
    expect(found).toMatchObject({ complete: true, findings: [] });
    expect(found.bundles.map((item) => item.claimId)).toEqual([bundle.claimId]);
    const limited = await format.find({ ...placesOf(attachment, 2), maxSignatures: 1 }, subject.digest, search);
    expect(limited.complete).toBe(false);
  });

  it("tells a listed signature whose blob is gone as missing, not as an outage", async () => {
    const { attachment } = await make(format);
    const found = await format.find(placesOf(attachment, 1, false), subject.digest, search);
    expect(found.bundles).toEqual([]);
    expect(found.findings).toMatchObject([{ code: "SIGNATURE_MISSING", category: "untrusted" }]);
  });

  it("finds nothing where nothing is", async () => {
    expect(await format.find(memoryPlaces({}), subject.digest, search)).toEqual({
      bundles: [],
      findings: [],
      complete: true,
    });
  });
});

type Attachment = MadeSignature["attachment"];

function placesOf(attachment: Attachment, times: number, withBlobs = true) {
  if (attachment.kind === "referrer") {
    const referrers = Array.from({ length: times }, () => attachment.bytes);
    return memoryPlaces({ referrers, blobs: withBlobs ? attachment.blobs : [] });
  }
  const manifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.imageManifest,
    config: { mediaType: mediaTypes.imageConfig, digest: digestOf(Buffer.from("{}")), size: 2 },
    layers: Array.from({ length: times }, () => attachment.layer),
  };
  const tags = { [attachment.tag]: Buffer.from(JSON.stringify(manifest)) };
  return memoryPlaces({ tags, blobs: withBlobs ? [attachment.blob] : [] });
}
