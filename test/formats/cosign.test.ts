import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { digestOf } from "../../src/crypto/digest.ts";
import { parsePublicKey } from "../../src/crypto/public-key.ts";
import { cosign, signatureTag } from "../../src/formats/cosign.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { memoryPlaces, recordedPlaces } from "../support/places.ts";
import { newSigner, trusting } from "../support/signers.ts";

const fixtures = join(import.meta.dirname, "../fixtures");
const key = (name: string) => parsePublicKey(readFileSync(join(fixtures, `cosign-keys/${name}.pub`), "utf8"));

async function outcomes(folder: string, ...names: string[]): Promise<string[]> {
  const { places, subject } = recordedPlaces(join(fixtures, folder));
  const { bundles } = await cosign.find(places, subject);
  const trust = { revision: names.join(), keys: names.map(key) };
  return Promise.all(
    bundles.map((bundle) =>
      cosign.verify(bundle, subject, trust).then(
        (proof) =>
          proof.kind === "signature"
            ? `ok ${proof.dockerReference} ${JSON.stringify(proof.annotations)}`
            : "attestation",
        (error: { code: string }) => error.code,
      ),
    ),
  );
}

describe("what cosign 2.5.0 wrote", () => {
  it("judges each of three signatures by itself", async () => {
    const [first, second, third] = await outcomes("cosign2/sign-multi", "cosign");
    expect(first).toMatch(/^ok 127\.0\.0\.1:\d+\/app \{\}$/);
    expect(second).toBe("SIGNER_NOT_TRUSTED");
    expect(third).toBe("ok registry.example.com/prod/app:1.0 {}");
  });
  it("reads the annotations that were signed", async () => {
    const [, second] = await outcomes("cosign2/sign-multi", "nopass");
    expect(second).toMatch(/^ok 127\.0\.0\.1:\d+\/app \{"build":"42","env":"prod","foo":"bar"\}$/);
  });
  it.each(["ec", "rsa"])("verifies a signature by an imported %s key", async (kind) => {
    expect(await outcomes(`cosign2/keytype-${kind}`, `imported-${kind}`)).toMatchObject([
      expect.stringMatching(/^ok /),
    ]);
    expect(await outcomes(`cosign2/keytype-${kind}`, "cosign")).toEqual(["SIGNER_NOT_TRUSTED"]);
  });
  it("does not take attestation envelopes under the signature tag for signatures", async () => {
    expect(await outcomes("cosign2/attest", "cosign")).toEqual([
      "SIGNATURE_MALFORMED",
      "SIGNATURE_MALFORMED",
      "SIGNATURE_MALFORMED",
    ]);
  });
});

const subject = digestOf(Buffer.from("image"));
const signer = newSigner();
const good = {
  critical: {
    identity: { "docker-reference": "registry.example.com/app" },
    image: { "docker-manifest-digest": subject },
    type: "cosign container image signature",
  },
  optional: null,
};

async function outcomeOf(payload: unknown, annotation?: string): Promise<string> {
  const content = Buffer.from(typeof payload === "string" ? payload : JSON.stringify(payload));
  const signature = annotation ?? Buffer.from(await signer.sign(content)).toString("base64");
  const evidence = digestOf(content);
  const bundle = {
    format: "cosign",
    evidence,
    claimId: evidence,
    content,
    annotations: { "dev.cosignproject.cosign/signature": signature },
  };
  return cosign.verify(bundle, subject, trusting(signer)).then(
    () => "ok",
    (error: { code: string }) => error.code,
  );
}

describe("payloads that the right key signed", () => {
  it.each<[string, unknown, string]>([
    ["the plain one", good, "ok"],
    ["numbers in optional, as skopeo writes them", { ...good, optional: { creator: "x", timestamp: 1 } }, "ok"],
    [
      "another image",
      {
        critical: { ...good.critical, image: { "docker-manifest-digest": digestOf(Buffer.from("x")) } },
        optional: null,
      },
      "SUBJECT_MISMATCH",
    ],
    [
      "another type",
      { critical: { ...good.critical, type: "atomic container signature" }, optional: null },
      "SIGNATURE_MALFORMED",
    ],
    [
      "a type that cannot even be shown",
      { critical: { ...good.critical, type: { toString: 1 } }, optional: null },
      "SIGNATURE_MALFORMED",
    ],
    ["no digest", { critical: { ...good.critical, image: {} }, optional: null }, "SIGNATURE_MALFORMED"],
    [
      "a digest that is no text",
      { critical: { ...good.critical, image: { "docker-manifest-digest": [subject] } }, optional: null },
      "SIGNATURE_MALFORMED",
    ],
    ["no critical part", { optional: null }, "SIGNATURE_MALFORMED"],
    ["a duplicate key", JSON.stringify(good).replace('"type":', '"type":"x","type":'), "SIGNATURE_MALFORMED"],
  ])("%s", async (_name, payload, expected) => {
    expect(await outcomeOf(payload)).toBe(expected);
  });

  it.each(["", " ", "AAAA", "not base64", "MEUCIQ"])("refuses the signature text %j", async (annotation) => {
    expect(await outcomeOf(good, annotation)).toMatch(/^SIGNATURE_MALFORMED|^SIGNER_NOT_TRUSTED/);
  });
});

describe("what is written", () => {
  it("is the payload of cosign, byte for byte", async () => {
    const image = parseReference("nginx");
    const { bundle } = await cosign.sign({
      image,
      subject: { mediaType: "x", digest: subject, size: 1 },
      signer,
      annotations: { b: "2", a: "1" },
      now: 0,
    });
    expect(Buffer.from(bundle.content).toString()).toBe(
      `{"critical":{"identity":{"docker-reference":"index.docker.io/library/nginx"},"image":{"docker-manifest-digest":"${subject}"},"type":"cosign container image signature"},"optional":{"a":"1","b":"2"}}`,
    );
  });
});

describe("the signature tag", () => {
  it("that holds an index is told, not read", async () => {
    const index = Buffer.from(
      JSON.stringify({ schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests: [] }),
    );
    expect(await cosign.find(memoryPlaces({ tags: { [signatureTag(subject)]: index } }), subject)).toMatchObject({
      bundles: [],
      findings: [{ code: "SIGNATURE_MALFORMED" }],
      complete: false,
    });
  });
  it("with an annotation of megabytes gives a finding", async () => {
    const layer = {
      mediaType: "x",
      digest: subject,
      size: 5,
      annotations: { "dev.cosignproject.cosign/signature": "A".repeat(1_000_000) },
    };
    const manifest = {
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      config: { mediaType: "x", digest: subject, size: 5 },
      layers: [layer],
    };
    const places = memoryPlaces({
      tags: { [signatureTag(subject)]: Buffer.from(JSON.stringify(manifest)) },
      blobs: [Buffer.from("image")],
    });
    expect(await cosign.find(places, subject)).toMatchObject({
      bundles: [],
      findings: [{ code: "SIGNATURE_MALFORMED" }],
    });
  });
});
