import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { digestOf } from "../../src/crypto/digest.ts";
import { dssePae } from "../../src/crypto/dsse.ts";
import { parsePublicKey } from "../../src/crypto/public-key.ts";
import { attestationTag, cosign, signatureTag } from "../../src/formats/cosign.ts";
import type { SignatureFormat } from "../../src/formats/format.ts";
import { sigstoreBundle } from "../../src/formats/sigstore-bundle.ts";
import { bundleMediaType } from "../../src/formats/sigstore-bundle-parse.ts";
import { emptyDescriptor, mediaTypes } from "../../src/oci/manifest.ts";
import { memoryPlaces, recordedPlaces } from "../support/places.ts";
import { newSigner, trusting } from "../support/signers.ts";

const image = Buffer.from("image");
const subject = digestOf(image);
const signer = newSigner();
const stranger = newSigner("p384");
const trust = trusting(signer);
const payloadType = "application/vnd.in-toto+json";
const predicateType = "https://example.com/tests/v1";
const search = { attestations: true, predicateType };

const statement = {
  _type: "https://in-toto.io/Statement/v1",
  subject: [{ name: "app", digest: { sha256: subject.slice(7) } }],
  predicateType,
  predicate: { ok: true },
};
const sign = async (payload: Uint8Array, by = signer) =>
  Buffer.from(await by.sign(dssePae(payloadType, payload))).toString("base64");

/** An envelope around the text of a statement, signed by the trusted key. */
async function envelopeOf(text: string | object, change: object = {}): Promise<object> {
  const payload = Buffer.from(typeof text === "string" ? text : JSON.stringify(text));
  const signatures = [{ keyid: "", sig: await sign(payload) }];
  return { payload: payload.toString("base64"), payloadType, signatures, ...change };
}

type Annotations = Readonly<Record<string, string>>;

/** Both ways in which an envelope gets beside an image. */
const carriers: readonly (readonly [
  string,
  SignatureFormat,
  (envelope: object, label: Annotations) => ReturnType<typeof memoryPlaces>,
])[] = [
  ["under the .att tag", cosign, (envelope, label) => placesUnder(attestationTag(subject), [envelope], label)],
  ["in a bundle", sigstoreBundle, (envelope, label) => referring([envelope], label)],
];

function placesUnder(
  tag: string,
  contents: readonly object[],
  label: Annotations,
  mediaType = "application/vnd.dsse.envelope.v1+json",
) {
  const blobs = contents.map((content) => Buffer.from(JSON.stringify(content)));
  const annotations = { "dev.cosignproject.cosign/signature": "", ...label };
  const layers = blobs.map((blob) => ({ mediaType, digest: digestOf(blob), size: blob.length, annotations }));
  const manifest = { schemaVersion: 2, mediaType: mediaTypes.imageManifest, config: emptyDescriptor, layers };
  return memoryPlaces({ blobs, tags: { [tag]: Buffer.from(JSON.stringify(manifest)) } });
}

function referring(envelopes: readonly object[], label: Annotations) {
  const blobs = envelopes.map((dsseEnvelope) =>
    Buffer.from(JSON.stringify({ mediaType: bundleMediaType, verificationMaterial: { publicKey: {} }, dsseEnvelope })),
  );
  const referrers = blobs.map((blob) =>
    Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: mediaTypes.imageManifest,
        config: emptyDescriptor,
        layers: [{ mediaType: bundleMediaType, digest: digestOf(blob), size: blob.length }],
        annotations: label,
      }),
    ),
  );
  return memoryPlaces({ blobs, referrers });
}

/** What each claim that is found proves to be. */
async function outcomes(format: SignatureFormat, places: ReturnType<typeof memoryPlaces>): Promise<string[]> {
  const { bundles, findings } = await format.find(places, subject, search);
  const proved = bundles.map((bundle) =>
    format.verify(bundle, subject, trust).then(
      (proof) => (proof.kind === "attestation" ? `attestation ${proof.predicateType}` : "signature"),
      (error: { code: string }) => error.code,
    ),
  );
  return [...(await Promise.all(proved)), ...findings.map(({ code }) => code)];
}

describe.each(carriers)("an envelope %s", (_where, format, placesOf) => {
  const outcome = async (envelope: object, label: Annotations = {}) =>
    (await outcomes(format, placesOf(envelope, label)))[0];

  it("counts as what was signed, whatever its label says", async () => {
    const label = (type: string) => ({ predicateType: type, "dev.sigstore.bundle.predicateType": type });
    const envelope = await envelopeOf(statement);
    for (const type of [predicateType, "https://example.com/other/v1", "https://sigstore.dev/cosign/sign/v1", ""])
      expect(await outcome(envelope, label(type))).toBe(`attestation ${predicateType}`);
    const signature = await envelopeOf({ ...statement, predicateType: "https://sigstore.dev/cosign/sign/v1" });
    expect(await outcome(signature, label(predicateType))).toBe("signature");
  });

  it.each<[string, object, string]>([
    ["another image", { ...statement, subject: [{ digest: { sha256: "0".repeat(64) } }] }, "SUBJECT_MISMATCH"],
    ["no image", { ...statement, subject: [] }, "SIGNATURE_MALFORMED"],
    [
      "another kind of digest",
      { ...statement, subject: [{ digest: { sha512: subject.slice(7) } }] },
      "SUBJECT_MISMATCH",
    ],
    ["an unknown kind of statement", { ...statement, _type: "https://in-toto.io/Statement/v9" }, "SIGNATURE_MALFORMED"],
    ["no predicate type", { ...statement, predicateType: undefined }, "SIGNATURE_MALFORMED"],
    ["a list as predicate type", { ...statement, predicateType: [predicateType] }, "SIGNATURE_MALFORMED"],
    [
      "this image among others",
      { ...statement, subject: [{ digest: { sha256: "1" } }, ...statement.subject] },
      `attestation ${predicateType}`,
    ],
  ])("about %s", async (_name, document, expected) => {
    expect(await outcome(await envelopeOf(document))).toBe(expected);
  });

  it.each([
    ["a key twice", JSON.stringify(statement).replace('"predicateType":', '"predicateType":"x","predicateType":')],
    ["a key twice deep in the predicate", JSON.stringify(statement).replace('"ok":true', '"a":{"b":1,"\\u0062":2}')],
    [
      "a predicate nested too deeply",
      JSON.stringify(statement).replace("true", `${"[".repeat(200)}${"]".repeat(200)}`),
    ],
    ["a predicate that is cut", JSON.stringify(statement).replace("true}", "tru}")],
    ["__proto__ in the predicate", JSON.stringify(statement).replace('"ok"', '"__proto__"')],
    ["two documents", `${JSON.stringify(statement)}${JSON.stringify(statement)}`],
  ])("whose statement has %s is refused, although the right key signed it", async (_name, text) => {
    expect(await outcome(await envelopeOf(text))).toBe("SIGNATURE_MALFORMED");
  });

  it("with two signatures is refused, whoever made them", async () => {
    const payload = Buffer.from(JSON.stringify(statement));
    const own = { keyid: "", sig: await sign(payload) };
    const foreign = { keyid: "", sig: await sign(payload, stranger) };
    for (const signatures of [[own, foreign], [foreign, own], [own, own], []])
      expect(await outcome(await envelopeOf(statement, { signatures }))).toBe("SIGNATURE_MALFORMED");
    expect(await outcome(await envelopeOf(statement, { signatures: [foreign] }))).toBe("SIGNER_NOT_TRUSTED");
  });

  it("of another type, or over bytes of another type, is refused", async () => {
    expect(await outcome(await envelopeOf(statement, { payloadType: "text/plain" }))).toBe("SIGNER_NOT_TRUSTED");
    const payload = Buffer.from(JSON.stringify(statement));
    const sig = Buffer.from(await signer.sign(payload)).toString("base64");
    expect(await outcome(await envelopeOf(statement, { signatures: [{ sig }] }))).toBe("SIGNER_NOT_TRUSTED");
  });
});

describe("things in the wrong place", () => {
  it("an envelope under the tag of signatures is no signature", async () => {
    const sign1 = await envelopeOf({ ...statement, predicateType: "https://sigstore.dev/cosign/sign/v1" });
    for (const envelope of [await envelopeOf(statement), sign1])
      expect(await outcomes(cosign, placesUnder(signatureTag(subject), [envelope], {}))).toEqual([
        "SIGNATURE_MALFORMED",
      ]);
  });

  it("a signature under the tag of attestations is no attestation", async () => {
    const made = await cosign.sign({
      image: { registry: "r", repository: "a" },
      subject: { mediaType: "x", digest: subject, size: 5 },
      signer,
      annotations: {},
      now: 0,
    });
    const content = JSON.parse(Buffer.from(made.bundle.content).toString()) as object;
    const places = placesUnder(attestationTag(subject), [content], made.bundle.annotations);
    expect(await outcomes(cosign, places)).toEqual(["SIGNATURE_MALFORMED"]);
  });

  it("attestations are not asked for where only signatures are wanted", async () => {
    const places = placesUnder(attestationTag(subject), [await envelopeOf(statement)], {});
    const asked: string[] = [];
    const watched = {
      ...places,
      async taggedManifest(tag: string) {
        asked.push(tag);
        return places.taggedManifest(tag);
      },
    };
    expect((await cosign.find(watched, subject)).bundles).toEqual([]);
    expect(asked).toEqual([signatureTag(subject)]);
  });

  it("an index that lists itself, and manifests that are none, hide nothing and end", async () => {
    const good = referring([await envelopeOf(statement)], {});
    const listing = await good.referrers(subject);
    const self = digestOf(Buffer.from("index"));
    const index = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: mediaTypes.imageIndex,
        manifests: [{ mediaType: mediaTypes.imageIndex, digest: self, size: 1 }],
      }),
    );
    const places = {
      ...good,
      referrers: async () => ({
        descriptors: [{ mediaType: mediaTypes.imageIndex, digest: self, size: 1 }, ...listing.descriptors],
        complete: true,
      }),
      manifest: async (descriptor: (typeof listing.descriptors)[number]) =>
        descriptor.digest === self ? { bytes: index, descriptor } : good.manifest(descriptor),
    };
    for (const format of [sigstoreBundle, cosign]) {
      const expected = format === sigstoreBundle ? [`attestation ${predicateType}`] : [];
      expect(await outcomes(format, places)).toEqual(expected);
    }
  });

  it("of ten thousand referrers as many are read as one place may have, and it is said", async () => {
    const good = referring([await envelopeOf(statement)], {});
    const [descriptor] = (await good.referrers(subject)).descriptors;
    if (descriptor === undefined) throw new Error("no referrer");
    let read = 0;
    const places = {
      ...good,
      referrers: async () => ({ descriptors: Array.from({ length: 10_000 }, () => descriptor), complete: true }),
      async manifest(asked: typeof descriptor) {
        read++;
        return good.manifest(asked);
      },
    };
    const found = await sigstoreBundle.find(places, subject, search);
    expect([found.complete, read]).toEqual([false, places.maxSignatures]);
  });
});

describe("what cosign 2.5.0 wrote under the .att tag", () => {
  it("is proved by its key, each by itself, and never counts under the tag of signatures", async () => {
    const fixtures = join(import.meta.dirname, "../fixtures");
    const { places, subject: about } = recordedPlaces(join(fixtures, "cosign2/attest"));
    const { bundles } = await cosign.find(places, about, { attestations: true });
    const keys = [parsePublicKey(readFileSync(join(fixtures, "cosign-keys/cosign.pub"), "utf8"))];
    const results = await Promise.all(
      bundles.map((bundle) =>
        cosign.verify(bundle, about, { revision: "1", keys }).then(
          (proof) => (proof.kind === "attestation" ? proof.predicateType : proof.kind),
          (error: { code: string }) => error.code,
        ),
      ),
    );
    expect(results.sort()).toEqual([
      ...["SIGNATURE_MALFORMED", "SIGNATURE_MALFORMED", "SIGNATURE_MALFORMED"],
      "https://cosign.sigstore.dev/attestation/v1",
      "https://cosign.sigstore.dev/attestation/v1",
      "https://example.com/foo/v1",
    ]);
  });
});
