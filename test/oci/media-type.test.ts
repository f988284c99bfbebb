import { describe, expect, test } from "vitest";
import { mediaTypes } from "../../src/oci/manifest.ts";
import { bareMediaType, manifestMediaType } from "../../src/oci/media-type.ts";

const bytes = (value: unknown) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value));
const config = { mediaType: "x", digest: "y", size: 1 };

describe("the media type of a manifest", () => {
  test("is what the registry says, without parameters", () => {
    expect(manifestMediaType(bytes("{}"), `${mediaTypes.imageIndex}; charset=utf-8`)).toBe(mediaTypes.imageIndex);
    expect(bareMediaType(" Text/HTML ; charset=x")).toBe("text/html");
    expect(bareMediaType(undefined)).toBe("");
  });

  test.each<[unknown, string]>([
    [{ mediaType: mediaTypes.dockerManifest }, mediaTypes.dockerManifest],
    [{ manifests: [] }, mediaTypes.imageIndex],
    [{ layers: [], config }, mediaTypes.imageManifest],
  ])("of %j is what the document says itself, when the registry does not", (document, mediaType) => {
    for (const said of [undefined, "", "application/json", "application/octet-stream", "text/plain"])
      expect(manifestMediaType(bytes(document), said)).toBe(mediaType);
  });

  test.each([
    ["{"],
    ["null"],
    ["[]"],
    [{}],
    [{ mediaType: "a/b", layers: [], config }],
    [{ manifests: [], layers: [] }],
  ])("of %j is none", (document) => {
    expect(() => manifestMediaType(bytes(document), "application/json")).toThrow(
      expect.objectContaining({ code: "MANIFEST_INVALID" }),
    );
  });
});
