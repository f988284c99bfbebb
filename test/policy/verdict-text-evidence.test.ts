import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { attestImage } from "../../src/attest.ts";
import { digestHex } from "../../src/crypto/digest.ts";
import { sigstoreBundle } from "../../src/formats/sigstore-bundle.ts";
import { mediaTypes } from "../../src/oci/manifest.ts";
import { createObjectComposer } from "../../src/policy/objects.ts";
import type { PolicySet } from "../../src/policy/policy.ts";
import { defaultSettings } from "../../src/policy/settings.ts";
import type { Verdict } from "../../src/policy/verdict.ts";
import { fullText, shortText } from "../../src/policy/verdict-text.ts";
import { createVerifier } from "../../src/verify.ts";
import { bundleType, manifestOf } from "../copy/scene.ts";
import { descriptorOf, push } from "../oci/artifacts.ts";
import { keyed, provenance } from "../support/proofs.ts";
import { newSigner } from "../support/signers.ts";
import { makeBundle, type Recipe } from "../support/sigstore/bundles.ts";
import { createWorld, trustedRootOf } from "../support/sigstore/world.ts";
import { openStage, type Stage } from "../support/stage.ts";

// The wording of failures of identities, attestations and policies themselves. After a change that is meant:
// vitest run -u --project unit test/policy/verdict-text-evidence.test.ts

let stage: Stage;
let serial = 0;
const clock = Date.UTC(2026, 5, 1);
const world = createWorld({ now: () => clock });
const elsewhere = createWorld({ now: () => clock });
const [alice, bob] = [newSigner(), newSigner()];
const hour = 3_600_000;
beforeAll(async () => {
  stage = await openStage();
  stage.clock.now = clock;
});
afterAll(() => stage.close());

type Image = Awaited<ReturnType<Stage["newImage"]>>;

/** A policy as it would stand in a cluster, and the roots beside it. */
function policy(spec: object): readonly object[] {
  const apiVersion = "imagetrust.dev/v1alpha1";
  return [
    {
      apiVersion,
      kind: "ClusterTrustPolicy",
      metadata: { name: "production" },
      spec: { images: [{ glob: "**" }], ...spec },
    },
    { apiVersion, kind: "TrustRoot", metadata: { name: "acme" }, spec: { trustedRoot: trustedRootOf(world) } },
  ];
}

const issuer = "https://token.actions.githubusercontent.com";
const subject = "https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main";
const keyless = (identity: object, more: object = {}) =>
  policy({ authorities: [{ name: "ci", keyless: { trustRoot: "acme", identities: [identity], ...more } }] });
const attested = (more: object = {}) =>
  policy({
    authorities: [keyed("builder", alice)],
    threshold: 0,
    attestations: [{ name: "provenance", predicateType: provenance, ...more }],
  });

async function judge(image: string, objects: readonly object[]): Promise<Verdict> {
  const { set } = await createObjectComposer({})(objects.map((object) => ({ ...object })));
  return verdictBy(set, image);
}

function verdictBy(set: PolicySet, image: string): Promise<Verdict> {
  const { registry } = stage;
  return createVerifier({ registry, policies: () => set, settings: defaultSettings, now: () => clock }).verify({
    image,
  });
}

async function withBundle(objects: readonly object[], recipe: Recipe = {}, by = world): Promise<Verdict> {
  const image = await stage.newImage(`app${serial++}:1`);
  const { bundle } = makeBundle(by, { subject: digestHex(image.digest), ...recipe });
  const content = Buffer.from(JSON.stringify(bundle));
  const { size } = await stage.registry.resolve(image.ref);
  const config = descriptorOf(Buffer.from("{}"), mediaTypes.empty);
  const about = { mediaType: mediaTypes.imageManifest, digest: image.digest, size };
  const made = { artifactType: bundleType, config, layers: [descriptorOf(content, bundleType)], subject: about };
  await push(stage.registry, image.ref, manifestOf(made, [Buffer.from("{}"), content]));
  return judge(image.text, objects);
}

async function withAttestation(
  objects: readonly object[],
  predicate: object,
  { signer = alice, predicateType = provenance, age = 0 } = {},
): Promise<Verdict> {
  const image: Image = await stage.newImage(`app${serial++}:1`);
  await attestImage(stage.registry, {
    ...{ image: image.ref, signer, formats: [sigstoreBundle], predicateType, now: clock - age },
    predicate: Buffer.from(JSON.stringify(predicate)),
  });
  return judge(image.text, objects);
}

const unsigned = async (objects: readonly object[]) => judge((await stage.newImage(`app${serial++}:1`)).text, objects);

const scenarios: Readonly<Record<string, () => Promise<Verdict>>> = {
  "keyless, another subject": () => withBundle(keyless({ issuer, subject: subject.replace("acme", "other") })),
  "keyless, another issuer": () => withBundle(keyless({ issuer: "https://accounts.google.com", subject })),
  "keyless, subject of no expression": () =>
    withBundle(keyless({ issuer, subjectRegex: "https://github\\.com/other/.*" })),
  "keyless, another claim": () =>
    withBundle(keyless({ issuer, claims: { sourceRepositoryURI: "https://github.com/other/app" } })),
  "keyless, another deployment": () => withBundle(keyless({ issuer, subject }), {}, elsewhere),
  "keyless, not in a log": () => withBundle(keyless({ issuer, subject }), { log: "none" }),
  "keyless, no timestamp": () => withBundle(keyless({ issuer, subject }, { require: { timestamp: true } })),
  "keyless, not signed": () => unsigned(keyless({ issuer, subject })),
  "not attested": () => unsigned(attested()),
  "attested by another": () => withAttestation(attested(), {}, { signer: bob }),
  "attested under another type": () => withAttestation(attested(), {}, { predicateType: "https://spdx.dev/Document" }),
  "condition not met": () =>
    withAttestation(attested({ condition: 'predicate.builder.id == "https://ci.acme.com"' }), {
      builder: { id: "https://laptop.local" },
    }),
  "condition about what is not there": () =>
    withAttestation(attested({ condition: 'predicate.builder.id == "https://ci.acme.com"' }), {}),
  "attestation too old": () => withAttestation(attested({ maxAge: "1h" }), {}, { age: 3 * hour }),
  "a policy that does not load": () =>
    unsigned(policy({ authorities: [{ name: "ci", key: { data: "-----BEGIN CERTIFICATE-----" } }] })),
  "a trust root that is not there": () => unsigned(keyless({ issuer, subject }).slice(0, 1)),
  "a rule in CUE": () =>
    unsigned([
      {
        apiVersion: "policy.sigstore.dev/v1beta1",
        kind: "ClusterImagePolicy",
        metadata: { name: "production" },
        spec: {
          images: [{ glob: "**" }],
          authorities: [{ keyless: { identities: [{ issuer, subject }] } }],
          policy: { type: "cue", data: "predicateType: string" },
        },
      },
    ]),
};

/** What differs from run to run by its name. */
function steady(text: string): string {
  return text
    .replaceAll(stage.host, "HOST")
    .replace(/sha256:[0-9a-f]{64}/g, "sha256:<digest>")
    .replaceAll(alice.publicKey.keyId.slice(0, 16), "<key of alice>")
    .replaceAll(bob.publicKey.keyId.slice(0, 16), "<key of bob>")
    .replace(/\bkey [0-9a-f]{16}\b/g, "key <of a stranger>")
    .replace(/\bapp\d+/g, "app");
}

describe("a denial", () => {
  test.each(Object.keys(scenarios))("says why, in short and in full: %s", async (name) => {
    const verdict = await scenarios[name]?.();
    if (verdict === undefined) throw new Error("no scenario");
    expect(verdict.outcome).toBe("deny");
    const text = `${shortText([verdict])}\n\n${fullText(verdict)}`;
    await expect(steady(text)).toMatchFileSnapshot(`golden/${name.replace(/[^a-zA-Z]+/g, "-")}.txt`);
  });
});
