import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { digestOf } from "../../src/crypto/digest.ts";
import { TrustError } from "../../src/errors.ts";
import {
  emptyDescriptor,
  emptyJson,
  isIndexMediaType,
  manifestMediaTypes,
  mediaTypes,
  parseDescriptor,
  parseManifest,
} from "../../src/oci/manifest.ts";
import { makeImage, makeIndex, makeReferrer } from "./artifacts.ts";

const image = makeImage("one");
const parse = (document: unknown, mediaType: string = mediaTypes.imageManifest) =>
  parseManifest(Buffer.from(typeof document === "string" ? document : JSON.stringify(document)), mediaType);
const invalid = expect.objectContaining({ code: "MANIFEST_INVALID", category: "untrusted" });

const descriptor = { mediaType: "a/b", digest: digestOf(Buffer.from("x")), size: 1 };
const base = { schemaVersion: 2, config: descriptor, layers: [] };

describe("a manifest", () => {
  test("of an image has its config and layers", () => {
    const parsed = parseManifest(image.bytes, image.mediaType);
    expect(parsed).toMatchObject({ kind: "manifest", mediaType: mediaTypes.imageManifest, annotations: {} });
    if (parsed.kind !== "manifest") throw new Error("not a manifest");
    expect(parsed.layers.map(({ digest }) => digest)).toEqual([digestOf(image.blobs[1] ?? Buffer.of())]);
    expect(parsed.config.digest).toBe(digestOf(image.blobs[0] ?? Buffer.of()));
  });

  test("of a referrer has subject, artifact type and annotations", () => {
    const referrer = makeReferrer(image.descriptor, "a");
    expect(parseManifest(referrer.bytes, referrer.mediaType)).toMatchObject({
      artifactType: "application/vnd.test.signature",
      subject: image.descriptor,
      annotations: { text: "a" },
    });
  });

  test("of an index has its manifests with their platforms", () => {
    const platform = { os: "linux", architecture: "arm64", variant: "v8" };
    const index = makeIndex([{ ...image.descriptor, platform }]);
    expect(parseManifest(index.bytes, index.mediaType)).toMatchObject({
      kind: "index",
      manifests: [{ ...image.descriptor, platform }],
    });
    expect(parse({ schemaVersion: 2 }, mediaTypes.imageIndex)).toMatchObject({ manifests: [] });
  });

  test("of Docker is read like the others", () => {
    expect(parse(base, mediaTypes.dockerManifest).kind).toBe("manifest");
    expect(parse({ schemaVersion: 2, manifests: [descriptor] }, mediaTypes.dockerList).kind).toBe("index");
    expect(manifestMediaTypes.filter(isIndexMediaType)).toEqual([mediaTypes.imageIndex, mediaTypes.dockerList]);
  });

  test.each<[string, unknown, string?]>([
    ["two media types", { ...base, mediaType: mediaTypes.imageIndex }],
    ["a media type that is none of a manifest", base, "application/json"],
    ["layers and manifests", { ...base, manifests: [] }],
    ["manifests and layers", { schemaVersion: 2, manifests: [], layers: [] }, mediaTypes.imageIndex],
    ["manifests and a config", { schemaVersion: 2, manifests: [], config: descriptor }, mediaTypes.imageIndex],
    ["no schemaVersion", { ...base, schemaVersion: undefined }],
    ["schemaVersion 1", { ...base, schemaVersion: 1 }],
    ["no config", { ...base, config: undefined }],
    ["no layers", { ...base, layers: undefined }],
    ["layers that are no list", { ...base, layers: {} }],
    ["a layer that is null", { ...base, layers: [null] }],
    ["a subject that is none", { ...base, subject: "sha256" }],
    ["no JSON", "{"],
    ["a list", "[]"],
    ["null", "null"],
    ["nothing", ""],
  ])("with %s is refused", (_what, document, mediaType) => {
    expect(() => parse(document, mediaType)).toThrow(invalid);
  });

  test("that is not UTF-8 is refused", () => {
    expect(() => parseManifest(Buffer.from([0x7b, 0xff, 0x7d]), mediaTypes.imageManifest)).toThrow(invalid);
  });
});

describe("a descriptor", () => {
  test.each<[string, unknown]>([
    ["no digest", { ...descriptor, digest: undefined }],
    ["a digest of another kind", { ...descriptor, digest: "md5:abc" }],
    ["a path for a digest", { ...descriptor, digest: "sha256:../../etc/passwd" }],
    ["a digest in capitals", { ...descriptor, digest: descriptor.digest.toUpperCase() }],
    ["no size", { ...descriptor, size: undefined }],
    ["a negative size", { ...descriptor, size: -1 }],
    ["half a byte", { ...descriptor, size: 0.5 }],
    ["a size beyond all numbers", { ...descriptor, size: 1e300 }],
    ["a size in words", { ...descriptor, size: "1" }],
    ["no media type", { ...descriptor, mediaType: 5 }],
    ["nothing", null],
  ])("with %s is refused", (_what, value) => {
    expect(() => parseDescriptor(value, "it")).toThrow(invalid);
  });

  test("keeps of annotations what the specification allows", () => {
    const annotations = { a: "b", n: 5, o: {}, __proto__: null };
    expect(parseDescriptor({ ...descriptor, annotations }, "it").annotations).toEqual({ a: "b" });
  });

  test("of the empty content is right", () => {
    expect(emptyDescriptor).toEqual({
      mediaType: mediaTypes.empty,
      digest: digestOf(emptyJson),
      size: emptyJson.length,
    });
  });
});

test("no bytes make the parser throw anything but what it says", () => {
  const json = fc.json().map((text) => Buffer.from(text));
  const almost = fc
    .record({ schemaVersion: fc.constant(2), config: fc.anything(), layers: fc.anything(), subject: fc.anything() })
    .map((value) =>
      Buffer.from(JSON.stringify(value, (_key, item) => (typeof item === "bigint" ? Number(item) : item)) ?? ""),
    );
  fc.assert(
    fc.property(fc.oneof(json, almost, fc.uint8Array()), fc.constantFrom(...manifestMediaTypes), (bytes, mediaType) => {
      try {
        parseManifest(bytes, mediaType);
      } catch (error) {
        expect(error).toBeInstanceOf(TrustError);
        expect(error).toMatchObject({ code: "MANIFEST_INVALID" });
      }
    }),
    { numRuns: 1_000 },
  );
});
