import { createHash } from "node:crypto";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Judge } from "../src/attached/judgement.ts";
import { attestImage } from "../src/attest.ts";
import { digestOf } from "../src/crypto/digest.ts";
import { formats } from "../src/formats/index.ts";
import type { Signer } from "../src/keys/signer.ts";
import { createHttpRegistry } from "../src/oci/http-registry.ts";
import { openLayout } from "../src/oci/layout.ts";
import { type Descriptor, mediaTypes } from "../src/oci/manifest.ts";
import { type ImageReference, parseReference, referrersTag } from "../src/oci/reference.ts";
import type { Registry } from "../src/oci/registry.ts";
import { bindingAnnotations } from "../src/policy/binding.ts";
import type { TrustPolicy } from "../src/policy/policy.ts";
import { signImage } from "../src/sign.ts";
import { type ImageTree, type TreeItem, type TreeRequest, treeOf } from "../src/tree.ts";
import { attach, bundleType, makeBundle, makeTagged, manifestOf, sbomLayer, setScene, tagOf } from "./copy/scene.ts";
import { descriptorOf, type MadeManifest, makeImage, makeIndex, makeReferrer, push } from "./oci/artifacts.ts";
import { type MemoryRegistry, serveRegistry } from "./oci/memory-registry.ts";
import { sendError } from "./oci/server.ts";
import { codeOfRejection } from "./support/errors.ts";
import { tempDir } from "./support/process.ts";
import { newSigner } from "./support/signers.ts";

const http = createHttpRegistry({ retry: { attempts: 1 } });
const now = Date.parse("2026-11-20T00:00:00Z");
const release = newSigner();
const stranger = newSigner();
let folder: ReturnType<typeof tempDir>;
beforeEach(() => {
  folder = tempDir("tree");
});
afterEach(() => folder.cleanup());

const at = (running: MemoryRegistry) => parseReference(`${running.host}/app:1`);

/** Trusts one key for every image. */
function trusting(signer: Signer, more: Partial<TrustPolicy> = {}): Judge {
  const policy: TrustPolicy = {
    name: "p",
    mode: "enforce",
    images: [{ glob: "**" }],
    exclude: [],
    match: [],
    authorities: [{ kind: "key", name: "release", keys: [signer.publicKey] }],
    threshold: 1,
    source: "test",
    ...more,
  };
  return { matched: [{ policy, excluded: false }], formats, now };
}

const sign = (registry: Registry, image: ImageReference, signer: Signer, more = {}) =>
  signImage(registry, { image, signer, formats, annotations: {}, now, ...more });

function all(tree: Pick<ImageTree, "attached"> & Partial<Pick<ImageTree, "children">>): readonly TreeItem[] {
  const below = (items: readonly TreeItem[]): readonly TreeItem[] =>
    items.flatMap((item) => [item, ...below(item.attached)]);
  return [...below(tree.attached), ...(tree.children ?? []).flatMap((child) => below(child.attached))];
}

const look = (running: MemoryRegistry, more: Partial<TreeRequest> = {}) =>
  treeOf(http, { image: at(running), ...more });
const states = (tree: ImageTree) =>
  all(tree)
    .map(({ format, judgement }) => `${format} ${judgement.state}`)
    .sort();

async function imageAt(running: MemoryRegistry, text = "one"): Promise<MadeManifest> {
  const image = makeImage(text);
  await push(http, at(running), image, "1");
  return image;
}

async function listUnderTag(running: MemoryRegistry, subject: Descriptor, manifests: readonly Descriptor[]) {
  const { descriptor, ...index } = makeIndex(manifests);
  running.manifests.set(`app/${referrersTag(subject.digest)}`, {
    bytes: index.bytes,
    mediaType: mediaTypes.imageIndex,
  });
}

describe("the tree of an image", () => {
  test("has everything in every place, and what hangs on that, each with its kind", async () => {
    const running = await serveRegistry();
    await setScene(http, at(running));
    const tree = await look(running, { recursive: true });
    const kinds = all(tree)
      .map(({ kind, place }) => `${kind} ${place}`)
      .sort();
    expect(kinds).toEqual([
      "attestation att-tag",
      "attestation fallback-tag",
      "sbom sbom-tag",
      "signature fallback-tag",
      "signature fallback-tag",
      "signature fallback-tag",
      "signature fallback-tag",
      "signature sig-tag",
      "signature sig-tag",
      "signature sig-tag",
    ]);
    expect(tree).toMatchObject({ complete: true, isJudged: false, below: 2, findings: [] });
    expect(tree.children.map(({ platform, attached }) => [platform, attached.length])).toEqual([
      ["linux/amd64", 2],
      ["linux/arm64", 0],
    ]);
    const statement = tree.attached.find(({ kind, place }) => kind === "attestation" && place === "fallback-tag");
    expect(statement?.attached).toMatchObject([{ kind: "signature" }]);
  });

  test("says which are referrers of the API", async () => {
    const running = await serveRegistry({ referrers: true });
    await setScene(http, at(running));
    const tree = await look(running);
    expect(tree.attached.filter(({ place }) => place === "referrer")).toHaveLength(3);
    expect(tree.attached.filter(({ place }) => place === "fallback-tag")).toEqual([]);
  });

  test("judges nothing without trust, and says so", async () => {
    const running = await serveRegistry({ referrers: true });
    await imageAt(running);
    await sign(http, at(running), release);
    const tree = await look(running);
    expect(states(tree)).toEqual(["bundle not-judged", "cosign not-judged"]);
    expect(tree.attached[0]).toMatchObject({ claims: { keyHint: release.publicKey.keyId } });
  });

  test("judges each signature by itself: valid, by a stranger, expired", async () => {
    const running = await serveRegistry({ referrers: true });
    await imageAt(running);
    const annotations = bindingAnnotations({ expiresIn: 60_000 }, now);
    await sign(http, at(running), release, { formats: formats.slice(0, 1) });
    await sign(http, at(running), stranger, { formats: formats.slice(0, 1) });
    await sign(http, at(running), release, { formats: formats.slice(1, 2), annotations });
    expect(states(await look(running, { judge: trusting(release) }))).toEqual([
      "bundle untrusted",
      "bundle valid",
      "cosign valid",
    ]);
    const later = { ...trusting(release), now: now + 3_600_000 };
    const tree = await look(running, { judge: later });
    const expired = all(tree).find(({ format }) => format === "cosign");
    expect(expired?.claims?.annotations).toMatchObject({ "dev.imagetrust.expires": "2026-11-20T00:01:00.000Z" });
    const fresh = trusting(release, {
      freshness: { tagBinding: "optional", digestOnly: "allow", grace: 0, maxAge: 60_000 },
    });
    const judged = await look(running, { judge: { ...fresh, now: now + 3_600_000 } });
    expect(all(judged).find(({ format }) => format === "cosign")?.judgement).toMatchObject({
      state: "invalid",
      finding: { code: expect.stringMatching(/^SIGNATURE_(?:EXPIRED|TOO_OLD)$/) },
    });
  });

  test("judges two signatures over the same payload apart", async () => {
    const running = await serveRegistry();
    await imageAt(running);
    for (const signer of [release, stranger]) await sign(http, at(running), signer, { formats: formats.slice(1, 2) });
    const tree = await look(running, { judge: trusting(release) });
    expect(states(tree)).toEqual(["cosign untrusted", "cosign valid"]);
    expect(new Set(all(tree).map(({ evidence }) => evidence)).size).toBe(1);
  });

  test("judges attestations, and what the policy says of a threshold does not matter for one", async () => {
    const running = await serveRegistry({ referrers: true });
    await imageAt(running);
    const predicate = Buffer.from('{"a":1}');
    await attestImage(http, {
      image: at(running),
      signer: release,
      formats,
      predicateType: "https://a.test/x",
      predicate,
      now,
    });
    const tree = await look(running, { judge: trusting(release, { threshold: 2 }) });
    expect(states(tree)).toEqual(["bundle valid", "cosign valid"]);
    expect(tree.attached.map(({ claims }) => claims?.predicateType)).toEqual(["https://a.test/x", "https://a.test/x"]);
  });

  test("judges what hangs on an artifact for that artifact", async () => {
    const running = await serveRegistry({ referrers: true });
    const image = await imageAt(running);
    const sbom = makeReferrer(image.descriptor, "s", "application/spdx+json");
    await attach(http, at(running), sbom, image.descriptor);
    const { registry, repository } = at(running);
    await sign(http, { registry, repository, digest: sbom.descriptor.digest }, release, {
      formats: formats.slice(0, 1),
    });
    const tree = await look(running, { judge: trusting(release) });
    expect(tree.attached).toMatchObject([
      {
        kind: "sbom",
        judgement: { state: "unsigned" },
        attached: [{ kind: "signature", judgement: { state: "valid" } }],
      },
    ]);
  });

  test("says of signatures that no policy speaks about that they are not judged", async () => {
    const running = await serveRegistry({ referrers: true });
    await imageAt(running);
    await sign(http, at(running), release);
    const tree = await look(running, { judge: { matched: [], formats, now } });
    expect(new Set(all(tree).map(({ judgement }) => judgement.state))).not.toContain("valid");
  });

  test("of a layout is the same", async () => {
    const registry = await openLayout(join(folder.path, "l"), { create: true });
    const image = parseReference("registry.example.com/app:1");
    await setScene(registry, image);
    const tree = await treeOf(registry, { image, recursive: true });
    expect(all(tree)).toHaveLength(10);
    expect(tree.complete).toBe(true);
  });

  test("looks in the repository of signatures, and says what is there", async () => {
    const running = await serveRegistry({ referrers: true });
    await imageAt(running);
    const signatureRepository = parseReference(`${running.host}/sigs`);
    await sign(http, at(running), release, { signatureRepository });
    const tree = await look(running, { judge: trusting(release), signatureRepository });
    expect(tree.attached.map(({ repository, judgement }) => [repository, judgement.state])).toEqual([
      [`${running.host}/sigs`, "valid"],
      [`${running.host}/sigs`, "valid"],
    ]);
  });
});

describe("a hostile registry", () => {
  test("whose lists lead in circles is drawn once", async () => {
    const running = await serveRegistry();
    const image = await imageAt(running);
    const one = makeReferrer(image.descriptor, "one");
    const two = makeReferrer(one.descriptor, "two");
    for (const item of [one, two]) await push(http, at(running), item);
    await listUnderTag(running, image.descriptor, [one.descriptor, two.descriptor, image.descriptor]);
    await listUnderTag(running, one.descriptor, [two.descriptor, one.descriptor, image.descriptor]);
    await listUnderTag(running, two.descriptor, [one.descriptor]);
    const items = all(await look(running));
    expect(items.length).toBeLessThan(8);
    expect(items.filter(({ attached }) => attached.length > 0).length).toBeLessThanOrEqual(2);
    const lying = items.filter(({ problems }) => problems.some((text) => text.includes("says that it belongs to")));
    expect(lying.length).toBeGreaterThan(0);
  });

  test("with ten thousand referrers is bounded, and says that this is not all", async () => {
    const running = await serveRegistry();
    const image = await imageAt(running);
    const gone = Array.from({ length: 10_000 }, (_, i) => ({
      mediaType: mediaTypes.imageManifest,
      digest: `sha256:${createHash("sha256").update(`${i}`).digest("hex")}` as const,
      size: 5,
    }));
    await listUnderTag(running, image.descriptor, gone);
    running.requests.length = 0;
    const tree = await look(running);
    expect(tree.complete).toBe(false);
    expect(tree.findings.map(({ code }) => code)).toContain("EVIDENCE_INCOMPLETE");
    expect(running.requests.length).toBeLessThan(1_100);
  });

  test("with thousands of layers under one tag is bounded as well", async () => {
    const running = await serveRegistry();
    const image = await imageAt(running);
    const layers = Array.from({ length: 3_000 }, (_, i) => ({
      ...descriptorOf(Buffer.from(`${i}`), "application/vnd.dev.cosign.simplesigning.v1+json"),
      annotations: { "dev.cosignproject.cosign/signature": "AAAA" },
    }));
    const config = descriptorOf(Buffer.from("{}"), mediaTypes.empty);
    const { bytes, mediaType } = manifestOf({ config, layers }, []);
    running.manifests.set(`app/${tagOf(image.descriptor, ".sig")}`, { bytes, mediaType });
    running.manifests.set(`app/${digestOf(bytes)}`, { bytes, mediaType });
    running.requests.length = 0;
    const tree = await look(running, { judge: trusting(release) });
    expect(tree.complete).toBe(false);
    expect(tree.attached).toHaveLength(1_000);
    expect(running.requests.length).toBeLessThan(2_100);
  });

  test("with a chain of referrers without end is cut off", async () => {
    const running = await serveRegistry({ referrers: true });
    let last = await imageAt(running);
    for (let i = 0; i < 12; i++) {
      const next = makeReferrer(last.descriptor, `${i}`);
      await push(http, at(running), next);
      last = next;
    }
    const tree = await look(running);
    expect(all(tree)).toHaveLength(5);
    expect(tree.complete).toBe(false);
  });

  test("with garbage in the place of bundles: each is shown, with its problem", async () => {
    const running = await serveRegistry({ referrers: true });
    const image = await imageAt(running);
    const subject = { ...image.descriptor };
    const garbage = [
      "garbage",
      "[".repeat(1000),
      '{"a":1,"a":2}',
      '{"mediaType":5,"dsseEnvelope":{"payload":"{"}}',
    ].map((text) => {
      const content = Buffer.from(text);
      const config = descriptorOf(Buffer.from("{}"), mediaTypes.empty);
      return manifestOf({ config, layers: [descriptorOf(content, bundleType)], subject }, [Buffer.from("{}"), content]);
    });
    for (const item of garbage) await attach(http, at(running), item, image.descriptor);
    const tree = await look(running, { judge: trusting(release) });
    expect(tree.attached).toHaveLength(4);
    for (const { judgement, problems } of tree.attached) {
      expect(judgement).toMatchObject({ state: "invalid", finding: { code: "SIGNATURE_MALFORMED" } });
      expect(problems.length).toBeGreaterThan(0);
    }
  });

  test("that lost a blob: the signature is shown as what it is, missing", async () => {
    const running = await serveRegistry({ referrers: true });
    const image = await imageAt(running);
    const bundle = makeBundle(image.descriptor, "a");
    await attach(http, at(running), bundle, image.descriptor);
    running.blobs.clear();
    const tree = await look(running, { judge: trusting(release) });
    expect(tree.attached).toMatchObject([{ kind: "signature", judgement: { finding: { code: "SIGNATURE_MISSING" } } }]);
  });

  test("whose label lies about the predicate type is seen through", async () => {
    const running = await serveRegistry();
    const image = await imageAt(running);
    await attestImage(http, {
      image: at(running),
      signer: release,
      formats: formats.slice(1, 2),
      predicateType: "https://a.test/x",
      predicate: Buffer.from("{}"),
      now,
    });
    const tag = `app/${tagOf(image.descriptor, ".att")}`;
    const entry = running.manifests.get(tag);
    const manifest = JSON.parse(entry?.bytes.toString() ?? "") as { layers: { annotations: Record<string, string> }[] };
    for (const layer of manifest.layers) layer.annotations["predicateType"] = "https://sigstore.dev/cosign/sign/v1";
    const bytes = Buffer.from(JSON.stringify(manifest));
    await http.pushManifest(at(running), {
      bytes,
      mediaType: mediaTypes.imageManifest,
      tag: tagOf(image.descriptor, ".att"),
    });
    const [item] = (await look(running, { judge: trusting(release) })).attached;
    expect(item).toMatchObject({ kind: "attestation", claims: { predicateType: "https://a.test/x" } });
    expect(item?.problems).toEqual([expect.stringMatching(/label says/)]);
  });

  test("with an index under a tag of signatures says so", async () => {
    const running = await serveRegistry();
    const image = await imageAt(running);
    await push(http, at(running), makeIndex([image.descriptor]), tagOf(image.descriptor, ".sig"));
    const [item] = (await look(running)).attached;
    expect(item?.problems).toEqual([expect.stringMatching(/index/)]);
  });

  test("that cannot say what a place has: the rest is shown, and that it is not all", async () => {
    const running = await serveRegistry({
      intercept: (_request, response, path) => {
        if (!path.includes("/referrers/")) return false;
        sendError(response, 500, "UNKNOWN");
        return true;
      },
    });
    const image = await imageAt(running);
    await push(http, at(running), makeTagged([sbomLayer("s")]), tagOf(image.descriptor, ".sbom"));
    const tree = await look(running);
    expect(tree).toMatchObject({ complete: false, attached: [{ kind: "sbom" }] });
    expect(tree.findings.map(({ code }) => code)).toEqual(["REGISTRY_ERROR", "EVIDENCE_INCOMPLETE"]);
  });

  test("without the image is an error", async () => {
    const running = await serveRegistry();
    expect(await codeOfRejection(look(running))).toBe("IMAGE_NOT_FOUND");
  });
});
