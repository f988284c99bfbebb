import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { attestImage } from "../../src/attest.ts";
import { cosign } from "../../src/formats/cosign.ts";
import { sigstoreBundle } from "../../src/formats/sigstore-bundle.ts";
import { parseReference } from "../../src/oci/reference.ts";
import type { Registry } from "../../src/oci/registry.ts";
import type { PolicySet } from "../../src/policy/policy.ts";
import { defaultSettings } from "../../src/policy/settings.ts";
import type { Verdict } from "../../src/policy/verdict.ts";
import { formatEvidence, parseEvidence } from "../../src/policy-tools/evidence-file.ts";
import { recordImages } from "../../src/policy-tools/record.ts";
import { mergeRecordings, type Recording } from "../../src/policy-tools/recording.ts";
import { replay } from "../../src/policy-tools/replay.ts";
import { signImage } from "../../src/sign.ts";
import { createVerifier } from "../../src/verify.ts";
import { pushIndex, pushPlatforms } from "../support/index-images.ts";
import { keyed, provenance, setOf } from "../support/proofs.ts";
import { newSigner } from "../support/signers.ts";
import { openStage, type Stage } from "../support/stage.ts";

let stage: Stage;
const [alice, bob] = [newSigner(), newSigner()];
const names = {
  signed: "app:signed",
  old: "app:old",
  attested: "app:attested",
  unsigned: "app:unsigned",
  other: "app:other",
};
const now = Date.UTC(2026, 0, 1);
let policies: PolicySet;
beforeAll(async () => {
  stage = await openStage();
  for (const name of Object.values(names)) await stage.newImage(name);
  const sign = async (name: string, signer = alice, format = sigstoreBundle) => {
    await signImage(stage.registry, { image: refOf(name), signer, formats: [format], now });
  };
  await sign(names.signed);
  await sign(names.old, alice, cosign);
  await sign(names.other, bob);
  await sign(names.attested);
  const predicate = Buffer.from(JSON.stringify({ runDetails: { builder: { id: "https://ci.example.com" } } }));
  await attestImage(stage.registry, {
    image: refOf(names.attested),
    signer: alice,
    formats: [cosign],
    predicateType: provenance,
    predicate,
    now,
  });
  policies = await setOf(
    spec("signed", {}),
    spec("attested", {
      images: [{ glob: `${stage.host}/app`, tags: ["attested", "unsigned"] }],
      attestations: [
        {
          name: "p",
          predicateType: provenance,
          condition: 'predicate.runDetails.builder.id == "https://ci.example.com"',
        },
      ],
    }),
    spec("user", { condition: 'config.config.User == "10001"' }),
    spec("platforms", { images: [{ glob: `${stage.host}/multi` }], platforms: "each" }),
  );
});
afterAll(() => stage.close());

const refOf = (name: string) => parseReference(`${stage.host}/${name}`);
const spec = (name: string, more: object) => ({
  apiVersion: "imagetrust.dev/v1alpha1",
  kind: "ClusterTrustPolicy",
  metadata: { name },
  spec: { images: [{ glob: `${stage.host}/**` }], authorities: [keyed("alice", alice)], ...more },
});
const record = (...images: readonly string[]) =>
  recordImages(stage.registry, { images: images.map(refOf), now: () => now });
const verify = (registry: Registry, name: string): Promise<Verdict> =>
  createVerifier({ registry, policies: () => policies, settings: defaultSettings, now: () => now }).verify({
    image: `${stage.host}/${name}`,
  });
const reread = (recording: Recording) => parseEvidence(Buffer.from(formatEvidence(recording)), "test");

describe("recorded evidence", () => {
  it("gives the same verdicts as the registry", async () => {
    const all = Object.values(names);
    const registry = replay(reread(await record(...all, "app:nowhere")));
    for (const name of [...all, "app:nowhere"]) {
      const [live, replayed] = [await verify(stage.registry, name), await verify(registry, name)];
      const plain = ({ policies, outcome, status, digest, evidence }: Verdict) => ({
        ...{ outcome, status, digest, evidence },
        policies: policies.map(({ findings, ...rest }) => ({ ...rest, codes: findings.map(({ code }) => code) })),
      });
      expect(plain(replayed), name).toEqual(plain(live));
    }
    expect((await verify(registry, names.attested)).outcome).toBe("allow");
    expect((await verify(registry, names.signed)).outcome).toBe("allow");
    expect((await verify(registry, names.other)).outcome).toBe("deny");
  });

  it("holds the platforms of an index, and their signatures", async () => {
    const index = refOf("multi:1");
    const platforms = await pushPlatforms(stage.registry, index, "multi", ["linux/amd64", "linux/arm64"]);
    await pushIndex(stage.registry, index, platforms);
    await signImage(stage.registry, { image: index, signer: alice, formats: [sigstoreBundle], now, recursive: true });
    const replayed = await verify(replay(reread(await record("multi:1"))), "multi:1");
    expect([replayed.outcome, replayed.policies.length]).toEqual(["allow", 3]);
  });

  it("is the same text for the same evidence, whatever the order of the images", async () => {
    const [one, two] = [await record(names.signed, names.old), await record(names.old, names.signed)];
    expect(formatEvidence(one)).toBe(formatEvidence(two));
    expect(formatEvidence(reread(one))).toBe(formatEvidence(one));
  });

  it("has no layers", async () => {
    const recording = await record(names.signed);
    const blobs = [...recording.repositories.values()].flatMap((repository) => [...repository.blobs]);
    // The config and the bundle.
    expect(blobs).toHaveLength(2);
  });

  it("does not know what it does not hold, and never says that it is not there", async () => {
    const registry = replay(reread(await record(names.signed)));
    const verdict = await verify(registry, names.unsigned);
    expect(verdict).toMatchObject({
      outcome: "deny",
      status: "unavailable",
      findings: [{ code: "EVIDENCE_NOT_RECORDED" }],
    });
    await expect(registry.listReferrers(refOf("other"), `sha256:${"a".repeat(64)}`, 1)).rejects.toMatchObject({
      code: "EVIDENCE_NOT_RECORDED",
    });
    await expect(registry.deleteManifest(refOf("app"), "signed")).rejects.toMatchObject({ code: "REGISTRY_REFUSED" });
  });

  it("is read through mirrors under the name that policies speak of", async () => {
    const image = refOf("orig:signed");
    const mirrors = [{ from: `${stage.host}/orig`, to: `${stage.host}/app` }];
    const recording = await recordImages(stage.registry, {
      images: [image],
      whereabouts: { mirrors, signaturesAt: [] },
      now: () => now,
    });
    expect([...recording.repositories.keys()]).toEqual([`${stage.host}/orig`]);
    expect(recording.repositories.get(`${stage.host}/orig`)?.tags.get("signed")).toHaveProperty("value");
  });

  it("is not made where the registry fails on the way: a hole would look like nothing", async () => {
    const failing: Registry = {
      ...stage.registry,
      listReferrers: () =>
        stage.registry.listReferrers(parseReference("127.0.0.1:1/app"), `sha256:${"a".repeat(64)}`, 1),
    };
    await expect(recordImages(failing, { images: [refOf(names.signed)], now: () => now })).rejects.toMatchObject({
      category: "unavailable",
    });
  });
});

describe("an evidence file", () => {
  it("is held to its digests: no changed content is read", async () => {
    const text = formatEvidence(await record(names.signed));
    const changes: readonly [string | RegExp, string][] = [
      ['"User": "10001"', '"User": "0"'],
      [/"kind": "Evidence"/, '"kind": "Other"'],
      [/"sig": "/, '"sig": "A'],
      [/"supported": true/, '"supported": true, "unknown": 1'],
      [/"images": \[/, '"images": ["Not An Image",'],
    ];
    for (const [from, to] of changes) {
      const changed = text.replace(from, to);
      expect(changed, String(from)).not.toBe(text);
      expect(() => parseEvidence(Buffer.from(changed), "changed"), String(from)).toThrow(
        expect.objectContaining({ code: "CONFIG_INVALID" }),
      );
    }
  });

  it.each([
    "",
    "{}",
    "[]",
    "null",
    "{",
    '{"apiVersion":"imagetrust.dev/v1alpha1","kind":"Evidence","images":[],"repositories":{"UPPER":{}}}',
  ])("is none: %s", (text) => {
    expect(() => parseEvidence(Buffer.from(text), "bad")).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
  });

  it("does not contradict another one", async () => {
    const before = reread(await record(names.unsigned));
    await signImage(stage.registry, { image: refOf(names.unsigned), signer: alice, formats: [sigstoreBundle], now });
    const after = reread(await record(names.unsigned));
    expect(() => mergeRecordings([before, after])).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
    expect(mergeRecordings([after, reread(await record(names.signed))]).images).toHaveLength(2);
  });
});
