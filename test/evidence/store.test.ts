import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { digestOf } from "../../src/crypto/digest.ts";
import { TrustError } from "../../src/errors.ts";
import { createEvidenceStore } from "../../src/evidence/store.ts";
import { formats } from "../../src/formats/index.ts";
import { sigstoreBundle } from "../../src/formats/sigstore-bundle.ts";
import { bundleMediaType } from "../../src/formats/sigstore-bundle-parse.ts";
import { emptyDescriptor, emptyJson, mediaTypes } from "../../src/oci/manifest.ts";
import type { ImageReference } from "../../src/oci/reference.ts";
import { attachReferrer } from "../../src/oci/referrers.ts";
import { blobOf, type Registry } from "../../src/oci/registry.ts";
import { defaultSettings } from "../../src/policy/settings.ts";
import { signImage } from "../../src/sign.ts";
import { newSigner } from "../support/signers.ts";
import { openStage, type Stage } from "../support/stage.ts";

let stage: Stage;
const alice = newSigner();
const trust = { revision: "alice", keys: [alice.publicKey] };
let serial = 0;

beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());

const freshImage = () => stage.newImage(`store${serial++}:1`);
const sign = (image: ImageReference) =>
  signImage(stage.registry, { image, signer: alice, formats: [sigstoreBundle], now: 0 });

/** The stage's registry, of which the referrers API can be made to fail. */
function halfBroken() {
  const broken = { referrers: false };
  const registry: Registry = {
    ...stage.registry,
    async listReferrers(...asked) {
      if (broken.referrers) throw new TrustError("REGISTRY_ERROR", "503");
      return stage.registry.listReferrers(...asked);
    },
  };
  return { registry, broken };
}

const storeOf = (registry: Registry) =>
  createEvidenceStore({ registry, settings: defaultSettings, formats, now: () => stage.clock.now });

describe("where one place of several is out of reach", () => {
  it("what it had still counts, says so, and stops to count after the time for old listings", async () => {
    const image = await freshImage();
    await sign(image.ref);
    const { registry, broken } = halfBroken();
    const store = storeOf(registry);
    const collect = () => store.collect(image.ref, image.digest, trust, defaultSettings.evidenceTtl);
    const listedAt = stage.clock.now;
    expect((await collect()).keptFrom).toBeUndefined();
    broken.referrers = true;
    stage.clock.now += 3600_000;
    expect(await collect()).toMatchObject({ proofs: [{}], complete: false, keptFrom: listedAt });
    stage.clock.now += 22 * 3600_000;
    expect(await collect()).toMatchObject({ proofs: [{}], keptFrom: listedAt });
    stage.clock.now += 2 * 3600_000;
    expect(await collect()).toMatchObject({ proofs: [], findings: [{ code: "REGISTRY_ERROR" }] });
    broken.referrers = false;
    expect(await collect()).toMatchObject({ proofs: [{}], complete: true, findings: [] });
  });
});

describe("more than may be read", () => {
  async function attachLarge(image: { ref: ImageReference; digest: ReturnType<typeof digestOf> }, seed: number) {
    const blob = Buffer.alloc(4 * 1024 * 1024, seed);
    const layer = { mediaType: bundleMediaType, digest: digestOf(blob), size: blob.length };
    const { descriptor } = await stage.registry.fetchManifest(image.ref, image.digest);
    const manifest = { schemaVersion: 2, mediaType: mediaTypes.imageManifest, config: emptyDescriptor };
    const bytes = Buffer.from(JSON.stringify({ ...manifest, layers: [layer], subject: descriptor }));
    await stage.registry.pushBlob(image.ref, blobOf(emptyJson, emptyDescriptor.digest));
    await stage.registry.pushBlob(image.ref, blobOf(blob, layer.digest));
    const referrer = { mediaType: mediaTypes.imageManifest, digest: digestOf(bytes), size: bytes.length };
    await attachReferrer(stage.registry, image.ref, { bytes, descriptor: referrer }, image.digest);
    return layer.digest;
  }

  it("is not read, which is told once, and hides no signature", async () => {
    const image = await freshImage();
    const large = await Promise.all(Array.from({ length: 6 }, (_, seed) => attachLarge(image, seed)));
    await sign(image.ref);
    const read: string[] = [];
    const registry: Registry = {
      ...stage.registry,
      fetchBlob(...asked) {
        read.push(asked[1].digest);
        return stage.registry.fetchBlob(...asked);
      },
    };
    const evidence = await storeOf(registry).collect(image.ref, image.digest, trust, 0);
    expect(read.filter((digest) => large.includes(digest as (typeof large)[number])).length).toBeLessThan(4);
    expect(evidence).toMatchObject({ proofs: [{}], complete: false });
    expect(evidence.findings.map(({ code }) => code)).not.toContain("EVIDENCE_INCOMPLETE");
  });
});

describe("a signature that is listed and gone", () => {
  it("is missing, not an image that nobody can find", async () => {
    const image = await freshImage();
    await sign(image.ref);
    const registry: Registry = {
      ...stage.registry,
      async fetchManifest(name, reference, options) {
        if (!reference.startsWith("sha256:")) return stage.registry.fetchManifest(name, reference, options);
        throw new TrustError("IMAGE_NOT_FOUND", "404");
      },
    };
    const evidence = await storeOf(registry).collect(image.ref, image.digest, trust, 0);
    expect(evidence).toMatchObject({ proofs: [], findings: [{ code: "SIGNATURE_MISSING", category: "untrusted" }] });
  });
});
