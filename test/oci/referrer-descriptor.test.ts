import { describe, expect, test } from "vitest";
import { mediaTypes } from "../../src/oci/manifest.ts";
import { parseReferrers, referrerDescriptor } from "../../src/oci/referrer-descriptor.ts";
import { makeImage, makeReferrer } from "./artifacts.ts";

const image = makeImage("one");

describe("the descriptor of a referrer", () => {
  test("has the artifact type and the annotations of its manifest", () => {
    const referrer = makeReferrer(image.descriptor, "a");
    expect(referrerDescriptor(referrer.bytes, referrer.mediaType)).toEqual({
      ...referrer.descriptor,
      artifactType: "application/vnd.test.signature",
      annotations: { text: "a" },
    });
  });

  test("has the config's media type where the manifest has no artifact type", () => {
    expect(referrerDescriptor(image.bytes, image.mediaType)).toEqual({
      ...image.descriptor,
      artifactType: mediaTypes.imageConfig,
    });
  });
});

test("what is no descriptor hides none of the others", () => {
  const good = image.descriptor;
  const list = [null, "x", [], { ...good, digest: 5 }, good, { ...good, size: "1" }, { ...good, mediaType: undefined }];
  expect(parseReferrers(list)).toEqual([good]);
});
