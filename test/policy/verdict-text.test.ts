import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { attestImage } from "../../src/attest.ts";
import { digestOf } from "../../src/crypto/digest.ts";
import { cosign, signatureTag } from "../../src/formats/cosign.ts";
import type { SignatureFormat } from "../../src/formats/format.ts";
import { sigstoreBundle } from "../../src/formats/sigstore-bundle.ts";
import type { Signer } from "../../src/keys/signer.ts";
import { type Descriptor, mediaTypes, parseManifest } from "../../src/oci/manifest.ts";
import type { ImageReference } from "../../src/oci/reference.ts";
import { bindingAnnotations } from "../../src/policy/binding.ts";
import type { Freshness, KeyLifetime, TrustPolicy } from "../../src/policy/policy.ts";
import { defaultSettings, type VerifierSettings } from "../../src/policy/settings.ts";
import type { Verdict } from "../../src/policy/verdict.ts";
import { fullText, shortText } from "../../src/policy/verdict-text.ts";
import { signImage } from "../../src/sign.ts";
import type { VerifyRequest } from "../../src/verify.ts";
import { bundleType, manifestOf } from "../copy/scene.ts";
import { descriptorOf, makeIndex, push } from "../oci/artifacts.ts";
import { newSigner } from "../support/signers.ts";
import { openStage, type Stage } from "../support/stage.ts";
import { trusted, untrusted } from "../support/verdicts.ts";

// The wording of the commonest failures. After a change that is meant: vitest run -u test/policy/verdict-text.test.ts

let stage: Stage;
let serial = 0;
const [alice, bob] = [newSigner(), newSigner()];
const hour = 3_600_000;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());

type Image = Awaited<ReturnType<Stage["newImage"]>>;
const newImage = () => stage.newImage(`app${serial++}:1`);
const sign = (
  ref: ImageReference,
  signer = alice,
  formats: readonly SignatureFormat[] = [sigstoreBundle],
  annotations = {},
) => signImage(stage.registry, { image: ref, signer, formats, annotations, now: stage.clock.now });
const authority = (
  signer: Signer,
  name = "release",
  more: { annotations?: Record<string, string>; lifetime?: KeyLifetime } = {},
) => ({ kind: "key", name, keys: [signer.publicKey], ...more }) as const;
const fresh = (more: Partial<Freshness>) => ({
  freshness: { tagBinding: "optional", digestOnly: "deny", grace: 0, ...more } as const,
});

function policyOf(more: Partial<TrustPolicy> = {}): TrustPolicy {
  const base = { name: "production", mode: "enforce", images: [{ glob: "**" }], exclude: [], match: [] } as const;
  return { ...base, authorities: [authority(alice)], threshold: 1, source: "test", ...more };
}

/** Judged by one policy. */
const judge = (
  image: string,
  policy: Partial<TrustPolicy> = {},
  settings: Partial<VerifierSettings> = {},
  more: Partial<VerifyRequest> = {},
) => stage.verifier([policyOf(policy)], settings).verify({ image, ...more });

/** A new image, decorated, judged. */
async function judged(
  decorate: (image: Image) => Promise<unknown>,
  policy: Partial<TrustPolicy> = {},
): Promise<Verdict> {
  const image = await newImage();
  await decorate(image);
  return judge(image.text, policy);
}

async function attachBundle({ ref, digest }: Image, content: Buffer): Promise<void> {
  const { size } = await stage.registry.resolve(ref);
  const subject = { mediaType: mediaTypes.imageManifest, digest, size };
  const config = descriptorOf(Buffer.from("{}"), mediaTypes.empty);
  const made = { artifactType: bundleType, config, layers: [descriptorOf(content, bundleType)], subject };
  await push(stage.registry, ref, manifestOf(made, [Buffer.from("{}"), content]));
}

/** The bundle that somebody made, with something done to it. */
async function changedBundle(
  image: Image,
  signer: Signer,
  change: (bundle: { dsseEnvelope: { signatures: { sig: string }[] } }) => void,
) {
  const other = await newImage();
  const { signatures } = await sign({ ...image.ref }, signer);
  const [signature] = signatures;
  const [, manifestDigest = ""] = signature?.location.split("@") ?? [];
  const { bytes, descriptor } = await stage.registry.fetchManifest(image.ref, manifestDigest);
  const manifest = parseManifest(bytes, descriptor.mediaType);
  const layer = manifest.kind === "manifest" ? manifest.layers[0] : undefined;
  if (layer === undefined) throw new Error("no bundle");
  const bundle = JSON.parse((await stage.registry.fetchBlob(image.ref, layer, 1e6)).toString());
  change(bundle);
  await stage.registry.deleteManifest(image.ref, manifestDigest);
  await attachBundle(image, Buffer.from(JSON.stringify(bundle)));
  return other;
}

async function indexOf(signedChildren: number): Promise<string> {
  const name = `multi${serial++}`;
  const children: Descriptor[] = [];
  for (const architecture of ["amd64", "arm64"]) {
    const { ref, digest } = await stage.newImage(`${name}:${architecture}`);
    const { mediaType, size } = await stage.registry.resolve(ref);
    children.push({ mediaType, digest, size, platform: { os: "linux", architecture } });
    if (children.length <= signedChildren) await sign(ref);
  }
  const { ref } = await stage.newImage(`${name}:x`);
  const image = { ...ref, tag: "1" };
  await push(stage.registry, image, makeIndex(children), "1");
  await sign(image);
  return `${stage.host}/${name}:1`;
}

const scenarios: Readonly<Record<string, () => Promise<Verdict>>> = {
  "not signed": () => judged(async () => undefined),
  "signed by another key, bundle": () => judged(({ ref }) => sign(ref, bob)),
  "signed by another key, .sig": () => judged(({ ref }) => sign(ref, bob, [cosign])),
  "attested, not signed": () =>
    judged(({ ref }) => {
      const predicate = Buffer.from("{}");
      const predicateType = "https://slsa.dev/provenance/v1";
      return attestImage(stage.registry, {
        image: ref,
        signer: alice,
        formats: [sigstoreBundle],
        predicateType,
        predicate,
        now: stage.clock.now,
      });
    }),
  "signature of another image": () =>
    judged(async (image) => {
      const other = await newImage();
      await sign(other.ref, alice, [cosign]);
      const { bytes, descriptor } = await stage.registry.fetchManifest(other.ref, signatureTag(other.digest));
      const manifest = parseManifest(bytes, descriptor.mediaType);
      const blobs = manifest.kind === "manifest" ? [manifest.config, ...manifest.layers] : [];
      for (const blob of blobs) {
        const content = await stage.registry.fetchBlob(other.ref, blob, 1e6);
        await stage.registry.pushBlob(image.ref, {
          ...blob,
          async *open() {
            yield content;
          },
        });
      }
      await stage.registry.pushManifest(image.ref, {
        bytes,
        mediaType: descriptor.mediaType,
        tag: signatureTag(image.digest),
      });
    }),
  "signature changed": () =>
    judged((image) =>
      changedBundle(image, alice, ({ dsseEnvelope: { signatures } }) => {
        const sig = Buffer.from(signatures[0]?.sig ?? "", "base64");
        sig[sig.length - 1] = (sig.at(-1) ?? 0) ^ 1;
        signatures[0] = { sig: sig.toString("base64") };
      }),
    ),
  "two signatures in one envelope": () =>
    judged((image) =>
      changedBundle(image, alice, ({ dsseEnvelope: { signatures } }) => signatures.push({ sig: "AAAA" })),
    ),
  "garbage in the place of a bundle": () => judged((image) => attachBundle(image, Buffer.from("garbage"))),
  "an index under the .sig tag": () =>
    judged(({ ref, digest }) => push(stage.registry, ref, makeIndex([]), signatureTag(digest))),
  "more signatures than are read": async () => {
    const { ref, text } = await newImage();
    for (const signer of [bob, newSigner()]) await sign(ref, signer, [cosign]);
    return judge(text, {}, { limits: { ...defaultSettings.limits, signatures: 1 } });
  },
  "no policy": async () => judge((await newImage()).text, { images: [{ glob: "elsewhere.example.com/**" }] }),
  "no policy, warned": async () =>
    judge((await newImage()).text, { images: [{ glob: "elsewhere.example.com/**" }] }, { noMatch: "warn" }),
  "no such repository": () => judge(`${stage.host}/nothing:1`),
  "no such tag": async () => judge((await newImage()).text.replace(/:1$/, ":2")),
  "no such digest": async () => {
    const { text } = await newImage();
    return judge(`${text.replace(/:1$/, "")}@${digestOf(Buffer.from("nothing"))}`);
  },
  "no name": () => judge("UPPER/case:1"),
  "registry out of reach": () => judge("127.0.0.1:9/app:1"),
  expired: () =>
    judged(async ({ ref }) => {
      await sign(ref, alice, [sigstoreBundle], bindingAnnotations({ expiresIn: hour }, stage.clock.now - 2 * hour));
    }, fresh({})),
  "too old": () =>
    judged(
      ({ ref }) =>
        sign(ref, alice, [sigstoreBundle], bindingAnnotations({ expiresIn: 100 * hour }, stage.clock.now - 3 * hour)),
      fresh({ maxAge: hour }),
    ),
  "no creation time": () => judged(({ ref }) => sign(ref), fresh({ maxAge: hour })),
  "tag not bound": () => judged(({ ref }) => sign(ref), fresh({ tagBinding: "required" })),
  "bound to another tag": () =>
    judged(
      ({ ref }) =>
        sign(ref, alice, [sigstoreBundle], bindingAnnotations({ bindTo: { ...ref, tag: "2" } }, stage.clock.now)),
      fresh({ tagBinding: "required" }),
    ),
  "digest alone where a tag must be bound": async () => {
    const { ref, text, digest } = await newImage();
    await sign(ref, alice, [sigstoreBundle], bindingAnnotations({ bindTo: ref }, stage.clock.now));
    return judge(`${text.replace(/:1$/, "")}@${digest}`, fresh({ tagBinding: "required" }));
  },
  "rolled back": async () => {
    const old = await newImage();
    const young = await stage.newImage(old.text.slice(stage.host.length + 1), "younger");
    const bind = (age: number) => bindingAnnotations({ bindTo: old.ref, expiresIn: 100 * hour }, stage.clock.now - age);
    await sign({ ...old.ref, digest: old.digest }, alice, [sigstoreBundle], bind(2 * hour));
    await sign({ ...young.ref, digest: young.digest }, alice, [sigstoreBundle], bind(hour));
    const verifier = stage.verifier([policyOf(fresh({ tagBinding: "required" }))], { tagTtl: 0, evidenceTtl: 0 });
    await verifier.verify({ image: young.text });
    const { bytes, descriptor } = await stage.registry.fetchManifest(old.ref, old.digest);
    await stage.registry.pushManifest(old.ref, { bytes, mediaType: descriptor.mediaType, tag: "1" });
    stage.clock.now += 1;
    const verdict = await verifier.verify({ image: old.text });
    stage.clock.now -= 1;
    return { ...verdict, decidedAt: new Date(stage.clock.now).toISOString() };
  },
  "one of two signers": () =>
    judged(({ ref }) => sign(ref), { threshold: 2, authorities: [authority(alice, "ci"), authority(bob, "review")] }),
  "one signer for two authorities": () =>
    judged(({ ref }) => sign(ref), { threshold: 2, authorities: [authority(alice, "ci"), authority(alice, "review")] }),
  "neither of two authorities": () =>
    judged(({ ref }) => sign(ref, newSigner()), { authorities: [authority(alice, "ci"), authority(bob, "review")] }),
  "key revoked": () =>
    judged(({ ref }) => sign(ref), {
      authorities: [
        authority(alice, "old", { lifetime: { revoked: { at: stage.clock.now - hour, reason: "stolen" } } }),
      ],
    }),
  "key past its time": () =>
    judged(({ ref }) => sign(ref), {
      authorities: [authority(alice, "old", { lifetime: { validUntil: stage.clock.now - hour } })],
    }),
  "signature revoked": async () => {
    const { ref, text } = await newImage();
    const { signatures } = await sign(ref);
    return judge(text, { revokedSignatures: signatures.map(({ evidence }) => evidence) });
  },
  "annotation missing": () =>
    judged(({ ref }) => sign(ref), { authorities: [authority(alice, "ci", { annotations: { env: "prod" } })] }),
  "annotation of another value": () =>
    judged(({ ref }) => sign(ref, alice, [sigstoreBundle], { env: "test" }), {
      authorities: [authority(alice, "ci", { annotations: { env: "prod" } })],
    }),
  "a platform is not signed": async () => judge(await indexOf(1), { platforms: "each" }),
  "recursive, a platform is not signed": async () => judge(await indexOf(1), {}, {}, { recursive: true }),
  "platform not there": async () =>
    judge(await indexOf(2), {}, {}, { platform: { os: "windows", architecture: "amd64" } }),
  "only warned": () => judged(async () => undefined, { mode: "warn" }),
  "one of two policies": async () => {
    const { ref, text } = await newImage();
    await sign(ref);
    const second = policyOf({ name: "second", authorities: [authority(bob, "auditors")] });
    return stage.verifier([policyOf(), second]).verify({ image: text });
  },
};

/** What differs from run to run by its name. */
function steady(text: string): string {
  return text
    .replaceAll(stage.host, "HOST")
    .replace(/sha256-[0-9a-f]{64}/g, "sha256-<digest>")
    .replace(/sha256:[0-9a-f]{64}/g, "sha256:<digest>")
    .replaceAll(alice.publicKey.keyId.slice(0, 16), "<key of alice>")
    .replaceAll(bob.publicKey.keyId.slice(0, 16), "<key of bob>")
    .replace(/\bkey [0-9a-f]{16}\b/g, "key <of a stranger>")
    .replace(/\b(app|multi)\d+/g, "$1");
}

describe("a denial", () => {
  test.each(Object.keys(scenarios))("says why, in short and in full: %s", async (name) => {
    const verdict = await scenarios[name]?.();
    if (verdict === undefined) throw new Error("no scenario");
    expect(verdict.outcome).not.toBe("allow");
    const text = `${shortText([verdict])}\n\n${fullText(verdict)}`;
    await expect(steady(text)).toMatchFileSnapshot(`golden/${name.replace(/[^a-z]+/g, "-")}.txt`);
  });

  test("has at least thirty golden files", () => {
    expect(Object.keys(scenarios).length).toBeGreaterThanOrEqual(30);
  });
});

describe("the short text", () => {
  test("has a line for each image, is under 2 KB whatever there is, and says how many more there are", () => {
    const many = Array.from({ length: 500 }, (_, i) => untrusted(`registry.example.com/${"long/".repeat(30)}app:${i}`));
    const text = shortText(many);
    expect(Buffer.byteLength(text)).toBeLessThan(2048);
    const lines = text.split("\n");
    expect(lines.at(-1)).toBe(`and ${500 - lines.length + 1} more`);
    expect(shortText([untrusted("a"), untrusted("b")]).split("\n")).toHaveLength(2);
  });

  test("shows at least a part of one image, of whatever characters", () => {
    const text = shortText([untrusted("\u{1f600}".repeat(3000)), untrusted("b")]);
    expect(Buffer.byteLength(text)).toBeLessThan(2048);
    expect(text).toMatch(/^\u{1f600}+/u);
  });

  test("is on one line and cannot steer a terminal, whatever strangers call their images", () => {
    const text = shortText([untrusted("a\n\u001b[2Jb\u202e")]);
    expect(text).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect(fullText(untrusted("a\n\u001b[2Jb\u202e"))).not.toMatch(/[^\P{Cc}\n]|\p{Cf}/u);
  });
});

describe("the full text", () => {
  test("of an image that is trusted says by whom, and no next step", () => {
    const text = fullText(trusted("a"));
    expect(text).toContain("authority release: satisfied");
    expect(text).not.toContain("next:");
  });
});
