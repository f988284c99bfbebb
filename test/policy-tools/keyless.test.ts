import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { digestHex, digestOf } from "../../src/crypto/digest.ts";
import { emptyDescriptor, emptyJson, mediaTypes } from "../../src/oci/manifest.ts";
import { attachReferrer } from "../../src/oci/referrers.ts";
import { blobOf } from "../../src/oci/registry.ts";
import { formatEvidence } from "../../src/policy-tools/evidence-file.ts";
import { recordImages } from "../../src/policy-tools/record.ts";
import { runPolicyTests } from "../../src/policy-tools/run-tests.ts";
import { readPolicyTests } from "../../src/policy-tools/test-file.ts";
import { bundleType } from "../copy/scene.ts";
import { tempDir } from "../support/process.ts";
import { makeBundle } from "../support/sigstore/bundles.ts";
import { githubIssuer } from "../support/sigstore/claims.ts";
import { createWorld, trustedRootOf } from "../support/sigstore/world.ts";
import { openStage, type Stage } from "../support/stage.ts";

const folder = tempDir("keyless-tests");
const world = createWorld();
const workflow = "https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main";
let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(async () => {
  await stage.close();
  folder.cleanup();
});

const apiVersion = "imagetrust.dev/v1alpha1";
const write = (name: string, ...documents: readonly unknown[]) =>
  writeFileSync(join(folder.path, name), documents.map((document) => JSON.stringify(document)).join("\n---\n"));

async function pushKeyless() {
  const image = await stage.newImage("app:1");
  const bytes = Buffer.from(JSON.stringify(makeBundle(world, { subject: digestHex(image.digest), log: "v1" }).bundle));
  const content = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.imageManifest,
      artifactType: bundleType,
      config: emptyDescriptor,
      layers: [{ mediaType: bundleType, digest: digestOf(bytes), size: bytes.length }],
      subject: { mediaType: mediaTypes.imageManifest, digest: image.digest, size: 0 },
    }),
  );
  for (const blob of [emptyJson, bytes]) await stage.registry.pushBlob(image.ref, blobOf(blob, digestOf(blob)));
  const descriptor = { mediaType: mediaTypes.imageManifest, digest: digestOf(content), size: content.length };
  await attachReferrer(stage.registry, image.ref, { bytes: content, descriptor }, image.digest);
  return image;
}

it("a keyless signature counts in a test at the time of the test, by the trust root beside the policy, long after its certificate", async () => {
  const { ref, text } = await pushKeyless();
  const recording = await recordImages(stage.registry, { images: [ref], now: Date.now });
  writeFileSync(join(folder.path, "app.evidence.json"), formatEvidence(recording));
  const identities = [{ issuer: githubIssuer, subject: workflow }];
  const authorities = [{ name: "ci", keyless: { trustRoot: "acme", identities } }];
  const spec = { images: [{ glob: "**" }], authorities };
  const root = {
    apiVersion,
    kind: "TrustRoot",
    metadata: { name: "acme" },
    spec: { trustedRoot: trustedRootOf(world) },
  };
  const fresh = { ...spec, freshness: { maxAge: "1d" } };
  const policy = (name: string, written: object) => ({
    apiVersion,
    kind: "ClusterTrustPolicy",
    metadata: { name },
    spec: written,
  });
  write("keyless.yaml", policy("keyless", spec), root);
  write("fresh.yaml", policy("fresh", fresh), root);
  const test = (policies: string, cases: readonly object[]) => ({
    kind: "PolicyTest",
    policies: [policies],
    evidence: ["app.evidence.json"],
    now: "2040-01-01T00:00:00Z",
    cases,
  });
  const trusted = { outcome: "allow", status: "trusted", policy: "keyless" };
  write("test.yaml", test("keyless.yaml", [{ name: "long after", image: text, expect: trusted }]));
  const old = { outcome: "deny", code: "SIGNATURE_TOO_OLD" };
  write("old.yaml", test("fresh.yaml", [{ name: "too old by then", image: text, expect: old }]));
  const tested = await runPolicyTests(await readPolicyTests(["test.yaml", "old.yaml"], folder.path));
  expect(
    tested.flatMap(({ error, results }) => [error?.message, ...results.flatMap(({ problems }) => problems)]),
  ).toEqual([undefined, undefined]);
  expect(tested.flatMap(({ results }) => results.map(({ passed }) => passed))).toEqual([true, true]);
});
