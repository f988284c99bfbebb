import { describe, expect, test } from "vitest";
import type { Attached } from "../../src/attached/find.ts";
import { countOf, kindOf } from "../../src/attached/kind.ts";
import { digestOf } from "../../src/crypto/digest.ts";
import { TrustError } from "../../src/errors.ts";
import { type Descriptor, mediaTypes, parseManifest } from "../../src/oci/manifest.ts";
import {
  attestationLayer,
  bundleType,
  makeBundle,
  makeTagged,
  manifestOf,
  sbomLayer,
  signatureLayer,
} from "../copy/scene.ts";
import { descriptorOf, type MadeManifest, makeImage, makeIndex, makeReferrer } from "../oci/artifacts.ts";

const { descriptor: image } = makeImage("one");

function kind(made: MadeManifest) {
  const read = async ({ digest }: Descriptor) => {
    const blob = made.blobs.find((bytes) => digestOf(bytes) === digest);
    if (blob === undefined) throw new TrustError("SIGNATURE_MISSING", "gone");
    return blob;
  };
  return kindOf(attached(made), read);
}

function attached({ bytes, descriptor }: MadeManifest): Pick<Attached, "root"> {
  return { root: { bytes, descriptor, manifest: parseManifest(bytes, descriptor.mediaType) } };
}

const layerOf = (mediaType: string, more: Record<string, unknown> = {}) =>
  manifestOf(
    {
      config: descriptorOf(Buffer.from("{}"), mediaTypes.empty),
      layers: [descriptorOf(Buffer.from("x"), mediaType)],
      ...more,
    },
    [Buffer.from("{}"), Buffer.from("x")],
  );

describe("an artifact", () => {
  test.each([
    ["signatures under a tag", makeTagged([signatureLayer("a")]), "signature"],
    ["attestations under a tag", makeTagged([attestationLayer("p")]), "attestation"],
    ["an SBOM under a tag", makeTagged([sbomLayer("s")]), "sbom"],
    ["a bundle that signs", makeBundle(image, "a"), "signature"],
    ["a bundle that attests", makeBundle(image, "a", "https://slsa.dev/provenance/v1"), "attestation"],
    [
      "a Notation signature",
      layerOf("application/jose+json", {
        config: descriptorOf(Buffer.from("{}"), "application/vnd.cncf.notary.signature"),
      }),
      "signature",
    ],
    [
      "a Notation signature by its artifact type",
      layerOf("application/cose", { artifactType: "application/vnd.cncf.notary.signature" }),
      "signature",
    ],
    ["a signed envelope", layerOf("application/vnd.dsse.envelope.v1+json"), "attestation"],
    ["a bare statement", layerOf("application/vnd.in-toto+json"), "attestation"],
    ["an SBOM as a referrer", makeReferrer(image, "s", "application/spdx+json"), "sbom"],
    ["another SBOM", layerOf("application/vnd.cyclonedx+json"), "sbom"],
    ["a scan report", makeReferrer(image, "r", "application/vnd.example.scan"), "other"],
    ["an image", makeImage("two"), "other"],
    ["an index", makeIndex([image]), "other"],
  ])("is told by its content: %s", async (_what, made, expected) => {
    expect(await kind(made)).toBe(expected);
  });

  test("is not told by annotations, which may lie", async () => {
    const made = makeBundle(image, "a", "https://slsa.dev/provenance/v1");
    const lying = {
      ...JSON.parse(made.bytes.toString()),
      annotations: { "dev.sigstore.bundle.predicateType": "https://sigstore.dev/cosign/sign/v1" },
    };
    expect(await kind(manifestOf(lying, made.blobs))).toBe("attestation");
  });

  test("whose bundle cannot be read as one is taken for a signature, so that nobody overlooks it", async () => {
    const garbage = Buffer.from("garbage");
    const layers = [descriptorOf(garbage, bundleType)];
    const made = manifestOf({ config: descriptorOf(Buffer.from("{}"), mediaTypes.empty), layers }, [garbage]);
    expect(await kind(made)).toBe("signature");
  });

  test("of megabytes is an attestation, and not read for that", async () => {
    const layers = [{ mediaType: bundleType, digest: digestOf(Buffer.from("big")), size: 2 * 1024 * 1024 }];
    const made = manifestOf({ config: descriptorOf(Buffer.from("{}"), mediaTypes.empty), layers }, []);
    expect(await kind(made)).toBe("attestation");
  });

  test("whose content is gone is not told", async () => {
    await expect(kind({ ...makeBundle(image, "a"), blobs: [] })).rejects.toMatchObject({ code: "SIGNATURE_MISSING" });
  });

  test("counts as many as it has layers under a tag, and as one else", () => {
    const two = makeTagged([signatureLayer("a"), signatureLayer("b")]);
    expect(countOf({ ...attached(two), tag: "sha256-x.sig" })).toBe(2);
    expect(countOf(attached(two))).toBe(1);
  });
});
