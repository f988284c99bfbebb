import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { attestImage } from "../src/attest.ts";
import { sigstoreBundle } from "../src/formats/sigstore-bundle.ts";
import type { ImageReference } from "../src/oci/reference.ts";
import { defaultSettings } from "../src/policy/settings.ts";
import { createAttestationVerifier } from "../src/verify-attestations.ts";
import { keyed, provenance, setOf } from "./support/proofs.ts";
import { newSigner } from "./support/signers.ts";
import { openStage, type Stage } from "./support/stage.ts";

let stage: Stage;
let serial = 0;
const ci = newSigner();
const sbom = "https://spdx.dev/Document";

beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());

const attest = (image: ImageReference, predicate: object, predicateType = provenance) =>
  attestImage(stage.registry, {
    ...{ image, signer: ci, formats: [sigstoreBundle], predicateType, now: stage.clock.now },
    predicate: Buffer.from(JSON.stringify(predicate)),
  });

async function verify(image: string, predicateType: string, spec: object) {
  const policy = { images: [{ glob: "**" }], authorities: [keyed("ci", ci)], ...spec };
  const policies = await setOf({ kind: "ClusterTrustPolicy", metadata: { name: "production" }, spec: policy });
  const verifier = createAttestationVerifier({
    registry: stage.registry,
    policies: () => policies,
    settings: defaultSettings,
    now: () => stage.clock.now,
  });
  const { verdict } = await verifier.verify({ image, predicateType });
  return verdict.outcome === "allow" ? "allow" : verdict.policies.flatMap(({ findings }) => findings[0]?.code).join();
}

describe("asking for attestations of a type, under a policy that asks for them itself", () => {
  const attestations = [{ name: "p", predicateType: provenance, condition: "predicate.ok" }];

  it("holds those of that type to what the policy says of them", async () => {
    const image = await stage.newImage(`asked${serial++}:1`);
    await attest(image.ref, { ok: false });
    expect(await verify(image.text, provenance, {})).toBe("allow");
    expect(await verify(image.text, provenance, { attestations })).toBe("CONDITION_NOT_MET");
  });

  it("does not ask for what the policy wants of other types, nor of the image", async () => {
    const image = await stage.newImage(`asked${serial++}:1`);
    await attest(image.ref, {}, sbom);
    expect(await verify(image.text, sbom, { attestations, condition: 'object.kind == "Pod"' })).toBe("allow");
  });

  it("takes no static authority for an attestation", async () => {
    const image = await stage.newImage(`asked${serial++}:1`);
    const authorities = [{ name: "legacy", static: { action: "pass" } }, keyed("ci", ci)];
    expect(await verify(image.text, sbom, { authorities })).toBe("NO_ATTESTATION");
    expect(await verify(image.text, sbom, { authorities: authorities.slice(0, 1) })).not.toBe("allow");
  });
});
