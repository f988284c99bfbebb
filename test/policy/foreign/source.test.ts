import { afterAll, beforeAll, expect, it } from "vitest";
import { cosign } from "../../../src/formats/cosign.ts";
import { type ImageReference, parseReference } from "../../../src/oci/reference.ts";
import { signImage } from "../../../src/sign.ts";
import { foreignSet, imagePolicy, pem } from "../../support/foreign.ts";
import { newSigner } from "../../support/signers.ts";
import { openStage, type Stage } from "../../support/stage.ts";

const alice = newSigner();
let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());

async function outcomeOf(image: string, source: object): Promise<string> {
  const document = imagePolicy({ authorities: [{ key: { data: pem(alice) }, source: [source] }] });
  const { policies } = await foreignSet(document);
  return (await stage.verifier(policies).verify({ image })).outcome;
}

const sign = (image: ImageReference, signatureRepository?: ImageReference) =>
  signImage(stage.registry, {
    image,
    signer: alice,
    formats: [cosign],
    annotations: {},
    signatureRepository,
    now: stage.clock.now,
  });

it("signatures of a source are found in its repository, and those beside the image still count", async () => {
  const [elsewhere, here] = [await stage.newImage("app/one:1"), await stage.newImage("app/two:1")];
  await sign(elsewhere.ref, parseReference(`${stage.host}/signatures`));
  await sign(here.ref);
  const source = { oci: `${stage.host}/signatures` };
  expect(await outcomeOf(elsewhere.text, source)).toBe("allow");
  expect(await outcomeOf(here.text, source)).toBe("allow");
  expect(await outcomeOf(elsewhere.text, { oci: `${stage.host}/others` })).toBe("deny");
  expect(await outcomeOf(elsewhere.text, {})).toBe("deny");
});

it("tags of signatures in a source may begin with a prefix, and only those with it are read there", async () => {
  const image = await stage.newImage("app/three:1");
  const from = parseReference(`${stage.host}/prefixed`);
  await sign(image.ref, from);
  const source = { oci: `${stage.host}/prefixed`, tagPrefix: "release-" };
  expect(await outcomeOf(image.text, source)).toBe("deny");
  const tag = `${image.digest.replace(":", "-")}.sig`;
  const { bytes, descriptor } = await stage.registry.fetchManifest(from, tag);
  await stage.registry.pushManifest(from, { bytes, mediaType: descriptor.mediaType, tag: `release-${tag}` });
  stage.clock.now += 3_600_000;
  expect(await outcomeOf(image.text, source)).toBe("allow");
});
