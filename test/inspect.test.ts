import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { inspectBytes, inspectReference } from "../src/inspect.ts";
import { createHttpRegistry } from "../src/oci/http-registry.ts";
import { mediaTypes } from "../src/oci/manifest.ts";
import { parseReference } from "../src/oci/reference.ts";
import { attach, bundleType, makeBundle, makeTagged, manifestOf, signatureLayer, tagOf } from "./copy/scene.ts";
import { descriptorOf, makeImage, makeIndex, push } from "./oci/artifacts.ts";
import { type MemoryRegistry, serveRegistry } from "./oci/memory-registry.ts";
import { runTrust } from "./support/cli.ts";
import { codeOfRejection } from "./support/errors.ts";
import { tempDir } from "./support/process.ts";

const registry = createHttpRegistry({ retry: { attempts: 1 } });
const at = (running: MemoryRegistry, rest: string) => parseReference(`${running.host}/app${rest}`);
const fixture = (path: string) => readFileSync(join(import.meta.dirname, "fixtures", path));

describe("an artifact in a registry", () => {
  test("is a manifest with the signatures in its layers, decoded", async () => {
    const running = await serveRegistry();
    const image = makeImage("one");
    await push(registry, at(running, ""), image, "1");
    await push(
      registry,
      at(running, ""),
      makeTagged([signatureLayer("a"), signatureLayer("b")]),
      tagOf(image.descriptor, ".sig"),
    );
    const { inspected } = await inspectReference(registry, at(running, `:${tagOf(image.descriptor, ".sig")}`));
    expect(inspected).toMatchObject({ what: "image manifest", layers: [{ size: 7 }, { size: 7 }] });
  });

  test("is a referrer by its digest, and its bundle by the digest of the blob", async () => {
    const running = await serveRegistry();
    const image = makeImage("one");
    await push(registry, at(running, ""), image, "1");
    const bundle = makeBundle(image.descriptor, "a");
    await attach(registry, at(running, ""), bundle, image.descriptor);
    const { inspected, bytes } = await inspectReference(registry, at(running, `@${bundle.descriptor.digest}`));
    expect(inspected).toMatchObject({ what: "image manifest of a referrer", layers: [{ what: "Sigstore bundle" }] });
    expect(bytes).toEqual(bundle.bytes);
    const digest = inspected.layers?.[0]?.digest ?? "";
    const { inspected: blob } = await inspectReference(registry, at(running, `@${digest}`));
    expect(blob).toMatchObject({ what: "Sigstore bundle", digest, says: { form: "bundle" } });
  });

  test("is not read where it is an image: layers of megabytes are not asked for", async () => {
    const running = await serveRegistry();
    await push(registry, at(running, ""), makeImage("one"), "1");
    running.requests.length = 0;
    const { inspected } = await inspectReference(registry, at(running, ":1"));
    expect(inspected.layers).toBeUndefined();
    expect(running.requests).toHaveLength(1);
  });

  test("that is refused by verifiers is decoded, with the reason", async () => {
    const running = await serveRegistry();
    const bytes = Buffer.from(
      '{"schemaVersion":2,"layers":[],"config":{"mediaType":"x","digest":"nonsense","size":1}}',
    );
    running.manifests.set("app/1", { bytes, mediaType: mediaTypes.imageManifest });
    const { inspected } = await inspectReference(registry, at(running, ":1"));
    expect(inspected).toMatchObject({
      what: "manifest that is refused",
      says: { problem: expect.stringMatching(/MANIFEST_INVALID/), content: { schemaVersion: 2 } },
    });
  });

  test("with a layer that is gone, or lies about its size, says so and shows the rest", async () => {
    const running = await serveRegistry();
    const good = Buffer.from('{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"}');
    const config = descriptorOf(Buffer.from("{}"), mediaTypes.empty);
    const gone = descriptorOf(Buffer.from("gone"), bundleType);
    const lying = { ...descriptorOf(good, bundleType), size: 5 };
    const made = manifestOf({ config, layers: [gone, lying, descriptorOf(good, bundleType)] }, [
      Buffer.from("{}"),
      Buffer.from("gone"),
      good,
    ]);
    await push(registry, at(running, ""), made, "1");
    running.blobs.delete(`app/${gone.digest}`);
    const { inspected } = await inspectReference(registry, at(running, ":1"));
    expect(inspected.layers?.map(({ what }) => what)).toEqual(["unreadable", "unreadable", "Sigstore bundle"]);
  });

  test("that is nowhere is an error", async () => {
    const running = await serveRegistry();
    const { digest } = makeImage("one").descriptor;
    expect(await codeOfRejection(inspectReference(registry, at(running, `@${digest}`)))).toBe("IMAGE_NOT_FOUND");
    expect(await codeOfRejection(inspectReference(registry, at(running, ":1")))).toBe("IMAGE_NOT_FOUND");
  });

  test("whose blob is another than its digest says is refused", async () => {
    const running = await serveRegistry();
    const blob = Buffer.from("blob");
    const { digest } = descriptorOf(blob, "x");
    running.blobs.set(`app/${digest}`, Buffer.from("evil"));
    expect(await codeOfRejection(inspectReference(registry, at(running, `@${digest}`)))).toBe("CONTENT_MISMATCH");
  });
});

describe("a file", () => {
  test.each([
    ["an image index", makeIndex([makeImage("one").descriptor]).bytes, "image index"],
    ["an image manifest", makeImage("one").bytes, "image manifest"],
    ["a bundle", fixture("sigstore/cosign3-keyless-rekor1.json"), "Sigstore bundle"],
    ["nothing", Buffer.of(), "not known"],
  ])("is told by its content: %s", (_what, bytes, what) => {
    expect(inspectBytes("file", bytes).inspected).toMatchObject({ what, size: bytes.length });
  });
});

describe("what strangers wrote", () => {
  const evil = "\u001b]0;owned\u0007\u001b[2J\u202e\r\nforged line";
  const controls = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202e]/;

  test("cannot steer the terminal: neither keys, nor values, nor raw bytes", async () => {
    const folder = tempDir("inspect");
    const statement = {
      _type: evil,
      predicateType: evil,
      [evil]: { [evil]: [evil, [evil]] },
      subject: [{ digest: { [evil]: evil } }],
    };
    const payload = Buffer.from(JSON.stringify(statement)).toString("base64");
    const stdin = JSON.stringify({ payload, payloadType: evil, signatures: [{ keyid: evil }], mediaType: evil });
    for (const flags of [[], ["-o", "json"], ["-o", "jsonl"]]) {
      const { code, stdout } = await runTrust(["inspect", ...flags, "-"], { folder: folder.path, stdin });
      expect(code).toBe(0);
      expect(stdout).toContain("DSSE envelope");
      expect(stdout).not.toMatch(controls);
    }
    const raw = await runTrust(["inspect", "--raw", "-"], { folder: folder.path, stdin: evil, colors: true });
    expect(raw.stdout).not.toMatch(controls);
    folder.cleanup();
  });

  test("cannot steer it from a tree either", async () => {
    const running = await serveRegistry();
    const image = makeImage("one");
    await push(registry, at(running, ""), image, "1");
    const config = descriptorOf(Buffer.from("{}"), mediaTypes.empty);
    const layers = [{ ...descriptorOf(Buffer.from("x"), evil), annotations: { [evil]: evil } }];
    const annotations = { "org.opencontainers.image.created": evil };
    const { mediaType, digest, size } = image.descriptor;
    const subject = { mediaType, digest, size };
    const made = manifestOf({ artifactType: evil, config, layers, annotations, subject }, [
      Buffer.from("{}"),
      Buffer.from("x"),
    ]);
    await attach(registry, at(running, ""), made, image.descriptor);
    const folder = tempDir("inspect-tree");
    for (const flags of [[], ["-o", "json"]]) {
      const { code, stdout } = await runTrust(["tree", ...flags, `${running.host}/app:1`], { folder: folder.path });
      expect(code).toBe(0);
      expect(stdout).toContain(made.descriptor.digest);
      expect(stdout).not.toMatch(controls);
    }
    folder.cleanup();
  });
});
