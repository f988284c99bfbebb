import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { TrustError } from "../src/errors.ts";
import { formats } from "../src/formats/index.ts";
import { sigstoreBundle } from "../src/formats/sigstore-bundle.ts";
import type { Descriptor } from "../src/oci/manifest.ts";
import { type ImageReference, parseReference } from "../src/oci/reference.ts";
import type { Registry } from "../src/oci/registry.ts";
import { bindingAnnotations } from "../src/policy/binding.ts";
import type { TrustPolicy } from "../src/policy/policy.ts";
import { defaultSettings } from "../src/policy/settings.ts";
import { categoriesOf, type Verdict } from "../src/policy/verdict.ts";
import { refreshImage } from "../src/refresh.ts";
import { type SignImageRequest, signImage } from "../src/sign.ts";
import { createVerifier } from "../src/verify.ts";
import { type IndexEntries, pushIndex, pushPlatforms } from "./support/index-images.ts";
import { newSigner } from "./support/signers.ts";
import { openStage, type Stage } from "./support/stage.ts";

let stage: Stage;
const alice = newSigner();
const day = 24 * 3600_000;
let serial = 0;

beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());
beforeEach(() => {
  stage.requests.length = 0;
});

interface Multi {
  readonly ref: ImageReference;
  readonly text: string;
  readonly entries: IndexEntries;
  readonly index: Descriptor;
}

async function newIndex(
  platforms: readonly string[] = ["linux/amd64", "linux/arm64", "unknown/unknown"],
): Promise<Multi> {
  const text = `${stage.host}/multi${serial++}:1`;
  const ref = parseReference(text);
  const entries = await pushPlatforms(stage.registry, ref, text, platforms);
  return { ref, text, entries, index: await pushIndex(stage.registry, ref, entries) };
}

const sign = (image: ImageReference, more: Partial<SignImageRequest> = {}) =>
  signImage(stage.registry, { image, signer: alice, formats: [sigstoreBundle], now: stage.clock.now, ...more });

const signEntry = ({ ref, entries }: Multi, name: string) => {
  const { registry, repository } = ref;
  const digest = entries[name]?.digest;
  if (digest === undefined) throw new Error(name);
  return sign({ registry, repository, digest });
};

function policyOf(platforms: TrustPolicy["platforms"], more: Partial<TrustPolicy> = {}): TrustPolicy {
  return {
    name: "production",
    mode: "enforce",
    images: [{ glob: "**" }],
    exclude: [],
    match: [],
    authorities: [{ kind: "key", name: "release", keys: [alice.publicKey] }],
    threshold: 1,
    ...(platforms && { platforms }),
    source: "test",
    ...more,
  };
}

const verify = ({ text }: Multi, platforms?: TrustPolicy["platforms"], more: object = {}) =>
  stage.verifier([policyOf(platforms)]).verify({ image: text, ...more });
const codesOf = ({ policies }: Verdict) => policies.flatMap(({ findings }) => findings.map(({ code }) => code));

describe("a policy about platforms", () => {
  it("asks for the index alone where nothing else is said, with no request more", async () => {
    const image = await newIndex();
    await sign(image.ref);
    stage.requests.length = 0;
    expect(await verify(image)).toMatchObject({ outcome: "allow", digest: image.index.digest, children: [] });
    expect(stage.requests.some((line) => line.endsWith(`/manifests/${image.index.digest}`))).toBe(false);
    expect((await verify(image, "each")).outcome).toBe("deny");
    expect((await verify(image, "index-or-each")).outcome).toBe("allow");
  });

  it("passes on every platform that can run, and keeps the digest of the index", async () => {
    const image = await newIndex();
    await signEntry(image, "linux/amd64");
    const half = await verify(image, "each");
    expect(half).toMatchObject({ outcome: "deny", digest: image.index.digest });
    expect(half.policies[0]?.findings[0]?.message).toContain("linux/arm64");
    await signEntry(image, "linux/arm64");
    for (const rule of ["each", "index-or-each"] as const) {
      const verdict = await verify(image, rule);
      expect(verdict).toMatchObject({ outcome: "allow", digest: image.index.digest });
      expect(verdict.evidence).toHaveLength(2);
    }
    expect((await verify(image)).outcome).toBe("deny");
  });

  it.each([[[]], [["unknown/unknown"]]])("is not passed by an index of %j", async (platforms) => {
    const image = await newIndex(platforms);
    await sign(image.ref, { recursive: true });
    expect(codesOf(await verify(image, "each"))).toEqual(["PLATFORM_NOT_FOUND"]);
  });

  it("asks for what names no platform, since some runtime may choose it", async () => {
    const image = await newIndex(["linux/amd64", ""]);
    await signEntry(image, "linux/amd64");
    expect((await verify(image, "each")).outcome).toBe("deny");
    await signEntry(image, "");
    expect((await verify(image, "each")).outcome).toBe("allow");
  });

  it("judges a single image, and a platform by its digest, by their own signatures", async () => {
    const single = await stage.newImage(`single${serial++}:1`);
    await sign(single.ref);
    const image = await newIndex();
    await sign(image.ref);
    for (const rule of ["index", "each", "index-or-each"] as const) {
      const verifier = stage.verifier([policyOf(rule)]);
      expect((await verifier.verify({ image: single.text })).outcome).toBe("allow");
      const child = `${image.text}@${image.entries["linux/amd64"]?.digest}`;
      expect((await verifier.verify({ image: child })).outcome).toBe("deny");
    }
  });

  it("fails for an outage of one platform as what it is, and hurts no other policy", async () => {
    const image = await newIndex();
    await sign(image.ref, { recursive: true });
    const broken = image.entries["linux/arm64"]?.digest;
    const registry: Registry = {
      ...stage.registry,
      async listReferrers(name, subject, ...more) {
        if (subject === broken) throw new TrustError("REGISTRY_ERROR", "503");
        return stage.registry.listReferrers(name, subject, ...more);
      },
    };
    const judged = (...policies: TrustPolicy[]) =>
      createVerifier({
        registry,
        policies: () => ({ policies, revision: "" }),
        settings: defaultSettings,
        now: () => stage.clock.now,
      }).verify({ image: image.text });
    expect(await judged(policyOf("each"))).toMatchObject({ outcome: "deny", status: "unavailable" });
    expect(await judged(policyOf("index"), policyOf("each", { name: "trial", mode: "warn" }))).toMatchObject({
      outcome: "warn",
      policies: [{ passed: true }, { passed: false }],
    });
  });

  it("holds each platform to its own mark", async () => {
    const image = await newIndex();
    const freshness = { tagBinding: "required", digestOnly: "deny", grace: 0 } as const;
    const verifier = stage.verifier([policyOf("index-or-each", { freshness })]);
    const bound = () => ({ annotations: bindingAnnotations({ bindTo: image.ref }, stage.clock.now) });
    for (const name of ["linux/amd64", "linux/arm64"]) {
      const digest = image.entries[name]?.digest;
      if (digest !== undefined) await sign({ ...image.ref, digest }, bound());
      stage.clock.now += 1000;
    }
    for (let i = 0; i < 2; i++) expect((await verifier.verify({ image: image.text })).outcome).toBe("allow");
  });
});

describe("a rollback", () => {
  const freshness = { tagBinding: "required", digestOnly: "deny", grace: 0 } as const;
  const bound = (ref: ImageReference) => ({ annotations: bindingAnnotations({ bindTo: ref }, stage.clock.now) });
  const onIndex = ({ ref }: Multi) => sign(ref, bound(ref));
  const onEach = async ({ ref, entries }: Multi) => {
    for (const { digest } of Object.values(entries)) await sign({ ...ref, digest }, bound(ref));
  };

  it.each([
    ["from an index to platforms", onEach, onIndex],
    ["from platforms to an index", onIndex, onEach],
  ])("is seen %s", async (_name, signOld, signNew) => {
    const old = await newIndex();
    await signOld(old);
    stage.clock.now += day;
    const entries = await pushPlatforms(stage.registry, old.ref, "new", ["linux/amd64", "linux/s390x"]);
    const young = { ...old, entries, index: await pushIndex(stage.registry, old.ref, entries) };
    await signNew(young);
    const verifier = stage.verifier([policyOf("index-or-each", { freshness })]);
    for (let i = 0; i < 2; i++)
      expect(await verifier.verify({ image: old.text })).toMatchObject({
        outcome: "allow",
        digest: young.index.digest,
      });
    await pushIndex(stage.registry, old.ref, old.entries);
    stage.clock.now += 11_000;
    const refused = await verifier.verify({ image: old.text });
    expect(refused).toMatchObject({ outcome: "deny", digest: old.index.digest });
    expect(codesOf(refused)).toContain("ROLLBACK");
  });

  it("is not what an index is that was signed after its platforms", async () => {
    const image = await newIndex();
    await onEach(image);
    stage.clock.now += 1000;
    await onIndex(image);
    for (const rule of ["each", "index-or-each", "index"] as const) {
      const verifier = stage.verifier([policyOf(rule, { freshness })]);
      for (const recursive of [false, true, false])
        expect((await verifier.verify({ image: image.text, recursive })).outcome).toBe("allow");
    }
  });
});

describe("one platform", () => {
  it("is signed and verified by itself", async () => {
    const image = await newIndex();
    const platform = { os: "linux", architecture: "arm64" };
    const digest = image.entries["linux/arm64"]?.digest;
    expect(await sign(image.ref, { platform })).toMatchObject({ image: image.text, digest });
    await expect(sign(image.ref, { platform, expectDigest: image.index.digest })).rejects.toMatchObject({
      code: "DIGEST_MISMATCH",
    });
    expect(await verify(image, undefined, { platform })).toMatchObject({ outcome: "allow", digest });
    expect((await verify(image, undefined, { platform: { ...platform, architecture: "amd64" } })).outcome).toBe("deny");
    const missing = await verify(image, undefined, { platform: { os: "plan9", architecture: "mips" } });
    expect(missing).toMatchObject({ outcome: "deny", findings: [{ code: "PLATFORM_NOT_FOUND" }] });
  });
});

describe("the whole tree", () => {
  it("is signed, everything below first, and verified in one verdict", async () => {
    const image = await newIndex();
    const signed = await sign(image.ref, { recursive: true });
    expect(signed.children?.map(({ platform }) => platform)).toEqual(Object.keys(image.entries));
    const verdict = await verify(image, undefined, { recursive: true });
    expect(verdict).toMatchObject({
      outcome: "allow",
      status: "trusted",
      digest: image.index.digest,
      children: [
        { platform: "linux/amd64", digest: image.entries["linux/amd64"]?.digest, outcome: "allow" },
        { platform: "linux/arm64", outcome: "allow" },
      ],
    });
    expect(verdict.evidence).toHaveLength(3);
    expect((await verify(image, "each")).outcome).toBe("allow");
  });

  it("is as good as the worst of it", async () => {
    const image = await newIndex();
    await sign(image.ref);
    await signEntry(image, "linux/amd64");
    const verdict = await verify(image, undefined, { recursive: true });
    expect(verdict).toMatchObject({
      outcome: "deny",
      status: "untrusted",
      policies: [{ passed: true }],
      findings: [{ code: "PLATFORM_NOT_TRUSTED", found: "linux/arm64" }],
      children: [{ outcome: "allow" }, { outcome: "deny" }],
    });
    expect(categoriesOf(verdict)).toEqual(["untrusted", "untrusted"]);
    expect((await verify(image)).outcome).toBe("allow");
  });

  it("holds nested indexes too", async () => {
    const image = await newIndex(["linux/amd64"]);
    const outer = parseReference(`${image.text}-outer`);
    const index = await pushIndex(stage.registry, outer, { "": image.index });
    await sign(outer, { recursive: true });
    const verifier = stage.verifier([policyOf("index")]);
    const verdict = await verifier.verify({ image: `${image.text}-outer`, recursive: true });
    expect(verdict).toMatchObject({ outcome: "allow", digest: index.digest });
    expect(verdict.children.map(({ digest }) => digest)).toEqual([
      image.index.digest,
      image.entries["linux/amd64"]?.digest,
    ]);
  });

  it("is a single verdict for a single image, and for what no policy judges", async () => {
    const single = await stage.newImage(`single${serial++}:1`);
    await sign(single.ref, { recursive: true });
    const verifier = stage.verifier([policyOf("index")]);
    expect(await verifier.verify({ image: single.text, recursive: true })).toMatchObject({
      outcome: "allow",
      children: [],
    });
    const none = await stage.verifier([]).verify({ image: single.text, recursive: true });
    expect(none).toMatchObject({ outcome: "deny", status: "no-policy" });
  });

  it("is renewed as a whole", async () => {
    const image = await newIndex();
    const annotations = bindingAnnotations({ expiresIn: 30 * day, bindTo: image.ref }, stage.clock.now);
    await sign(image.ref, { recursive: true, annotations, formats });
    stage.clock.now += 25 * day;
    const { now } = stage.clock;
    const { signatures } = await refreshImage(stage.registry, {
      image: image.ref,
      signer: alice,
      formats,
      before: 10 * day,
      now,
    });
    expect(signatures).toHaveLength(8);
    stage.clock.now += 20 * day;
    const freshness = { tagBinding: "required", digestOnly: "deny", grace: 0 } as const;
    const verifier = stage.verifier([policyOf("index", { freshness })]);
    expect((await verifier.verify({ image: image.text, recursive: true })).outcome).toBe("allow");
  });
});
