import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { digestOf } from "../src/crypto/digest.ts";
import { cosign } from "../src/formats/cosign.ts";
import { formats } from "../src/formats/index.ts";
import { sigstoreBundle } from "../src/formats/sigstore-bundle.ts";
import { openPlaces } from "../src/oci/places.ts";
import { referrersTag } from "../src/oci/reference.ts";
import { signImage } from "../src/sign.ts";
import { newSigner } from "./support/signers.ts";
import { openStage, type Stage } from "./support/stage.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());

const signer = newSigner();

describe("signing", () => {
  it("signs the digest the tag stands for, and says which", async () => {
    const image = await stage.newImage("one:1");
    const signed = await signImage(stage.registry, { image: image.ref, signer, formats, now: stage.clock.now });
    expect(signed).toMatchObject({
      image: image.text,
      digest: image.digest,
      keyId: signer.publicKey.keyId,
      dryRun: false,
    });
    expect(signed.signatures.map(({ format }) => format)).toEqual(["bundle", "cosign"]);
    const places = openPlaces(stage.registry, image.ref);
    for (const format of formats) expect((await format.find(places, image.digest)).bundles).toHaveLength(1);
  });

  it("refuses another digest than the one expected, and pushes nothing", async () => {
    const image = await stage.newImage("two:1");
    stage.requests.length = 0;
    const expectDigest = digestOf(Buffer.from("something else"));
    await expect(
      signImage(stage.registry, { image: image.ref, signer, formats, expectDigest, now: 0 }),
    ).rejects.toMatchObject({
      code: "DIGEST_MISMATCH",
      expected: expectDigest,
      found: image.digest,
    });
    expect(stage.requests.filter((line) => !line.startsWith("HEAD"))).toEqual([]);
  });

  it("pushes nothing on a dry run, but proves what it would", async () => {
    const image = await stage.newImage("three:1");
    stage.requests.length = 0;
    const signed = await signImage(stage.registry, { image: image.ref, signer, formats, dryRun: true, now: 0 });
    expect(signed).toMatchObject({ digest: image.digest, dryRun: true });
    expect(stage.requests.filter((line) => !line.startsWith("HEAD"))).toEqual([]);
  });

  it("pushes nothing when the signer's signature does not prove", async () => {
    const image = await stage.newImage("four:1");
    stage.requests.length = 0;
    const broken = { publicKey: signer.publicKey, sign: async () => new Uint8Array(70) };
    for (const format of formats) {
      await expect(
        signImage(stage.registry, { image: image.ref, signer: broken, formats: [format], now: 0 }),
      ).rejects.toMatchObject({ category: "untrusted" });
    }
    expect(stage.requests.filter((line) => /^(?:PUT|POST|PATCH)/.test(line))).toEqual([]);
  });

  it("keeps the signatures that are there", async () => {
    const image = await stage.newImage("five:1");
    for (let i = 0; i < 3; i++)
      await signImage(stage.registry, { image: image.ref, signer: newSigner(), formats, now: i });
    const places = openPlaces(stage.registry, image.ref);
    for (const format of formats) expect((await format.find(places, image.digest)).bundles).toHaveLength(3);
  });

  it("tells a missing image", async () => {
    const { ref } = await stage.newImage("six:1");
    await expect(
      signImage(stage.registry, { image: { ...ref, tag: "none" }, signer, formats, now: 0 }),
    ).rejects.toMatchObject({ code: "IMAGE_NOT_FOUND" });
  });

  it("never overwrites an image that stands where signatures would", async () => {
    const image = await stage.newImage("seven:1");
    const squatter = await stage.newImage(`seven:sha256-${image.digest.slice(7)}.sig`, "squatter");
    await expect(
      signImage(stage.registry, { image: image.ref, signer, formats: [cosign], now: 0 }),
    ).rejects.toMatchObject({ category: "config" });
    expect((await stage.registry.resolve(squatter.ref)).digest).toBe(squatter.digest);
  });

  it("with the referrers API leaves the fallback tag alone", async () => {
    const image = await stage.newImage("eight:1");
    const other = await stage.newImage(`eight:${referrersTag(image.digest)}`, "other");
    await signImage(stage.registry, { image: image.ref, signer, formats: [sigstoreBundle], now: 0 });
    expect((await stage.registry.resolve(other.ref)).digest).toBe(other.digest);
  });
});
