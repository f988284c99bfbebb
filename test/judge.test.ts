import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { attestImage } from "../src/attest.ts";
import { formats } from "../src/formats/index.ts";
import { sigstoreBundle } from "../src/formats/sigstore-bundle.ts";
import { type ImageReference, parseReference } from "../src/oci/reference.ts";
import type { ObjectContext } from "../src/policy/policy.ts";
import { defaultSettings } from "../src/policy/settings.ts";
import type { Verdict } from "../src/policy/verdict.ts";
import { signImage } from "../src/sign.ts";
import { createVerifier, type Verifier } from "../src/verify.ts";
import { buildImage, pushImage } from "./support/images.ts";
import { pushIndex, pushPlatforms } from "./support/index-images.ts";
import { keyed, provenance, setOf } from "./support/proofs.ts";
import { newSigner } from "./support/signers.ts";
import { openStage, type Stage } from "./support/stage.ts";

let stage: Stage;
let serial = 0;
const [ci, stranger] = [newSigner(), newSigner()];

beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());

const newImage = () => stage.newImage(`judged${serial++}:1`);
const sign = (image: ImageReference) =>
  signImage(stage.registry, { image, signer: ci, formats: [sigstoreBundle], now: stage.clock.now });
const attest = (image: ImageReference, predicate: object, signer = ci, format = sigstoreBundle) =>
  attestImage(stage.registry, {
    ...{ image, signer, formats: [format], predicateType: provenance, now: stage.clock.now },
    predicate: Buffer.from(JSON.stringify(predicate)),
  });

async function verifierOf(spec: object, ...others: readonly object[]): Promise<Verifier> {
  const policy = { images: [{ glob: "**" }], authorities: [keyed("ci", ci)], ...spec };
  const set = await setOf({ kind: "ClusterTrustPolicy", metadata: { name: "production" }, spec: policy }, ...others);
  return createVerifier({
    registry: stage.registry,
    policies: () => set,
    settings: defaultSettings,
    now: () => stage.clock.now,
  });
}

const codes = ({ policies, findings }: Verdict) =>
  [...findings, ...policies.flatMap((policy) => policy.findings)].map(({ code }) => code);

describe("attestations in a registry", () => {
  const attestations = [{ name: "provenance", predicateType: provenance, condition: "predicate.ok == true" }];

  it.each(formats.map((format) => [format.name, format] as const))("are found and judged: %s", async (_, format) => {
    const image = await newImage();
    await sign(image.ref);
    const verifier = await verifierOf({ attestations });
    expect(codes(await verifier.verify({ image: image.text }))).toEqual(["NO_ATTESTATION"]);
    await attest(image.ref, { ok: true }, ci, format);
    stage.clock.now += 2000;
    const verdict = await verifier.verify({ image: image.text });
    expect(verdict).toMatchObject({
      outcome: "allow",
      status: "trusted",
      policies: [{ satisfiedBy: [{ authority: "ci" }, { authority: "ci", attestation: "provenance" }] }],
    });
    expect(verdict.evidence).toHaveLength(2);
  });

  it("do not count by a stranger, nor where their condition fails", async () => {
    const image = await newImage();
    await sign(image.ref);
    await attest(image.ref, { ok: true }, stranger);
    const verifier = await verifierOf({ attestations });
    expect(codes(await verifier.verify({ image: image.text }))).toContain("NO_ATTESTATION");
    await attest(image.ref, { ok: false });
    stage.clock.now += 2000;
    expect(codes(await verifier.verify({ image: image.text }))).toContain("CONDITION_NOT_MET");
  });

  it("are not asked for where no policy wants any", async () => {
    const image = await newImage();
    await sign(image.ref);
    stage.requests.length = 0;
    expect((await (await verifierOf({})).verify({ image: image.text })).outcome).toBe("allow");
    expect(stage.requests.filter((request) => request.includes(".att"))).toEqual([]);
  });
});

describe("a condition on the config", () => {
  const condition = 'config.config.User == "10001" && config.architecture == "amd64"';

  it("is judged by the config of the image, fetched once", async () => {
    const image = await newImage();
    await sign(image.ref);
    const verifier = await verifierOf({ condition });
    stage.requests.length = 0;
    expect(await verifier.verify({ image: image.text })).toMatchObject({ outcome: "allow", status: "trusted" });
    const fetched = stage.requests.length;
    expect(await verifier.verify({ image: image.text })).toMatchObject({ outcome: "allow" });
    expect(stage.requests.length).toBe(fetched);
    const other = await verifierOf({ condition: 'config.config.User == "0"' });
    expect(codes(await other.verify({ image: image.text }))).toEqual(["CONDITION_NOT_MET"]);
  });

  it("holds for every image of an index, but not for what never runs", async () => {
    const ref = parseReference(`${stage.host}/index${serial++}:1`);
    const entries = await pushPlatforms(stage.registry, ref, "x", ["linux/amd64", "linux/arm64", "unknown/unknown"]);
    await pushIndex(stage.registry, ref, entries);
    await sign(ref);
    const image = `${stage.host}/${ref.repository}:1`;
    expect(await (await verifierOf({ condition })).verify({ image })).toMatchObject({ outcome: "allow" });
    const odd = buildImage({ layers: [{}], labels: { odd: "yes" } });
    await pushImage(stage.registry, { registry: ref.registry, repository: ref.repository }, odd);
    await pushIndex(stage.registry, ref, { ...entries, "linux/s390x": odd.descriptor });
    await sign(ref);
    const labelled = await verifierOf({ condition: '!("odd" in config.config.Labels)' });
    expect(await labelled.verify({ image })).toMatchObject({
      outcome: "deny",
      policies: [{ findings: [{ code: "CONDITION_NOT_MET", found: "linux/s390x: false" }] }],
    });
  });

  it("does not look like a fault of the image where the registry does not answer", async () => {
    const image = await newImage();
    await sign(image.ref);
    const [warm, cold] = [await verifierOf({ condition }), await verifierOf({ condition })];
    expect((await warm.verify({ image: image.text })).outcome).toBe("allow");
    await stage.outage();
    try {
      const pinned = `${image.text}@${image.digest}`;
      expect((await warm.verify({ image: pinned })).outcome).toBe("allow");
      expect(await cold.verify({ image: pinned })).toMatchObject({ outcome: "deny", status: "unavailable" });
    } finally {
      await stage.resume();
    }
  });
});

describe("a condition on the object", () => {
  const condition = 'object.metadata.labels["tier"] == "web"';
  const object: ObjectContext = {
    apiGroup: "",
    resource: "pods",
    kind: "Pod",
    namespace: "prod",
    labels: { tier: "web" },
  };

  it("is judged by the object, and denies where there is none", async () => {
    const image = await newImage();
    await sign(image.ref);
    const verifier = await verifierOf({ condition });
    expect((await verifier.verify({ image: image.text, object })).outcome).toBe("allow");
    const other = { ...object, labels: { tier: "db" } };
    expect((await verifier.verify({ image: image.text, object: other })).outcome).toBe("deny");
    expect(codes(await verifier.verify({ image: image.text }))).toEqual(["CONDITION_NOT_EVALUABLE"]);
  });
});

describe("an exception", () => {
  const exceptionFor = (images: readonly object[]) => ({
    kind: "TrustException",
    metadata: { name: "incident" },
    spec: { images, expires: "2026-01-02T00:00:00Z", reason: "incident 4711" },
  });

  it("lets its image pass, by name or digest, until it ends, and the verdict holds no longer", async () => {
    const image = await newImage();
    for (const named of [{ glob: `${stage.host}/${image.ref.repository}` }, { digest: image.digest }]) {
      const verdict = await (await verifierOf({}, exceptionFor([named]))).verify({ image: image.text });
      expect(verdict).toMatchObject({
        outcome: "allow",
        status: "exempt",
        policies: [{ passed: true, exception: { name: "incident" }, findings: [{ code: "NO_SIGNATURE" }] }],
        unsafe: [expect.stringContaining("incident 4711")],
      });
      expect(Date.parse(verdict.validUntil ?? "")).toBeLessThanOrEqual(Date.parse("2026-01-02T00:00:00Z"));
    }
  });

  it("never lets another image pass, though both are asked about together", async () => {
    const [one, other] = [await newImage(), await newImage()];
    const verifier = await verifierOf({}, exceptionFor([{ digest: one.digest }]));
    const [first, second] = await Promise.all([one, other].map(({ text }) => verifier.verify({ image: text })));
    expect([first?.outcome, second?.outcome]).toEqual(["allow", "deny"]);
    expect(second?.unsafe).toEqual([]);
  });

  it("lets nothing pass while the registry is out of reach: what is revoked cannot be seen", async () => {
    const image = await newImage();
    const verifier = await verifierOf({}, exceptionFor([{ digest: image.digest }]));
    await stage.outage();
    try {
      const verdict = await verifier.verify({ image: `${image.text}@${image.digest}` });
      expect(verdict).toMatchObject({ outcome: "deny", status: "unavailable" });
    } finally {
      await stage.resume();
    }
  });
});

describe("a static policy", () => {
  it("decides without a request where it asks for nothing", async () => {
    const authorities = [{ name: "legacy", static: { action: "pass", message: "until the move" } }];
    stage.requests.length = 0;
    const verdict = await (await verifierOf({ authorities })).verify({ image: `${stage.host}/nothing/there:1` });
    expect(verdict).toMatchObject({ outcome: "allow", status: "static" });
    expect(stage.requests).toEqual([]);
  });
});
