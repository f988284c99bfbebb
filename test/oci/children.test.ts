import { describe, expect, it } from "vitest";
import { digestOf } from "../../src/crypto/digest.ts";
import { TrustError } from "../../src/errors.ts";
import { type Child, chooseChild, formatPlatform, listChildren, parsePlatform } from "../../src/oci/children.ts";
import { type Descriptor, mediaTypes } from "../../src/oci/manifest.ts";

const name = { registry: "r.example.com", repository: "app" };
const known = new Map<string, { bytes: Buffer; descriptor: Descriptor }>();

function add(document: object, mediaType: string): Descriptor {
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...document }));
  const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length };
  known.set(descriptor.digest, { bytes, descriptor });
  return descriptor;
}
const image = (seed: string) =>
  add(
    { config: { mediaType: "x", digest: digestOf(Buffer.from(seed)), size: 1 }, layers: [] },
    mediaTypes.imageManifest,
  );
const index = (...manifests: readonly object[]) => add({ manifests }, mediaTypes.imageIndex);
const on = (os: string, architecture: string, variant?: string) => ({
  platform: { os, architecture, ...(variant && { variant }) },
});
const list = ({ digest }: Descriptor) =>
  listChildren(
    {
      async fetchManifest(_name, reference) {
        const found = known.get(reference);
        if (found === undefined) throw new TrustError("IMAGE_NOT_FOUND", reference);
        return found;
      },
    },
    name,
    digest,
  );

describe("what is below an index", () => {
  it("is nothing for an image", async () => {
    expect(await list(image("a"))).toBeUndefined();
    expect(await list(index())).toEqual([]);
  });
  it("is each entry once, nested ones too, with its platform", async () => {
    const [a, b] = [image("a"), image("b")];
    const nested = index({ ...b, ...on("linux", "arm64", "v8") }, { ...a, ...on("linux", "amd64") });
    const children = await list(index({ ...a, ...on("linux", "amd64") }, nested));
    expect(children?.map(({ descriptor, kind, platform }) => [descriptor.digest, kind, platform])).toEqual([
      [a.digest, "manifest", "linux/amd64"],
      [nested.digest, "index", ""],
      [b.digest, "manifest", "linux/arm64/v8"],
    ]);
  });
  it("is never run where it is for no platform at all, and may be where it does not say", async () => {
    const marked = { annotations: { "vnd.docker.reference.type": "attestation-manifest" } };
    const children = await list(
      index(
        { ...image("a"), ...on("unknown", "unknown") },
        { ...image("b"), ...on("linux", "amd64"), ...marked },
        { ...image("c"), ...on("unknown", "amd64") },
        image("d"),
        { ...index(image("e")), ...on("unknown", "unknown") },
      ),
    );
    expect(children?.map(({ isRunnable }) => isRunnable)).toEqual([false, true, true, true, true, true]);
  });
  it("ends at two hundred entries and four levels", async () => {
    const many = Array.from({ length: 201 }, (_, i) => image(`many ${i}`));
    expect(await list(index(...many.slice(1)))).toHaveLength(200);
    await expect(list(index(...many))).rejects.toMatchObject({ code: "EVIDENCE_INCOMPLETE" });
    let deep = index(image("deep"));
    for (let i = 0; i < 3; i++) deep = index(deep);
    expect(await list(deep)).toHaveLength(4);
    await expect(list(index(deep))).rejects.toMatchObject({ code: "EVIDENCE_INCOMPLETE" });
  });
});

describe("a platform", () => {
  it.each(["linux/amd64", "linux/arm/v7"])("%s is read", (text) => {
    expect(formatPlatform(parsePlatform(text))).toBe(text);
  });
  it.each(["", "linux", "linux/", "/amd64", "linux/arm/", "linux/arm/v7/x"])("%j is none", (text) => {
    expect(() => parsePlatform(text)).toThrow(TrustError);
  });
  it("is chosen by its parts, without a variant the first", async () => {
    const [v7, v8] = [image("v7"), image("v8")];
    const nested = { ...index(image("x")), ...on("linux", "arm") };
    const children =
      (await list(index(nested, { ...v7, ...on("linux", "arm", "v7") }, { ...v8, ...on("linux", "arm", "v8") }))) ?? [];
    const chosen = (text: string, of: readonly Child[] = children) =>
      chooseChild(of, parsePlatform(text)).descriptor.digest;
    expect([chosen("linux/arm"), chosen("linux/arm/v8")]).toEqual([v7.digest, v8.digest]);
    expect(() => chosen("linux/amd64")).toThrow(expect.objectContaining({ code: "PLATFORM_NOT_FOUND" }));
    expect(() => chosen("linux/amd64", [])).toThrow(TrustError);
  });
});
