import { describe, expect, test } from "vitest";
import { digestOf } from "../../src/crypto/digest.ts";
import { createHttpRegistry } from "../../src/oci/http-registry.ts";
import { openPlaces } from "../../src/oci/places.ts";
import { parseReference, parseRepository, referrersTag } from "../../src/oci/reference.ts";
import { descriptorOf, makeImage, makeReferrer, push } from "./artifacts.ts";
import { type MemoryRegistryOptions, serveRegistry } from "./memory-registry.ts";
import { sendError } from "./server.ts";

const registry = createHttpRegistry({ retry: { attempts: 1 } });
const image = makeImage("one");
const subject = image.descriptor.digest;
const sigTag = `${referrersTag(subject)}.sig`;

async function start(options: MemoryRegistryOptions = {}) {
  const running = await serveRegistry({ referrers: true, ...options });
  const name = parseRepository(`${running.host}/app`);
  await push(registry, name, image, "v1");
  return { ...running, name };
}

describe("the places of a verification", () => {
  test("cost one HEAD and one request for each place, however often they are asked", async () => {
    const running = await start();
    const signature = makeReferrer(image.descriptor, "one");
    await push(registry, running.name, signature);
    running.requests.length = 0;
    await registry.resolve(parseReference(`${running.host}/app:v1`));
    const places = openPlaces(registry, running.name);
    const ask = async () => {
      const [{ descriptors }] = await Promise.all([places.referrers(subject), places.taggedManifest(sigTag)]);
      for (const descriptor of descriptors) {
        const { bytes } = await places.manifest(descriptor);
        expect(digestOf(bytes)).toBe(descriptor.digest);
        const blob = signature.blobs[1] ?? Buffer.of();
        expect(await places.blob(descriptorOf(blob, "x"), 1000)).toEqual(blob);
      }
    };
    await Promise.all([ask(), ask(), ask()]);
    await ask();
    expect(
      running.requests
        .map((line) => line.replace(/sha256-[0-9a-f]{64}/, "TAG").replace(/sha256:[0-9a-f]{64}/, "DIGEST"))
        .sort(),
    ).toEqual([
      "GET /v2/app/blobs/DIGEST",
      "GET /v2/app/manifests/DIGEST",
      "GET /v2/app/manifests/TAG",
      "GET /v2/app/manifests/TAG.sig",
      "GET /v2/app/referrers/DIGEST",
      "HEAD /v2/app/manifests/v1",
    ]);
  });

  test("have nothing under a tag that is not there, and fail where the registry does", async () => {
    const running = await start({
      intercept: (_request, response, path) => {
        if (!path.endsWith("broken.sig")) return false;
        sendError(response, 500, "UNKNOWN");
        return true;
      },
    });
    const places = openPlaces(registry, running.name);
    expect(await places.taggedManifest(sigTag)).toBeUndefined();
    for (let i = 0; i < 2; i++)
      await expect(places.taggedManifest("broken.sig")).rejects.toMatchObject({ category: "unavailable" });
    expect(running.requests.filter((line) => line.endsWith("broken.sig"))).toHaveLength(1);
  });

  test("read a manifest by its digest, whatever size a listing claims", async () => {
    const running = await start();
    const places = openPlaces(registry, running.name);
    const found = await places.manifest({ ...image.descriptor, size: 7 });
    expect(found.descriptor).toEqual(image.descriptor);
    await expect(places.manifest({ ...image.descriptor, digest: digestOf(Buffer.from("none")) })).rejects.toMatchObject(
      { code: "IMAGE_NOT_FOUND" },
    );
  });

  test("tell their limits and end with their deadline", async () => {
    const running = await start();
    expect(openPlaces(registry, running.name).maxSignatures).toBe(200);
    const places = openPlaces(registry, running.name, { maxSignatures: 5, signal: AbortSignal.abort() });
    expect(places.maxSignatures).toBe(5);
    await expect(places.referrers(subject)).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
  });

  test("read no blob beyond the limit of its reader", async () => {
    const running = await start();
    const places = openPlaces(registry, running.name);
    const blob = image.blobs[0] ?? Buffer.of();
    await expect(places.blob(descriptorOf(blob, "x"), 5)).rejects.toMatchObject({ code: "CONTENT_TOO_LARGE" });
    expect(await places.blob(descriptorOf(blob, "x"), 5000)).toEqual(blob);
  });
});
