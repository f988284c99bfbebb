import { expect, test } from "vitest";
import { digestOf } from "../../src/crypto/digest.ts";
import { createHttpRegistry } from "../../src/oci/http-registry.ts";
import { pushPatiently } from "../../src/oci/nonsense.ts";
import { parseRepository } from "../../src/oci/reference.ts";
import { blobOf } from "../../src/oci/registry.ts";
import { codeOfRejection } from "../support/errors.ts";
import { makeImage } from "./artifacts.ts";
import { serveRegistry } from "./memory-registry.ts";
import { sendError } from "./server.ts";

const registry = createHttpRegistry({ retry: { attempts: 1 } });
const image = makeImage("one");

/** A registry that refuses so many pushes of manifests with a code. */
async function serveRefusing(times: number, status: number, code: string) {
  const pushes = { count: 0 };
  const running = await serveRegistry({
    intercept(request, response, path) {
      if (request.method !== "PUT" || !path.includes("/manifests/") || ++pushes.count > times) return false;
      sendError(response, status, code);
      return true;
    },
  });
  const name = parseRepository(`${running.host}/app`);
  for (const blob of image.blobs) await registry.pushBlob(name, blobOf(blob, digestOf(blob)));
  return { running, name, pushes };
}

test.each(["MANIFEST_BLOB_UNKNOWN", "DIGEST_INVALID", "BLOB_UNKNOWN"])(
  "a correct manifest that a busy registry refuses with %s is pushed again",
  async (code) => {
    const { running, name, pushes } = await serveRefusing(2, 400, code);
    await pushPatiently(registry, name, image);
    expect(pushes.count).toBe(3);
    expect([...running.manifests.keys()]).toContain(`app/${image.descriptor.digest}`);
  },
);

test("a registry that keeps refusing ends it", async () => {
  const { name, pushes } = await serveRefusing(1000, 400, "MANIFEST_BLOB_UNKNOWN");
  expect(await codeOfRejection(pushPatiently(registry, name, image))).toBe("REGISTRY_REFUSED");
  expect(pushes.count).toBe(6);
});

test("a refusal for another reason is not asked again", async () => {
  const { name, pushes } = await serveRefusing(1000, 403, "DENIED");
  expect(await codeOfRejection(pushPatiently(registry, name, image))).toBe("AUTHORIZATION_DENIED");
  expect(pushes.count).toBe(1);
});
